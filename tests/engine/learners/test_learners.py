"""Laws of every learner: of each by itself and of the mixture."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pytest
from river import checks

from stream_al.engine.learners import Auto, MondrianForest, NearestNeighbours, Softmax
from stream_al.engine.learners.base import RowClassifier
from stream_al.engine.learners.encoder.columns import MAX_NUMBERS
from stream_al.engine.learners.encoder.vocabulary import MAX_INDICATORS
from stream_al.engine.model.digest import digest
from tests.engine.learners.mixed_streams import (
    KINDS,
    Stream,
    numbers,
    payments,
    records,
    reversal,
    taught,
)

every = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
STREAMS = {"numbers": numbers(160), "payments": payments(160), "reversal": reversal(160, change=90)}
on_each = pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)


@every
@pytest.mark.long
@pytest.mark.timeout(600)  # some of River's checks learn thousands of examples
def test_river_finds_nothing_wrong(kind: type[RowClassifier]) -> None:
    model = kind()
    skipped = model._unit_test_skips()
    for check in checks.yield_checks(model):
        if check.__name__ not in skipped:
            check(model.clone())


@every
@on_each
def test_a_batch_says_of_each_sample_what_it_says_alone(kind: type[RowClassifier], stream: Stream) -> None:
    model = taught(kind, stream[:100])
    together = model.predict_proba_table(records(stream))
    for (features, _), shares in zip(stream, together, strict=True):
        assert list(model.predict_proba_one(features).values()) == shares.tolist()


@every
@on_each
def test_what_else_is_in_a_batch_does_not_matter(kind: type[RowClassifier], stream: Stream) -> None:
    model = taught(kind, stream[:100])
    batch = records(stream)
    whole = model.predict_proba_table(batch)
    for begin, end in [(0, 1), (1, 4), (4, 21), (21, 150), (150, 160)]:
        assert (model.predict_proba_table(batch[begin:end]) == whole[begin:end]).all()


@every
@on_each
def test_a_prediction_leaves_no_trace(kind: type[RowClassifier], stream: Stream) -> None:
    asked, unasked = taught(kind, stream[:60]), taught(kind, stream[:60])
    before = digest(asked)
    asked.predict_proba_table(records(stream))
    asked.predict_proba_one({"never seen": 3.0, "another": "text of several words"})
    assert digest(asked) == before
    for features, label in stream[60:]:
        asked.predict_proba_one(features)
        asked.learn_one(features, label)
        unasked.learn_one(features, label)
    assert digest(asked) == digest(unasked)


@every
@on_each
def test_a_pickle_says_and_learns_the_same(kind: type[RowClassifier], stream: Stream) -> None:
    model = taught(kind, stream[:80])
    copy = pickle.loads(pickle.dumps(model))  # noqa: S301 -- our own bytes
    assert digest(copy) == digest(model)
    for features, label in stream[80:]:
        model.learn_one(features, label)
        copy.learn_one(features, label)
    assert digest(copy) == digest(model)
    assert (copy.predict_proba_table(records(stream)) == model.predict_proba_table(records(stream))).all()


@every
@on_each
def test_probabilities_are_a_distribution_over_the_classes_learned(
    kind: type[RowClassifier], stream: Stream
) -> None:
    model = kind()
    assert model.predict_proba_one(stream[0][0]) == {}
    for features, label in stream:
        model.learn_one(features, label)
        shares = model.predict_proba_one(features)
        assert list(shares) == list(model.classes)
        assert min(shares.values()) >= 0.0
        assert sum(shares.values()) == pytest.approx(1.0, abs=1e-12)


@every
def test_with_one_class_learned_it_is_certain_of_it(kind: type[RowClassifier]) -> None:
    model = kind()
    for place in range(50):
        model.learn_one({"x": float(place % 7), "color": "red"}, "ok")
        assert model.predict_proba_one({"x": 3.0}) == {"ok": 1.0}


@every
def test_a_class_that_comes_late_is_learned(kind: type[RowClassifier]) -> None:
    stream = [({"x": 0.01 * place}, "ok") for place in range(60)]
    stream += [
        ({"x": 0.01 * place + 5.0 * (place % 2)}, "odd" if place % 2 else "ok") for place in range(120)
    ]
    model = taught(kind, stream)
    assert model.predict_one({"x": 5.5}) == "odd"
    assert model.predict_one({"x": 0.5}) == "ok"


@every
@pytest.mark.parametrize("labels", [(0, 1), (True, False), (1.5, "x"), ("a", 7)], ids=str)
def test_labels_may_be_of_any_type(kind: type[RowClassifier], labels: tuple[Any, Any]) -> None:
    model = taught(kind, [({"x": float(place % 2)}, labels[place % 2]) for place in range(60)])
    assert model.predict_one({"x": 1.0}) == labels[1]
    assert list(model.predict_proba_one({"x": 1.0})) == list(labels)


HOSTILE: list[Any] = [
    1.8e308, -1.8e308, float("inf"), float("-inf"), float("nan"), 10**400, -(10**400), 5e-324, None, "", " ",
    "\0", "1e999", "nan", "9999-99-99", "0001-01-01", "x" * 100_000, "\ud800", True, [1, 2], {"a": 1},
    b"bytes", "2026-02-30", "0" * 5000,
]  # fmt: skip


@every
@pytest.mark.filterwarnings("error")
def test_no_value_breaks_or_poisons_it(kind: type[RowClassifier]) -> None:
    """Predictions stay distributions whatever is in a feature, and what is learned later still counts."""
    good = [
        ({"x": float(place % 2) + 0.01 * (place % 5), "z": "ab"[place % 2]}, place % 2)
        for place in range(300)
    ]
    model = kind()
    model.learn_one({"x": 1.8e308, "z": -1.8e308}, 0)
    for value in HOSTILE:
        records_of_it: list[dict[str, Any]] = [
            {"x": value},
            {"x": 1.0, "z": value},
            {str(value)[:300]: value},
        ]
        for features in records_of_it:
            model.learn_one(features, 1)
            assert np.isfinite(model.predict_proba_table(records([(features, 1)]))).all()
    for features_of_good, label in good:
        model.learn_one(features_of_good, label)
    for value in HOSTILE:
        shares = model.predict_proba_one({"x": value, "z": value})
        assert sum(shares.values()) == pytest.approx(1.0, abs=1e-12)
    told = model.predict_proba_table(records(good)).argmax(axis=1)
    assert (told == [label for _, label in good]).mean() > 0.9


@every
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("first", [0.0, 1.8e308], ids=("alike", "one huge"))
@pytest.mark.parametrize("size", [1e-20, 1e-40, 1e-100, 1e-155, 1e-160, 5e-324], ids=str)
def test_no_tiny_difference_breaks_or_poisons_it(
    kind: type[RowClassifier], size: float, first: float
) -> None:
    """The square of a difference may be too small to divide by, and its reciprocal too large to multiply."""
    model = kind()
    model.learn_one({"x": 0.0, "tiny": first}, 0)
    for place in range(60):
        model.learn_one({"x": float(place % 2), "tiny": size * (place % 7)}, place % 2)
    for tiny in (0.0, 3 * size, 1.0, 1.8e308):
        shares = model.predict_proba_table(records([({"x": float(x), "tiny": tiny}, x) for x in (0, 1)]))
        assert np.isfinite(shares).all()
    assert [model.predict_one({"x": float(x)}) for x in (0, 1)] == [0, 1]


PROGRAM = """
from stream_al.engine.model.digest import digest
from tests.engine.learners.mixed_streams import KINDS, payments, records, taught
for kind in KINDS:
    model = taught(kind, payments(120))
    told = model.predict_proba_table(records(payments(40, seed=2)))
    print(kind.__name__, digest(model), told.tobytes().hex())
"""


def test_every_process_learns_the_same() -> None:
    """Whatever the seed of Python's hashes."""
    outputs = {
        subprocess.run(  # noqa: S603 -- this file's own program
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


@every
def test_it_takes_records_without_features(kind: type[RowClassifier]) -> None:
    model = taught(kind, [({}, "a"), ({}, "b"), ({"x": 1.0}, "a"), ({}, "b")] * 10)
    assert sum(model.predict_proba_one({}).values()) == pytest.approx(1.0)
    assert model.predict_proba_table([]).shape == (0, 2)


@every
def test_it_learns_from_few_examples(kind: type[RowClassifier]) -> None:
    stream = numbers(1060, width=4, classes=3)
    model = taught(kind, stream[:60])
    told = model.predict_proba_table(records(stream[60:])).argmax(axis=1)
    names = list(model.classes)
    right = [names[place] == label for place, (_, label) in zip(told, stream[60:], strict=True)]
    assert np.mean(right) > 0.8


@pytest.mark.parametrize("seed", [1, 2])
def test_a_seed_decides_what_is_drawn(seed: int) -> None:
    one, other = MondrianForest(seed=seed), MondrianForest(seed=seed + 1)
    for features, label in numbers(100):
        one.learn_one(features, label)
        other.learn_one(features, label)
    batch = records(numbers(50, seed=9))
    assert (one.predict_proba_table(batch) != other.predict_proba_table(batch)).any()


def test_wrong_parameters_are_refused() -> None:
    with pytest.raises(ValueError, match="window is 2000"):
        NearestNeighbours(window=2000)
    with pytest.raises(ValueError, match="there are deviation, units"):
        MondrianForest(scales=("inches",))


@pytest.mark.parametrize("width", [300, 2000])
def test_a_wide_record_is_learned_within_limits(width: int) -> None:
    model = Auto()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for features, label in numbers(40, width=width, classes=2):
            model.learn_one(features, label)
    assert model.columns.width <= MAX_NUMBERS + MAX_INDICATORS
    assert model.predict_proba_table(records(numbers(5, width=width, classes=2))).shape == (5, 2)


def test_after_an_abrupt_change_what_remembers_begins_anew() -> None:
    """Where every label comes to mean the opposite."""
    model = Auto()
    for place in range(300):
        model.learn_one({"x": 6.0 * (place % 2) + 0.1 * (place % 7)}, place % 2)
    for place in range(40):
        model.learn_one({"x": 6.0 * (place % 2) + 0.1 * (place % 7)}, 1 - place % 2)
    for name in ("neighbours", "trees"):
        member: Any = model.learners[name]
        assert member._learned <= 60
    assert model.predict_one({"x": 0.3}) == 1
    assert model.predict_one({"x": 6.3}) == 0


def test_the_linear_learner_is_certain_of_wide_rows_after_some_examples() -> None:
    """A mixture does not hear a member whose probabilities are nearly even though it is right."""
    draw = np.random.default_rng(1)
    centres = draw.normal(size=(4, 256)) * 0.25
    stream: Stream = []
    for place in range(300):
        numbers_of_it = (centres[place % 4] + draw.normal(size=256)).tolist()
        stream.append(({f"vector.{n}": value for n, value in enumerate(numbers_of_it)}, place % 4))
    model = taught(Softmax, stream[:100])
    told = model.predict_proba_table(records(stream[100:]))
    truth = np.array([label for _, label in stream[100:]])
    assert (told.argmax(axis=1) == truth).mean() > 0.8
    assert told[np.arange(200), truth].mean() > 0.6
