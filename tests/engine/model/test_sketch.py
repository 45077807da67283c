"""The laws of sketches: near samples have near sketches, the same on every replica."""

from __future__ import annotations

import json
import math
import os
import pickle
import random
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.engine.model.digest import digest
from stream_al.engine.model.model import Model
from stream_al.engine.model.reference_set import FEATURES, RECENT, ReferenceSet
from stream_al.engine.model.sketch import COMPONENTS, points, project, spread, squared_distances
from stream_al.engine.strategies.history.history import QUERIES, SAMPLES, VALUES, History

law = settings(derandomize=True, deadline=None, max_examples=100)
anything = st.dictionaries(
    st.text(max_size=5) | st.sampled_from(["a", "b", "\ud800"]),
    st.floats() | st.integers() | st.booleans() | st.text(max_size=20) | st.none() | st.lists(st.integers()),
    max_size=6,
)


def normal(number: int, size: int) -> list[dict[str, Any]]:
    draw = random.Random(11)  # noqa: S311 -- a fixed stream
    return [{f"x{j}": draw.gauss(0.0, 1.0) for j in range(size)} for _ in range(number)]


@pytest.mark.parametrize("size", [1, 3, 10, 100])
def test_distances_between_sketches_are_those_between_samples(size: int) -> None:
    """On the average, and for few features mostly in order, which is as much as sixteen components keep.

    Between many independent features all distances are nearly equal, so that there is no order to keep.
    """
    scale = {f"x{j}": (0.0, 1.0) for j in range(size)}
    samples = normal(40, size)
    made = [project(features, scale) for features in samples]
    pairs = list(combinations(range(40), 2))
    true = [math.dist(samples[i].values(), samples[j].values()) ** 2 / size for i, j in pairs]
    sketched = [
        float(squared_distances(points(made[i]), points(made[j]))[0, 0]) / COMPONENTS / 32**2
        for i, j in pairs
    ]
    assert sum(sketched) / sum(true) == pytest.approx(1.0, abs=0.25)
    assert size > 10 or np.corrcoef(true, sketched)[0, 1] > 0.5


def test_texts_that_share_words_are_nearer_than_those_that_share_none() -> None:
    scale = {"body": (0.0, 0.0)}
    first, near, far = (
        project({"body": text}, scale)
        for text in ("win a free prize now", "win a free cup now", "see you at seven tonight")
    )
    gaps = squared_distances(points(first), points(near + far))[0]
    assert 0 < gaps[0] < gaps[1]


def test_a_missing_feature_is_average_and_an_unknown_one_is_ignored() -> None:
    scale = {"a": (5.0, 2.0), "b": (0.0, 1.0)}
    assert project({"a": 5.0, "b": 1.0}, scale) == project({"b": 1.0}, scale)
    assert project({"b": 1.0, "new": 1e9, "also new": "text"}, scale) == project({"b": 1.0}, scale)


@law
@given(stream=st.lists(anything, max_size=8), features=anything)
def test_any_features_have_a_sketch(stream: list[dict[str, Any]], features: dict[str, Any]) -> None:
    """Also features that no reader of samples lets through, since examples come from a topic of their own."""
    reference = ReferenceSet()
    for example in stream:
        reference.learn(example, "ham")
    sketch = reference.sketch(features)
    assert len(sketch) == COMPONENTS
    assert reference.sketch(dict(reversed(features.items()))) == sketch
    assert reference.points().shape == (len(stream), COMPONENTS)
    assert spread(reference.points()) >= 0.0


@law
@given(st.lists(st.floats(-1e300, 1e300, allow_subnormal=False), min_size=2, max_size=30))
def test_the_scale_is_the_mean_and_the_deviation(values: list[float]) -> None:
    reference = ReferenceSet()
    for value in values:
        reference.learn({"x": value}, "ham")
    mean, deviation = reference.scale()["x"]
    if max(map(abs, values)) < 1e100:
        assert mean == pytest.approx(np.mean(values), rel=1e-9, abs=1e-9 * max(map(abs, values)))
        assert deviation == pytest.approx(np.std(values, ddof=1), rel=1e-6, abs=1e-6 * max(map(abs, values)))
    assert not math.isnan(deviation)


def test_memory_is_bounded_however_much_is_learned() -> None:
    reference, history = ReferenceSet(), History().cursor()
    for i in range(3 * RECENT):
        reference.learn({f"feature {30 * i + j}": 1.0 for j in range(30)}, i % 2)
        history.percentile_ranks((0.5, i))
        history.remember(bytes([i % 100] * COMPONENTS), selected=i % 2 == 0)
    assert (len(reference.recent), len(reference.scale())) == (RECENT, FEATURES)
    assert (len(history.samples), len(history.queries)) == (SAMPLES * COMPONENTS, QUERIES * COMPONENTS)
    assert [len(values) for values in history.history().values] == [VALUES] * 2


def test_the_last_examples_are_kept_as_they_were() -> None:
    """Oldest first, and not as the dictionary that was learned from, which may change later."""
    reference = ReferenceSet()
    features = {"x": 0.0}
    for i in range(RECENT + 7):
        features["x"] = float(i)
        reference.learn(features, i % 2)
    assert [(f["x"], label) for f, label in reference.recent] == [
        (float(i), i % 2) for i in range(7, RECENT + 7)
    ]


def model_of(number: int) -> Model:
    model = Model("Select('x0', 'x1') | GaussianNB()", seed=1, reference_set=True)
    for i, features in enumerate(normal(number, 3)):
        model.learn({**features, "kind": "abc"[i % 3]}, i % 2)
    return model


@law
@given(values=st.lists(st.one_of(st.floats(), st.integers(), st.booleans(), st.text()), min_size=2))
def test_the_scale_is_that_of_the_finite_numbers(values: list[object]) -> None:
    """Other values are ignored, and numbers beyond 1e100 count as 1e100."""
    reference = ReferenceSet()
    for value in values:
        reference.learn({"x": value}, "ham")
    finite = [value for value in values if isinstance(value, int | float) and math.isfinite(value)]
    numbers = [min(1e100, max(-1e100, float(value))) for value in finite]
    mean, deviation = reference.scale()["x"]
    most = max(map(abs, numbers), default=0.0)
    assert mean == pytest.approx(fmean(numbers) if numbers else 0.0, rel=1e-9, abs=1e-9 * most)
    true = float(stdev(numbers)) if len(numbers) > 1 else 0.0
    tiny = 1e-150  # squares of smaller ones vanish
    assert deviation == pytest.approx(true, rel=1e-6, abs=max(tiny, 1e-6 * most))


def test_the_reference_set_is_part_of_the_fold_and_is_restored_from_a_snapshot() -> None:
    """It is part of digest and fingerprint; reading it changes nothing."""
    model, sample = model_of(20), normal(21, 3)[-1]
    assert model.reference_set is not None
    before = model.digest()
    sketch = model.references().sketch(sample)
    model.reference_set.points()
    restored: Model = pickle.loads(pickle.dumps(model))  # noqa: S301 -- our own bytes
    for one in (model, restored, model_of(20)):
        parts = digest(one.reference_set), digest(one._features.known)
        assert digest((one.classifier.river, one.classes, *parts)) == before == one.digest()
        assert one.references().sketch(sample) == sketch
        one.learn(sample, 1)
    assert model.digest() == restored.digest() != before
    assert model.references().sketch(normal(22, 3)[-1]) == restored.references().sketch(normal(22, 3)[-1])
    assert Model(model.definition, seed=1).fingerprint != model.fingerprint


def sketches() -> str:
    model = model_of(10)
    made = [model.references().sketch({**features, "kind": "b"}).hex() for features in normal(20, 3)]
    return json.dumps([made, model.digest()])


def test_sketches_are_the_same_in_every_process() -> None:
    runs = [
        subprocess.run(
            [sys.executable, "-c", "from tests.engine.model.test_sketch import sketches; print(sketches())"],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[3],
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1]


@law
@given(
    steps=st.lists(st.tuples(st.floats(0, 1, width=32), st.booleans()), max_size=120),
    cut=st.integers(0, 120),
    value=st.floats(0, 1, width=32),
)
def test_a_history_that_is_encoded_and_decoded_ranks_as_before(
    steps: list[tuple[float, bool]], cut: int, value: float
) -> None:
    """Every batch begins with the state that the one before it committed."""
    whole, parted = History().cursor(), History().cursor()
    for number, (part, selected) in enumerate(steps):
        sketch = bytes([number] * COMPONENTS)
        if number == cut:
            parted = History.decode(parted.history().encode()).cursor()
        for cursor in (whole, parted):
            cursor.percentile_ranks((part, 0.5))
            cursor.remember(sketch, selected=selected)
    assert whole.history() == parted.history()
    last = sorted(part for part, _ in steps[-VALUES:])
    below, equal = sum(v < value for v in last), last.count(value)
    rank, other = whole.percentile_ranks((value, 0.5))
    assert [rank, other] == parted.percentile_ranks((value, 0.5))
    assert rank == (below + equal / 2 + 0.5) / (len(last) + 1)
    assert 0.0 < rank < 1.0
    # A strategy of other parts begins anew.
    assert whole.percentile_ranks((value, 0.5, 0.5)) == [0.5, 0.5, 0.5]
