"""The laws of strata, and of their state."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_al.engine.budgets import Context, Reason
from stream_al.engine.budgets.percentile_rank import NEIGHBOURS, RANKS
from stream_al.engine.budgets.stratified import MAX_EXPLORATION, MAX_KNOWN, Stratified
from stream_al.engine.randomness import uniform
from tests.support.managers import WARM, law, names, seeded, with_pending


def utilities_of(*values: float) -> str:
    return b64encode(np.asarray(values, dtype="<f4").tobytes()).decode()


def ranks_of(*values: int) -> str:
    return b64encode(bytes(values)).decode()


@pytest.mark.parametrize(
    ("member", "value"),
    [
        *(("arrivals", value) for value in (-1, 2**63, 1.5, math.inf, "1", None)),
        *(("share", value) for value in (0.0, -0.1, 1.5, math.nan, "0.1", None)),
        *(("exploration", value) for value in (-0.1, 1.1, math.nan, "0.1", None)),
        *(("flags", value) for value in ([1, 0, 0], [1, 0, 0, 0, 0], 7, None)),
        ("recent", utilities_of(*[0.5] * (NEIGHBOURS + 1))),
        ("recent", utilities_of(math.nan)),
        ("recent", utilities_of(-0.5)),
        ("recent", utilities_of(1.5)),
        *(("recent", value) for value in ("AAA", "AAA=", "?", "\xe9", 7, None)),
        ("standings", ranks_of(*[NEIGHBOURS] * (RANKS + 1))),
        ("standings", ranks_of(2 * NEIGHBOURS + 1)),
        *(("standings", value) for value in ("AAA", "?", "\xe9", 7, None)),
    ],
)
def test_a_state_with_an_impossible_value_is_refused(member: str, value: Any) -> None:
    """Each would spoil every later decision, or would not fit an offset commit."""
    manager = Stratified(0.1, 0.1, 0)
    _, state = manager.decide(manager.start(), [0.5] * 33, names(33), WARM)
    values = {**manager.encode(state), member: value}
    with pytest.raises(ValueError, match="not a state"):
        manager.decode(values)


@law
@given(share=st.floats(1e-6, 1.0), arrival=st.integers(0, 10**15))
def test_strata_partition_the_stream(share: float, arrival: int) -> None:
    """Every sample lies in one stratum; strata adjoin, and none is longer than the window."""
    manager = Stratified(share, 0.1, 0)
    begin, end = manager.bounds(arrival)
    assert begin <= arrival < end
    assert end - begin <= manager.window
    assert manager.bounds(begin) == manager.bounds(end - 1) == (begin, end)
    assert manager.bounds(end)[0] == end


def test_the_state_is_bounded_and_holds_the_last_samples() -> None:
    manager, draw = Stratified(0.1, 0.1, 0), seeded(8)
    values = [draw.random() for _ in range(3 * RANKS)]
    _, state = manager.decide(manager.start(), values, names(len(values)), WARM)
    singles = np.asarray(values, dtype="<f4").tolist()
    assert state.recent == tuple(singles[-NEIGHBOURS:])
    ranks = [doubled_rank(singles[i - NEIGHBOURS : i], singles[i]) for i in range(2 * RANKS, 3 * RANKS)]
    assert list(state.ranks) == ranks


def doubled_rank(near: Sequence[float], utility: float) -> int:
    """The doubled rank among the utilities before it."""
    return sum(u < utility for u in near) + sum(u <= utility for u in near)


@law
@given(
    values=st.lists(
        st.sampled_from([0.0, 0.125, 0.25, 0.5, 0.75, 1.0]), min_size=1, max_size=NEIGHBOURS + 120
    )
)
def test_a_threshold_is_the_lowest_utility_whose_percentile_rank_is_high_enough(values: list[float]) -> None:
    """With n samples left after this one, it is the quantile n / (n + 1) of the percentile ranks before."""
    manager = Stratified(0.1, 0.0, 0)
    state, ranks = manager.start(), list[int]()
    for place, value in enumerate(values):
        near, left = values[max(0, place - NEIGHBOURS) : place], 9 - place % 10
        (decision,), state = manager.decide(state, [value], [f"{place}"], WARM)
        enough = sorted(ranks)[len(ranks) * left // (left + 1)] if left and ranks else 0
        reaches = [
            u for u in (0.0, 0.0625, 0.1875, 0.375, 0.625, 0.875, *near) if percentile_rank(near, u) >= enough
        ]
        assert (value >= decision.threshold) == (percentile_rank(near, value) >= enough or value == 1.0)
        assert all(u >= decision.threshold for u in reaches)
        ranks.append(percentile_rank(near, value))


def percentile_rank(near: Sequence[float], utility: float) -> int:
    """The percentile rank as it is remembered: scaled to 2 NEIGHBOURS, and in the middle without any."""
    return doubled_rank(near, utility) * NEIGHBOURS // len(near) if near else NEIGHBOURS


def test_bought_samples_exceed_their_neighbours_while_utilities_drift() -> None:
    """Rising utilities exceed nearly all before them, which is no reason to buy the first one that comes.

    The mean jitter of bought samples is 0.5 by chance, and was 0.61 where a utility was compared with a
    quantile of the last 200 utilities themselves.
    """
    manager = Stratified(0.05, 0.0, 0)
    jitter = [uniform(0, "jitter", str(i)) for i in range(1500)]
    rising = [i / 2000 + 0.02 * more for i, more in enumerate(jitter)]
    decisions, _ = manager.decide(manager.start(), rising, names(1500), WARM)
    assert np.mean([jitter[i] for i, v in enumerate(decisions) if v.selected and i >= 200]) > 0.75


def test_no_threshold_exceeds_a_utility_of_1() -> None:
    """However many of the recent utilities are 1."""
    manager = Stratified(0.1, 0.0, 0)
    values = [i / 512 for i in range(100)] + [1.0] * 100
    decisions, _ = manager.decide(manager.start(), values, names(200), WARM)
    assert [i % 10 for i, v in enumerate(decisions) if v.selected and i >= 100] == [0] * 10


def test_too_many_ids_are_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        Stratified(0.1, 0.1, 0).decide(Stratified(0.1, 0.1, 0).start(), [0.5], ["a", "b"], WARM)


def test_equal_utilities_are_bought_at_once() -> None:
    """Saturated models give equal utilities; the first sample of a stratum is bought then."""
    manager = Stratified(0.01, 0.0, 0)
    decisions, _ = manager.decide(manager.start(), [1e-12] * 1000, names(1000), WARM)
    assert [i % 100 for i, v in enumerate(decisions) if v.selected] == [0] * 10


def explored(manager: Stratified, pending: int, known: int) -> float:
    """The share of the labels that are drawn at random."""
    decisions, _ = with_pending(manager, [0.5] * 40_000, pending, known)
    reasons = [v.reason for v in decisions if v.selected]
    return reasons.count(Reason.EXPLORE) / len(reasons)


def test_the_more_queries_are_pending_the_more_is_explored() -> None:
    """A model does not know the pending labels, and stays uncertain about samples like those queried."""
    manager = Stratified(0.1, 0.1, 0)
    shares = [explored(manager, pending, known=60) for pending in (0, 20, 60, 180)]
    more = MAX_EXPLORATION - 0.1
    expected = [0.1, 0.1 + more / 4, 0.1 + more / 2, 0.1 + more * 3 / 4]
    assert shares == pytest.approx(expected, abs=4 * math.sqrt(0.25 / 4000))
    assert shares == sorted(shares)


def test_exploration_is_highest_without_examples_and_as_set_without_pending_queries() -> None:
    manager = Stratified(0.1, 0.1, 0)
    assert manager.exploration_when(pending=0, known=0) == 0.1
    assert manager.exploration_when(pending=1, known=0) == pytest.approx(MAX_EXPLORATION)


def test_examples_learned_long_ago_do_not_lower_the_exploration() -> None:
    """Otherwise the same uncertain samples would be queried repeatedly, late in a stream of late labels."""
    manager = Stratified(0.1, 0.1, 0)
    late = manager.exploration_when(pending=MAX_KNOWN, known=MAX_KNOWN)
    assert late == pytest.approx((0.1 + MAX_EXPLORATION) / 2)
    assert manager.exploration_when(pending=MAX_KNOWN, known=10**9) == late


def test_an_exploration_of_0_stays_0_with_any_number_of_pending_queries() -> None:
    assert Stratified(0.1, 0.0, 0).exploration_when(pending=10**6, known=0) == 0.0


@pytest.mark.parametrize("exploration", [0.9, 1.0])
def test_an_exploration_above_the_maximum_stays_as_it_is_set(exploration: float) -> None:
    manager = Stratified(0.1, exploration, 0)
    for pending in (0, 20):
        share = explored(manager, pending, known=0)
        assert share == pytest.approx(exploration, abs=4 * math.sqrt(0.09 / 4000))


def test_a_stratum_keeps_its_exploration_to_its_end() -> None:
    """Otherwise its propensities would not be those of the draw that was made."""
    manager = Stratified(0.1, 0.1, 0)
    _, state = manager.decide(manager.start(), [0.5], ["a"], Context(pending=20))
    rest, after = manager.decide(state, [0.0] * 9, names(9), Context(pending=0))
    assert {v.propensity for v in rest} == {MAX_EXPLORATION / 10}
    assert after.exploration == MAX_EXPLORATION
