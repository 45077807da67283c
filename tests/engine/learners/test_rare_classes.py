"""Laws of classes that are rare: how trees remember them, and how a mixture hears who tells them."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from stream_al.engine.learners import Auto, ExtraTrees, extra
from stream_al.engine.learners.encoder.rows import Floats, Rows
from tests.engine.learners.mixed_streams import Stream, records, taught


def night_payments(size: int, seed: int = 1) -> Stream:
    """Payments of which a thirtieth is fraud: those that are high, from one of three countries, at night."""
    draw = random.Random(seed)  # noqa: S311 -- a fixed stream
    stream: Stream = []
    for _ in range(size):
        amount, country, hour = draw.lognormvariate(3.3, 1.0), draw.choice("ABCDEFGH"), draw.randrange(24)
        features: dict[Any, Any] = {"amount": amount, "country": country, "hour": hour}
        features |= {f"other {n}": draw.random() for n in range(4)}
        features |= {f"kind {n}": draw.choice("abcdef") for n in range(3)}
        is_fraud = amount > 36.0 and country in "ABC" and hour < 8
        stream.append((features, "fraud" if is_fraud else "ok"))
    return stream


@pytest.mark.parametrize("cuts", [1, 8])
def test_what_was_learned_of_a_rare_class_is_not_forgotten_while_others_come(cuts: int) -> None:
    draw = random.Random(3)  # noqa: S311 -- a fixed stream
    model = ExtraTrees(window=100, cuts=cuts, seed=1)
    for place in range(600):
        is_odd = place < 100 and place % 5 == 0
        model.learn_one({"x": draw.random() + 2.0 * is_odd, "y": draw.random()}, "odd" if is_odd else "ok")
    assert model.predict_proba_one({"x": 2.5, "y": 0.5})["odd"] > 0.5


@pytest.mark.parametrize("window", [40, 100, 400])
@pytest.mark.parametrize("classes", [2, 3])
def test_a_rare_class_is_as_probable_as_it_came_whatever_the_window_grants_it(
    window: int, classes: int
) -> None:
    """Where nothing tells the classes apart, so that each tree is one leaf."""
    draw = random.Random(5)  # noqa: S311 -- a fixed stream
    model = ExtraTrees(window=window, seed=1)
    labels = [draw.randrange(1, classes) if draw.random() < 0.05 else 0 for _ in range(1500)]
    for label in labels:
        model.learn_one({"x": 1.0}, label)
    rare = 1.0 - model.predict_proba_one({"x": 1.0})[0]
    assert rare == pytest.approx(np.mean([label > 0 for label in labels]), rel=0.5)


def test_common_classes_share_the_window_as_they_come() -> None:
    """The window holds the last examples, whichever of the two classes has more of them."""
    model = ExtraTrees(window=60, seed=1)
    for place in range(200):
        model.learn_one({"x": float(place)}, int(place % 5 < 2))
    assert sorted(model._ages) == list(range(141, 201))


def test_with_many_classes_the_counts_are_bounded_and_the_trees_still_tell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(extra, "MAX_COUNTS", 20_000)
    model = ExtraTrees(window=200, seed=1)
    for place in range(400):
        model.learn_one({"x": float(place % 40)}, place % 40)
        assert model._counts.size <= 20_000
    told = model.predict_proba_table(records([({"x": float(n)}, n) for n in range(40)]))
    assert (told.argmax(axis=1) == np.arange(40)).mean() > 0.2


def test_the_mixture_finds_a_class_that_three_columns_define_together() -> None:
    """Of the samples that it ranks first, as many as there are of the class, most are of the class."""
    stream = night_payments(2700)
    model = taught(Auto, stream[:2000])
    shares = model.predict_proba_table(records(stream[2000:]))[:, model.classes["fraud"]]
    truth = np.array([label == "fraud" for _, label in stream[2000:]])
    first = np.argsort(-shares, kind="stable")[: truth.sum()]
    assert truth[first].mean() > 0.8


@pytest.mark.parametrize("teller", range(7))
def test_the_one_member_that_tells_a_rare_class_decides(teller: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long after the last example of the class, too."""
    model = Auto()
    model.learn_one({"x": 0.0}, 0)
    model.learn_one({"x": 1.0}, 1)
    is_rare = False

    def said(rows: Rows, classes: int) -> tuple[Any, Any]:
        shares: Floats = np.tile([0.97, 0.03], (len(model.members), len(rows), 1))
        if is_rare:
            shares[teller] = [0.1, 0.9]
        return shares, np.ones(len(model.members), np.bool_)

    monkeypatch.setattr(model, "_uncalibrated", said)
    for place in range(440):
        is_rare = place < 400 and place % 33 == 32
        model.learn_one({"x": float(is_rare)}, int(is_rare))
    weights = [report["weight"] for report in model.member_report().values()]
    assert np.argmax(weights) == teller
    assert weights[teller] > 0.5
