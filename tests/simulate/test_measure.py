"""The laws of what is measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import ceil, isclose, prod
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river import metrics

from stream_al.simulate.measure import INTERVALS, POINTS, Confusion, curve, worst_window

pairs = st.lists(
    st.tuples(st.integers(0, 3), st.one_of(st.integers(0, 3), st.none())), min_size=1, max_size=80
)


def confusion_of(found: Sequence[tuple[int, int | None]]) -> Confusion:
    confusion = Confusion()
    for true, said in found:
        confusion.add(true, said)
    return confusion


@given(pairs)
@settings(derandomize=True, deadline=None)
def test_accuracy_and_kappa_are_those_of_river(found: list[tuple[int, int | None]]) -> None:
    """A missing prediction counts as a class that is never true."""
    confusion = confusion_of(found)
    measures: list[Any] = [make() for make in (metrics.Accuracy, metrics.CohenKappa)]
    for true, said in found:
        for measure in measures:
            measure.update(true, -1 if said is None else said)
    accuracy, kappa = (measure.get() for measure in measures)
    assert isclose(confusion.accuracy, accuracy)
    assert isclose(confusion.kappa, kappa, abs_tol=1e-9)


@given(pairs)
@settings(derandomize=True, deadline=None)
def test_the_g_mean_is_the_geometric_mean_of_the_recalls(found: list[tuple[int, int | None]]) -> None:
    classes = {true for true, _ in found}
    recalls = [
        sum(t == s == label for t, s in found) / sum(t == label for t, _ in found) for label in classes
    ]
    assert isclose(confusion_of(found).g_mean, prod(recalls) ** (1 / len(classes)), abs_tol=1e-9)


@given(
    st.sets(st.integers(0, 299)).map(sorted),
    st.sampled_from([0.05, 0.1, 0.33, 1.0]),
    st.integers(300, 320),
)
@settings(derandomize=True, deadline=None)
def test_the_worst_window_is_the_largest_of_all(bought: list[int], budget: float, samples: int) -> None:
    window = ceil(INTERVALS / budget)
    most = max(
        sum(first <= position < first + window for position in bought)
        for first in range(max(1, samples - window + 1))
    )
    assert isclose(worst_window(bought, samples, budget), most / (budget * min(window, samples)))


def test_a_stream_shorter_than_a_window_is_one() -> None:
    assert worst_window([0, 1], 20, 0.1) == 1.0
    assert worst_window([], 20, 0.1) == 0.0


@given(pairs)
@settings(derandomize=True, deadline=None)
def test_recall_and_precision_of_each_class_are_those_of_river(found: list[tuple[int, int | None]]) -> None:
    """The rarest class comes first, and every class that occurred has a score."""
    scores = confusion_of(found).classes({0: 2})
    assert {score.label: score.samples for score in scores} == Counter(true for true, _ in found)
    assert [score.samples for score in scores] == sorted(score.samples for score in scores)
    for score in scores:
        measures: list[Any] = [make() for make in (metrics.Recall, metrics.Precision)]
        for true, said in found:
            for measure in measures:
                measure.update(true == score.label, said == score.label)
        assert [score.recall, score.precision] == pytest.approx([measure.get() for measure in measures])
        assert score.labels == (2 if score.label == 0 else 0)


@pytest.mark.parametrize("number", [1, 7, 199, 200, 201, 1000])
def test_a_curve_ends_with_the_whole_run(number: int) -> None:
    """It has few points, and each has the measures of a run that ends there."""
    truth = [k % 3 for k in range(number)]
    said = [k % 2 for k in range(number)]
    bought = list(range(0, number, 4))
    points, counts = curve(truth, said, bought)
    assert len(points) == min(number, POINTS)
    assert (points[-1].samples, points[-1].labels) == (number, len(bought))
    for point in points[:: max(1, len(points) // 9)]:
        confusion = confusion_of(list(zip(truth, said, strict=True))[: point.samples])
        assert point.labels == sum(position < point.samples for position in bought)
        assert (point.accuracy, point.kappa, point.g_mean) == (
            confusion.accuracy,
            confusion.kappa,
            confusion.g_mean,
        )
    assert points == sorted(points, key=lambda point: point.samples)
    assert counts == confusion_of(list(zip(truth, said, strict=True)))
