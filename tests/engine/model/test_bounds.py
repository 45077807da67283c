"""One huge value never leaves a model without opinions."""

from __future__ import annotations

import random
from contextlib import suppress
from math import isfinite
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.engine.model.bounds import LARGEST, bounded, bounded_table
from stream_al.engine.model.model import Model
from stream_al.engine.samples.table import sample_of
from stream_al.errors import BadMessage

HUGE: dict[str, Any] = {
    "largest": 1.7976931348623157e308,
    "1e300": 1e300,
    "-1e308": -1e308,
    "1e155": 1e155,
    "-1e39": -1e39,
    "10^400": 10**400,
    "-10^400": -(10**400),
}
DEFINITIONS = [
    "auto",
    "LogisticRegression()",
    "StandardScaler() | LogisticRegression()",
    "StandardScaler() | SoftmaxRegression()",
    "StandardScaler() | OneVsRestClassifier(LogisticRegression())",
    "StandardScaler() | KNNClassifier()",
    "MinMaxScaler() | LogisticRegression(optimizer=optim.Adam())",
    "MaxAbsScaler() | LogisticRegression()",
    "RobustScaler() | LogisticRegression()",
    "AdaptiveStandardScaler() | LogisticRegression()",
    "PolynomialExtender(degree=3) | StandardScaler() | LogisticRegression()",
    "GaussianNB()",
    "HoeffdingTreeClassifier(grace_period=20)",
    "HoeffdingAdaptiveTreeClassifier(grace_period=20)",
    "ARFClassifier(n_models=2)",
    "SRPClassifier(n_models=2)",
    "AMFClassifier(n_estimators=2)",
    "FMClassifier(n_factors=3)",
    "BaggingClassifier(StandardScaler() | LogisticRegression(), n_models=2)",
    "AdaBoostClassifier(GaussianNB(), n_models=2)",
]


def example(rng: random.Random) -> tuple[dict[str, Any], int]:
    x, y = rng.random(), rng.random()
    return {"x": x, "y": y}, int(x > y)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("huge", HUGE)
@pytest.mark.parametrize("definition", DEFINITIONS)
def test_after_one_huge_value_ordinary_samples_have_probabilities(definition: str, huge: str) -> None:
    """Whether it was learned or only scored; one by one as in a batch."""
    model, rng = Model(definition, seed=1), random.Random(1)  # noqa: S311 -- a fixed stream
    odd = {"x": HUGE[huge], "y": 0.5}
    for _ in range(40):
        model.learn(*example(rng))
    with suppress(BadMessage):
        model.probabilities(odd)
    with suppress(BadMessage):
        model.learn(odd, 1)
    for _ in range(25):
        model.learn(*example(rng))
    samples = [sample_of(str(n), example(rng)[0]) for n in range(10)]
    together = model.predict_proba_many(samples)
    assert together.known.all()
    assert not together.failed
    for row, sample in zip(together.rows(), samples, strict=True):
        alone = model.probabilities(sample.features)
        assert all(isfinite(p) for p in alone.values())
        assert sum(alone.values()) == pytest.approx(1.0)
        assert row == pytest.approx(alone, abs=1e-12)
    with_odd = model.predict_proba_many([sample_of("odd", odd), *samples])
    with suppress(BadMessage):
        assert with_odd.rows()[0] == pytest.approx(model.probabilities(odd), abs=1e-12)
    assert with_odd.rows()[1:] == together.rows()


@settings(derandomize=True, deadline=None, max_examples=200)
@given(values=st.lists(st.floats(allow_nan=False) | st.integers(-(10**60), 10**60), min_size=1, max_size=8))
def test_a_table_is_bounded_as_its_samples_are(values: list[float]) -> None:
    within = bounded({str(n): value for n, value in enumerate(values)})
    assert all(-LARGEST <= value <= LARGEST for value in within.values())
    assert [float(value) for value in within.values()] == bounded_table(np.asarray(values, float)).tolist()


def test_what_people_measure_is_not_changed() -> None:
    usual = {
        "nanoseconds": 1_790_000_000_123_456_789,
        "id": 2**64 - 1,
        "wei": 10**30,
        "tiny": 5e-324,
        "mass of the sun in g": 2e33,
        "text": "1e400",
        "truth": True,
        "zero": -0.0,
    }
    assert bounded(usual) == usual
    assert [type(value) for value in bounded(usual).values()] == [type(value) for value in usual.values()]
