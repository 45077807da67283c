"""The laws of the estimate of accuracy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.engine.budgets.stratified import Stratified
from stream_al.engine.labels.evaluation import Accuracy
from stream_al.engine.labels.figures import RECENT
from stream_al.engine.labels.learner import SMALLEST
from tests.support.managers import with_pending

law = settings(derandomize=True, deadline=None)
updates = st.lists(st.tuples(st.booleans(), st.floats(SMALLEST, 1.0) | st.sampled_from([1.0, 0.5, SMALLEST])))


def after(*given_: tuple[bool, float], decay: float = 1.0) -> Accuracy:
    accuracy = Accuracy(decay)
    for correct, propensity in given_:
        accuracy.update(correct=correct, propensity=propensity)
    return accuracy


@law
@given(given_=updates, decay=st.sampled_from([1.0, RECENT, 0.5, 0.01]))
def test_the_estimate_lies_in_its_interval_and_the_interval_between_0_and_1(
    given_: list[tuple[bool, float]], decay: float
) -> None:
    estimate = after(*given_, decay=decay).estimate()
    assert (estimate is None) == (not given_)
    if estimate is not None:
        assert 0.0 <= estimate.low <= estimate.accuracy <= estimate.high <= 1.0
        assert estimate.low < estimate.high  # no number of labels gives certainty
        assert 1.0 - 1e-9 <= estimate.effective <= len(given_) + 1e-6


@pytest.mark.parametrize("correct", [False, True])
@law
@given(propensities=st.lists(st.floats(SMALLEST, 1.0), min_size=1, max_size=5))
def test_an_estimate_of_0_or_1_is_an_end_of_its_interval(correct: bool, propensities: list[float]) -> None:
    """Rounding once put the lower end of an accuracy of 0 above it, by the last bit."""
    estimate = after(*[(correct, propensity) for propensity in propensities]).estimate()
    assert estimate is not None
    assert (estimate.high if correct else estimate.low) == estimate.accuracy == float(correct)


def test_there_is_no_estimate_before_the_first_example() -> None:
    assert Accuracy().estimate() is None


def test_each_label_has_the_weight_of_its_inverse_propensity() -> None:
    estimate = after((True, 0.25), (False, 1.0), (False, 0.5)).estimate()
    assert estimate is not None
    assert estimate.accuracy == pytest.approx(4 / (4 + 1 + 2))
    assert estimate.effective == pytest.approx(7**2 / (16 + 1 + 4))


def test_equal_propensities_give_the_plain_share_and_wilsons_interval() -> None:
    """Wilson's for 8 of 10 at 95%: 0.490 to 0.943."""
    estimate = after(*[(i < 8, 0.3) for i in range(10)]).estimate()
    assert estimate is not None
    assert estimate.accuracy == pytest.approx(0.8)
    assert estimate.effective == pytest.approx(10.0)
    assert [estimate.low, estimate.high] == pytest.approx([0.4902, 0.9433], abs=1e-4)


def test_more_labels_narrow_the_interval() -> None:
    widths = []
    for count in (10, 100, 1000):
        estimate = after(*[(i % 2 == 0, 0.5) for i in range(count)]).estimate()
        assert estimate is not None
        widths.append(estimate.high - estimate.low)
    assert widths[0] > 2.5 * widths[1] > 6 * widths[2]


def test_a_decay_below_1_forgets_and_a_decay_of_1_does_not() -> None:
    history = [(False, 0.5)] * 1000 + [(True, 0.5)] * 400
    lasting, fading = after(*history).estimate(), after(*history, decay=RECENT).estimate()
    assert lasting is not None
    assert fading is not None
    assert lasting.accuracy == pytest.approx(0.4 / 1.4)
    assert fading.accuracy == pytest.approx(1 - RECENT**400, abs=0.01)
    assert fading.effective == pytest.approx((1 + RECENT) / (1 - RECENT), rel=0.01)


# --- Over a whole stream, from labels selected by uncertainty --------------------------------------------

RUNS, ARRIVALS, SHARE = 300, 1000, 0.1


@dataclass(frozen=True)
class Trial:
    """The result of many streams: how often the interval held the true accuracy, and the mean errors."""

    covered: float
    error: float
    plain_error: float


@cache
def trial(exploration: float) -> Trial:
    covered, errors, plain_errors = 0, [], []
    for seed in range(RUNS):
        draw = np.random.default_rng(seed)
        uncertainty = draw.random(ARRIVALS)
        correct = draw.random(ARRIVALS) < 1.0 - 0.6 * uncertainty
        manager = Stratified(SHARE, exploration, seed)
        decisions, _ = with_pending(manager, uncertainty.tolist())
        bought = [(bool(c), v.propensity) for c, v in zip(correct, decisions, strict=True) if v.selected]
        estimate, true = after(*bought).estimate(), float(correct.mean())
        assert estimate is not None
        covered += estimate.low <= true <= estimate.high
        errors.append(estimate.accuracy - true)
        plain_errors.append(float(np.mean([c for c, _ in bought])) - true)
    return Trial(covered / RUNS, float(np.mean(errors)), float(np.mean(plain_errors)))


explorations = pytest.mark.parametrize("exploration", [0.1, 0.3])


@pytest.mark.long
@explorations
def test_the_interval_covers_the_true_accuracy_as_often_as_it_promises(exploration: float) -> None:
    assert 0.93 <= trial(exploration).covered <= 0.99


@explorations
def test_the_estimate_is_unbiased_where_plain_accuracy_is_wrong(exploration: float) -> None:
    """An estimate's deviation is some 0.14 at exploration 0.1, hence that of the mean of 300 some 0.008."""
    assert abs(trial(exploration).error) < 3 * 0.14 / math.sqrt(RUNS)
    assert trial(exploration).plain_error < -0.12
