"""The laws of recall and precision by class."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.engine.budgets.stratified import Stratified
from stream_al.engine.labels.class_figures import MOST, PerClass
from stream_al.engine.labels.evaluation import Estimate
from stream_al.engine.labels.judge import KnownLabels
from stream_al.engine.labels.learner import Learner
from stream_al.engine.model.model import Model
from stream_al.engine.model.pickling import dumps, loads
from stream_al.messages import ClassLabel, Example, Prediction
from tests.support.managers import with_pending
from tests.support.stream import stamped

law = settings(derandomize=True, deadline=None)
labels = st.integers(0, MOST + 9) | st.sampled_from(["a", "", True, 1.5])


def after(*given_: tuple[ClassLabel, ClassLabel | None, float]) -> PerClass:
    found = PerClass()
    for label, predicted, propensity in given_:
        found.update(label, predicted, propensity=propensity)
    return found


def known(estimate: Estimate | None) -> Estimate:
    assert estimate is not None
    return estimate


def test_recall_is_over_the_samples_of_a_class_and_precision_over_those_predicted_as_it() -> None:
    """Each label has the weight of its inverse propensity."""
    found = after(
        ("rare", "rare", 0.5), ("rare", "common", 0.1), ("common", "rare", 0.25), ("rare", None, 1.0)
    )
    rare = found.classes["rare"]
    assert rare.labels == 3
    assert known(rare.recall.estimate()).accuracy == pytest.approx(2 / (2 + 10))
    assert known(rare.precision.estimate()).accuracy == pytest.approx(2 / (2 + 4))
    assert known(rare.precision.estimate()).effective == pytest.approx(6**2 / (4 + 16))


@law
@given(given_=st.lists(st.tuples(labels, labels | st.none(), st.floats(1e-6, 1.0)), max_size=200))
def test_no_more_than_the_stated_number_of_classes_is_kept_and_no_label_is_lost(
    given_: list[tuple[ClassLabel, ClassLabel | None, float]],
) -> None:
    found = after(*given_)
    every = [*found.classes.values(), found.others]
    assert len(found.classes) <= MOST
    assert sum(figures.labels for figures in every) == len(given_)
    weight = sum(1 / propensity for _, predicted, propensity in given_ if predicted is not None)
    assert sum(figures.recall.weight for figures in every) == pytest.approx(weight)
    assert sum(figures.weight for figures in every) == pytest.approx(sum(1 / one[2] for one in given_))


def test_the_classes_beyond_the_limit_are_counted_together() -> None:
    found = after(*[(k, k, 1.0) for k in range(MOST)], (MOST, MOST, 1.0), (MOST, MOST + 1, 1.0))
    assert list(found.classes) == list(range(MOST))
    assert found.others.labels == 2
    assert known(found.others.recall.estimate()).accuracy == 0.5
    assert known(found.others.precision.estimate()).accuracy == 0.5


def test_labels_that_are_one_class_have_one_figure() -> None:
    found = after((1, True, 1.0), (True, 1.0, 1.0), ("1", "1", 1.0))
    assert {label: figures.labels for label, figures in found.classes.items()} == {1: 2, "1": 1}
    assert known(found.classes[1].recall.estimate()).accuracy == 1.0


def learner() -> Learner:
    return Learner(Model("GaussianNB()", seed=0), KnownLabels(1000))


def folded(into: Learner, begin: int, end: int) -> Learner:
    for number in range(begin, end):
        label, predicted = "ab"[number % 7 == 0], "ab"[number % 3 == 0]
        said = Prediction(predicted if number > 5 else None, {})
        example = Example(
            f"{number}", label, {"x": number}, propensity=0.1 + number % 5 / 10, prediction=said
        )
        into.fold(stamped(example, into), number)
    return into


def test_a_replica_that_begins_from_a_snapshot_has_the_figures_of_one_that_has_read_all() -> None:
    whole = folded(learner(), 0, 60)
    resumed = folded(loads(dumps(folded(learner(), 0, 31))), 31, 60)
    assert resumed.evaluation == whole.evaluation
    assert {
        label: figures.labels for label, figures in whole.evaluation.current.per_class.classes.items()
    } == {"b": 9, "a": 51}


def test_only_labels_that_the_service_bought_count() -> None:
    found = learner()
    found.fold(Example("seed", "a", {"x": 1.0}), 0)
    bought = Example("bought", "b", {"x": 1.0}, propensity=0.5, prediction=Prediction("a", {}))
    found.fold(stamped(bought, found), 1)
    found.fold(stamped(bought, found), 2)
    assert {
        label: figures.labels for label, figures in found.evaluation.current.per_class.classes.items()
    } == {"b": 1, "a": 0}


# --- Over a whole stream, from labels selected by uncertainty --------------------------------------------

RUNS, ARRIVALS, SHARE, RARE = 300, 2000, 0.1, 0.15


@cache
def covered(exploration: float) -> tuple[float, float]:
    """How often the intervals of the rare class's recall and precision held the true values."""
    recall = precision = 0
    for seed in range(RUNS):
        draw = np.random.default_rng(seed)
        rare = draw.random(ARRIVALS) < RARE
        uncertainty = draw.random(ARRIVALS)
        said = np.where(draw.random(ARRIVALS) < 1.0 - 0.5 * uncertainty, rare, ~rare)
        decisions, _ = with_pending(Stratified(SHARE, exploration, seed), uncertainty.tolist())
        found = PerClass()
        for true, predicted, decision in zip(rare.tolist(), said.tolist(), decisions, strict=True):
            if decision.selected:
                found.update(true, predicted, propensity=decision.propensity)
        estimates = (
            known(found.classes[True].recall.estimate()),
            known(found.classes[True].precision.estimate()),
        )
        recall += estimates[0].low <= (rare & said).sum() / rare.sum() <= estimates[0].high
        precision += estimates[1].low <= (rare & said).sum() / said.sum() <= estimates[1].high
    return recall / RUNS, precision / RUNS


@pytest.mark.long
@pytest.mark.parametrize("exploration", [0.3, 1.0])
def test_the_intervals_cover_the_true_values_as_often_as_they_promise(exploration: float) -> None:
    """95% promised; 300 streams cannot tell 93% from it, and weights that vary make the interval wider."""
    assert all(0.92 <= share <= 0.99 for share in covered(exploration)), covered(exploration)
