"""The laws of strata, and of what they remember."""

from __future__ import annotations

import math
from base64 import b64encode
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_al.engine.budgets import Reason, Situation
from stream_al.engine.budgets.stratified import CROWD, CROWDED_EXPLORATION, MEMORY, Stratified
from tests.engine.managers import WARM, law, names, seeded, with_pending


def memory_of(*values: float) -> str:
    return b64encode(np.asarray(values, dtype="<f4").tobytes()).decode()


@pytest.mark.parametrize(
    ("member", "value"),
    [
        *(("arrivals", value) for value in (-1, 2**63, 1.5, math.inf, "1", None)),
        *(("share", value) for value in (0.0, -0.1, 1.5, math.nan, "0.1", None)),
        *(("exploration", value) for value in (-0.1, 1.1, math.nan, "0.1", None)),
        *(("flags", value) for value in ([1, 0, 0], [1, 0, 0, 0, 0], 7, None)),
        ("recent", memory_of(*[0.5] * (MEMORY + 1))),
        ("recent", memory_of(math.nan)),
        ("recent", memory_of(-0.5)),
        ("recent", memory_of(1.5)),
        *(("recent", value) for value in ("AAA", "AAA=", "?", "\xe9", 7, None)),
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


def test_the_memory_is_bounded_and_holds_the_last_utilities() -> None:
    manager, draw = Stratified(0.1, 0.1, 0), seeded(8)
    values = [draw.random() for _ in range(3 * MEMORY)]
    _, state = manager.decide(manager.start(), values, names(len(values)), WARM)
    assert state.recent == tuple(np.asarray(values[-MEMORY:], dtype="<f4").tolist())


def test_a_threshold_is_a_quantile_of_the_memory() -> None:
    """With n arrivals left after this one, n / (n + 1) of the remembered utilities lie below it."""
    manager = Stratified(0.1, 0.0, 0)
    _, state = manager.decide(manager.start(), [i / 64 for i in range(60)], names(60), WARM)
    thresholds = []
    for left in reversed(range(10)):
        (verdict,), state = manager.decide(state, [0.0], [f"t{left}"], WARM)
        thresholds.append(verdict.threshold)
        if left:
            remembered = sorted([0.0] * (9 - left) + [i / 64 for i in range(60)])
            assert verdict.threshold == remembered[len(remembered) * left // (left + 1)]
    assert thresholds == sorted(thresholds, reverse=True)
    assert thresholds[-1] == 0.0


def test_too_many_ids_are_a_bug_and_not_cut_off() -> None:
    with pytest.raises(ValueError, match="zip"):
        Stratified(0.1, 0.1, 0).decide(Stratified(0.1, 0.1, 0).start(), [0.5], ["a", "b"], WARM)


def test_a_longer_memory_of_equal_utilities_is_no_reason_to_ask_less() -> None:
    """Utilities that are all equal, as saturated models give, are bought at once, not at the end."""
    manager = Stratified(0.01, 0.0, 0)
    verdicts, _ = manager.decide(manager.start(), [1e-12] * 1000, names(1000), WARM)
    assert [i % 100 for i, v in enumerate(verdicts) if v.selected] == [0] * 10


def explored(manager: Stratified, pending: int) -> float:
    """The share of the labels that are drawn at random."""
    verdicts, _ = with_pending(manager, [0.5] * 40_000, pending)
    reasons = [v.reason for v in verdicts if v.selected]
    return reasons.count(Reason.EXPLORE) / len(reasons)


def test_the_more_queries_are_pending_the_more_is_explored() -> None:
    """A model does not know which labels are on their way, and doubts on where it has asked already."""
    manager = Stratified(0.1, 0.1, 0)
    shares = [explored(manager, pending) for pending in (0, 5, 10, CROWD, 100 * CROWD)]
    assert shares[:4] == sorted(shares[:4])
    expected = [0.1, 0.15, 0.2, CROWDED_EXPLORATION, CROWDED_EXPLORATION]
    assert shares == pytest.approx(expected, abs=4 * math.sqrt(0.25 / 4000))


@pytest.mark.parametrize("exploration", [0.9, 1.0])
def test_who_explores_more_than_that_goes_on_doing_so(exploration: float) -> None:
    manager = Stratified(0.1, exploration, 0)
    for pending in (0, CROWD):
        assert explored(manager, pending) == pytest.approx(exploration, abs=4 * math.sqrt(0.09 / 4000))


def test_a_stratum_keeps_the_exploration_that_it_began_with() -> None:
    """Else its propensities would not be those of the draw that was made."""
    manager = Stratified(0.1, 0.1, 0)
    _, state = manager.decide(manager.start(), [0.5], ["a"], Situation(pending=CROWD))
    rest, after = manager.decide(state, [0.0] * 9, names(9), Situation(pending=0))
    assert {v.propensity for v in rest} == {CROWDED_EXPLORATION / 10}
    assert after.exploration == CROWDED_EXPLORATION
