"""The laws of strata, and of what they remember."""

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


def memory_of(*values: float) -> str:
    return b64encode(np.asarray(values, dtype="<f4").tobytes()).decode()


def standings_of(*values: int) -> str:
    return b64encode(bytes(values)).decode()


@pytest.mark.parametrize(
    ("member", "value"),
    [
        *(("arrivals", value) for value in (-1, 2**63, 1.5, math.inf, "1", None)),
        *(("share", value) for value in (0.0, -0.1, 1.5, math.nan, "0.1", None)),
        *(("exploration", value) for value in (-0.1, 1.1, math.nan, "0.1", None)),
        *(("flags", value) for value in ([1, 0, 0], [1, 0, 0, 0, 0], 7, None)),
        ("recent", memory_of(*[0.5] * (NEIGHBOURS + 1))),
        ("recent", memory_of(math.nan)),
        ("recent", memory_of(-0.5)),
        ("recent", memory_of(1.5)),
        *(("recent", value) for value in ("AAA", "AAA=", "?", "\xe9", 7, None)),
        ("standings", standings_of(*[NEIGHBOURS] * (RANKS + 1))),
        ("standings", standings_of(2 * NEIGHBOURS + 1)),
        *(("standings", value) for value in ("AAA", "?", "\xe9", 7, None)),
    ],
)
def test_a_state_with_a_value_that_cannot_be_is_refused(member: str, value: Any) -> None:
    """Each would spoil every later decision, or outgrow an offset commit."""
    manager = Stratified(0.1, 0.1, 0)
    _, state = manager.decide(manager.start(), [0.5] * 33, names(33), WARM)
    values = {**manager.encode(state), member: value}
    with pytest.raises(ValueError, match="not a state"):
        manager.decode(values)


@law
@given(share=st.floats(1e-6, 1.0), arrival=st.integers(0, 10**15))
def test_strata_partition_the_stream(share: float, arrival: int) -> None:
    """Every arrival lies in one stratum; strata adjoin and are no longer than the window."""
    manager = Stratified(share, 0.1, 0)
    begin, end = manager.bounds(arrival)
    assert begin <= arrival < end
    assert end - begin <= manager.window
    assert manager.bounds(begin) == manager.bounds(end - 1) == (begin, end)
    assert manager.bounds(end)[0] == end


def test_the_memory_is_bounded_and_holds_the_last_arrivals() -> None:
    manager, draw = Stratified(0.1, 0.1, 0), seeded(8)
    values = [draw.random() for _ in range(3 * RANKS)]
    _, state = manager.decide(manager.start(), values, names(len(values)), WARM)
    singles = np.asarray(values, dtype="<f4").tolist()
    assert state.recent == tuple(singles[-NEIGHBOURS:])
    stood = [standing(singles[i - NEIGHBOURS : i], singles[i]) for i in range(2 * RANKS, 3 * RANKS)]
    assert list(state.ranks) == stood


def standing(near: Sequence[float], utility: float) -> int:
    """Twice the place among those before it, in the middle of its equals."""
    return sum(u < utility for u in near) + sum(u <= utility for u in near)


@law
@given(
    values=st.lists(
        st.sampled_from([0.0, 0.125, 0.25, 0.5, 0.75, 1.0]), min_size=1, max_size=NEIGHBOURS + 120
    )
)
def test_a_threshold_is_the_least_utility_that_stands_high_enough(values: list[float]) -> None:
    """With n arrivals left after this one, n / (n + 1) of the standings before it lie below its own."""
    manager = Stratified(0.1, 0.0, 0)
    state, stood = manager.start(), list[int]()
    for place, value in enumerate(values):
        near, left = values[max(0, place - NEIGHBOURS) : place], 9 - place % 10
        (decision,), state = manager.decide(state, [value], [f"{place}"], WARM)
        enough = sorted(stood)[len(stood) * left // (left + 1)] if left and stood else 0
        reaches = [u for u in (0.0, 0.0625, 0.1875, 0.375, 0.625, 0.875, *near) if high(near, u) >= enough]
        assert (value >= decision.threshold) == (high(near, value) >= enough or value == 1.0)
        assert all(u >= decision.threshold for u in reaches)
        stood.append(high(near, value))


def high(near: Sequence[float], utility: float) -> int:
    """The percentile rank as it is remembered: scaled to 2 NEIGHBOURS, and in the middle without any."""
    return standing(near, utility) * NEIGHBOURS // len(near) if near else NEIGHBOURS


def test_what_is_bought_stands_out_from_its_neighbours_while_utilities_drift() -> None:
    """Utilities that rise exceed nearly all before them: no reason to buy the first one that comes.

    The jitter of what is bought is 0.5 in the mean by chance, and was 0.61 where an arrival was compared
    with a quantile of the last 200 utilities themselves.
    """
    manager = Stratified(0.05, 0.0, 0)
    jitter = [uniform(0, "jitter", str(i)) for i in range(1500)]
    rising = [i / 2000 + 0.02 * more for i, more in enumerate(jitter)]
    decisions, _ = manager.decide(manager.start(), rising, names(1500), WARM)
    assert np.mean([jitter[i] for i, v in enumerate(decisions) if v.selected and i >= 200]) > 0.75


def test_nothing_is_waited_for_that_exceeds_a_utility_of_one() -> None:
    """However often it came of late."""
    manager = Stratified(0.1, 0.0, 0)
    values = [i / 512 for i in range(100)] + [1.0] * 100
    decisions, _ = manager.decide(manager.start(), values, names(200), WARM)
    assert [i % 10 for i, v in enumerate(decisions) if v.selected and i >= 100] == [0] * 10


def test_too_many_ids_are_a_bug_and_not_cut_off() -> None:
    with pytest.raises(ValueError, match="zip"):
        Stratified(0.1, 0.1, 0).decide(Stratified(0.1, 0.1, 0).start(), [0.5], ["a", "b"], WARM)


def test_a_longer_memory_of_equal_utilities_is_no_reason_to_ask_less() -> None:
    """Utilities that are all equal, as saturated models give, are bought at once, not at the end."""
    manager = Stratified(0.01, 0.0, 0)
    decisions, _ = manager.decide(manager.start(), [1e-12] * 1000, names(1000), WARM)
    assert [i % 100 for i, v in enumerate(decisions) if v.selected] == [0] * 10


def explored(manager: Stratified, pending: int, known: int) -> float:
    """The share of the labels that are drawn at random."""
    decisions, _ = with_pending(manager, [0.5] * 40_000, pending, known)
    reasons = [v.reason for v in decisions if v.selected]
    return reasons.count(Reason.EXPLORE) / len(reasons)


def test_the_less_of_what_was_asked_is_known_the_more_is_explored() -> None:
    """A model does not know which labels are on their way, and doubts on where it has asked already."""
    manager = Stratified(0.1, 0.1, 0)
    shares = [explored(manager, pending, known=60) for pending in (0, 20, 60, 180)]
    more = MAX_EXPLORATION - 0.1
    expected = [0.1, 0.1 + more / 4, 0.1 + more / 2, 0.1 + more * 3 / 4]
    assert shares == pytest.approx(expected, abs=4 * math.sqrt(0.25 / 4000))
    assert shares == sorted(shares)


def test_a_model_that_knows_nothing_is_asked_to_explore_and_one_without_queries_is_not() -> None:
    manager = Stratified(0.1, 0.1, 0)
    assert manager.exploration_when(pending=0, known=0) == 0.1
    assert manager.exploration_when(pending=1, known=0) == pytest.approx(MAX_EXPLORATION)


def test_what_was_learned_long_ago_does_not_stand_for_what_is_pending() -> None:
    """Else a long stream of late labels would end in asking for one doubt again and again."""
    manager = Stratified(0.1, 0.1, 0)
    late = manager.exploration_when(pending=MAX_KNOWN, known=MAX_KNOWN)
    assert late == pytest.approx((0.1 + MAX_EXPLORATION) / 2)
    assert manager.exploration_when(pending=MAX_KNOWN, known=10**9) == late


def test_who_wants_no_exploration_gets_none_however_much_is_pending() -> None:
    assert Stratified(0.1, 0.0, 0).exploration_when(pending=10**6, known=0) == 0.0


@pytest.mark.parametrize("exploration", [0.9, 1.0])
def test_who_explores_more_than_that_goes_on_doing_so(exploration: float) -> None:
    manager = Stratified(0.1, exploration, 0)
    for pending in (0, 20):
        share = explored(manager, pending, known=0)
        assert share == pytest.approx(exploration, abs=4 * math.sqrt(0.09 / 4000))


def test_a_stratum_keeps_the_exploration_that_it_began_with() -> None:
    """Else its propensities would not be those of the draw that was made."""
    manager = Stratified(0.1, 0.1, 0)
    _, state = manager.decide(manager.start(), [0.5], ["a"], Context(pending=20))
    rest, after = manager.decide(state, [0.0] * 9, names(9), Context(pending=0))
    assert {v.propensity for v in rest} == {MAX_EXPLORATION / 10}
    assert after.exploration == MAX_EXPLORATION
