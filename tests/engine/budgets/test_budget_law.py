"""The laws of every budget manager: what it spends, and the reasons it gives."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_al.engine.budgets import Context, Reason
from tests.support.managers import (
    COLD,
    EXPLORING,
    SELECTING,
    STREAMS,
    WARM,
    assert_budget_law,
    every_claiming_manager,
    every_exploring_manager,
    every_manager,
    every_share,
    explorations,
    fullest,
    law,
    length_for,
    manager_of,
    names,
    restored,
    seeded,
    shares,
    spent,
    utilities,
)


@every_claiming_manager
@every_share
@pytest.mark.parametrize("stream", STREAMS)
def test_the_budget_is_spent_and_never_exceeded_for_any_utilities(
    name: str, share: float, stream: str
) -> None:
    """From a cold start, across restarts, in batches of any size."""
    manager, draw = manager_of(name, share), seeded(f"{stream} {share}")
    total = length_for(share)
    values = [STREAMS[stream](draw, i / total) for i in range(total)]
    state, decisions = manager.start(), []
    for batch in batches(total, draw):
        context = COLD if batch.start < total // 5 else WARM
        made, state = manager.decide(state, values[batch], names(total)[batch], context)
        decisions += made
        state = restored(manager, state)
    assert_budget_law(manager, decisions)


def batches(total: int, draw: random.Random) -> Iterator[slice]:
    begin = 0
    while begin < total:
        end = min(total, begin + draw.choice((1, 7, 100, 1_000)))
        yield slice(begin, end)
        begin = end


@every_claiming_manager
@every_share
@pytest.mark.parametrize("above", [False, True], ids=["just below", "just above"])
def test_the_budget_holds_against_an_adversary_who_sees_the_threshold(
    name: str, share: float, above: bool
) -> None:
    manager = manager_of(name, share)
    state, decisions = manager.start(), []
    for sample_id in names(max(200, math.ceil(2.2 / share))):
        (shown,), _ = manager.decide(state, [0.5], [sample_id], WARM)
        bid = np.nextafter(np.float32(shown.threshold), np.float32(above))
        (made,), state = manager.decide(state, [float(bid)], [sample_id], WARM)
        decisions.append(made)
    assert_budget_law(manager, decisions)


@every_claiming_manager
@law
@given(share=shares, exploration=explorations, seed=st.integers(0, 5), data=st.data())
def test_no_prefix_of_a_stream_is_more_than_one_label_off(
    name: str, share: float, exploration: float, seed: int, data: st.DataObject
) -> None:
    """So the share is within 1% after 100 labels, and stays there."""
    manager = manager_of(name, share, exploration, seed)
    values = data.draw(utilities) * 8
    decisions, _ = manager.decide(manager.start(), values, names(len(values)), WARM)
    before = spent(decisions)
    assert np.abs(before - share * np.arange(len(before))).max() <= 1 + 1e-9
    assert fullest(decisions, manager.window) <= share * manager.window + 1


@every_claiming_manager
@every_share
def test_windows_of_any_length_are_bounded_too(name: str, share: float) -> None:
    """By `share x length + 2`; by `+ 1` for multiples of the window where 1/share is whole."""
    manager, draw = manager_of(name, share), seeded(1)
    values = [draw.random() for _ in range(length_for(share))]
    decisions, _ = manager.decide(manager.start(), values, names(len(values)), WARM)
    for length in [*range(1, 40), *(manager.window * times for times in range(1, 12))]:
        assert fullest(decisions, length) < share * length + 2
    for times in range(1, 12) if share * manager.window == 1.0 else ():
        assert fullest(decisions, manager.window * times) <= times + 1


@every_claiming_manager
@every_share
def test_an_untrained_model_gets_its_first_label_within_one_window(name: str, share: float) -> None:
    for seed in range(10):
        manager = manager_of(name, share, seed=seed)
        count = manager.window
        assert count - 1 < 1 / share + 1e-9
        decisions, _ = manager.decide(manager.start(), [1.0] * count, names(count), COLD)
        assert Reason.WARMUP in {v.reason for v in decisions if v.selected}


@every_manager
@law
@given(share=shares, exploration=explorations, rooms=st.lists(st.integers(-1, 3), min_size=1), data=st.data())
def test_a_cap_is_never_exceeded_and_a_forbidden_purchase_has_the_reason_capped(
    name: str, share: float, exploration: float, rooms: list[int], data: st.DataObject
) -> None:
    manager = manager_of(name, share, exploration)
    state, all_decisions = manager.start(), []
    for step, room in enumerate(rooms):
        values = data.draw(utilities)
        made, state = manager.decide(
            state, values, names(len(values), 100 * step), Context(ready=step > 1, room=room)
        )
        bought = np.cumsum([v.selected for v in made])
        assert bought[-1] <= max(0, room)
        for count, decision in zip(bought, made, strict=True):
            full = count - decision.selected >= room
            assert decision.propensity == 0.0 or not full
            assert decision.propensity > 0.0 or full or exploration == 0.0 or name not in EXPLORING
            assert (decision.reason is Reason.CAPPED) <= full
            assert not (full and decision.selected)
        all_decisions += made
    if manager.claims_budget_law:
        assert fullest(all_decisions, manager.window) <= share * manager.window + 1


@every_claiming_manager
def test_a_purchase_that_a_cap_forbids_is_reported_and_lost(name: str) -> None:
    """Capped purchases are not saved up: once there is room again, no more is bought than usual."""
    manager = manager_of(name, 0.1)
    shut, state = manager.decide(manager.start(), [0.5] * 200, names(200), Context(room=0))
    assert sum(v.reason is Reason.CAPPED for v in shut) == 20
    opened, _ = manager.decide(state, [0.5] * 200, names(200, 200), WARM)
    assert sum(v.selected for v in opened) == 20
    assert fullest(shut + opened, manager.window) <= 2


@every_claiming_manager
def test_another_share_begins_a_new_account_and_keeps_its_budget(name: str) -> None:
    before, after = manager_of(name, 0.5), manager_of(name, 0.1)
    _, state = before.decide(before.start(), [0.5] * 333, names(333), WARM)
    decisions, state = after.decide(after.decode(before.encode(state)), [0.5] * 1000, names(1000), WARM)
    assert_budget_law(after, decisions)
    assert (state.share, state.arrivals) == (0.1, 1000)


@every_manager
@law
@given(share=shares, exploration=explorations, ready=st.booleans(), values=utilities)
def test_every_decision_agrees_with_its_reason(
    name: str, share: float, exploration: float, ready: bool, values: list[float]
) -> None:
    manager = manager_of(name, share, exploration)
    decisions, _ = manager.decide(manager.start(), values, names(len(values)), Context(ready=ready))
    for decision, value in zip(decisions, values, strict=True):
        assert decision.selected == (decision.reason in SELECTING)
        assert decision.selected <= (decision.propensity > 0.0)
        assert 0.0 <= decision.threshold <= 1.0
        if decision.reason is Reason.UNCERTAIN:
            assert np.float32(value) >= decision.threshold
        if decision.selected:
            assert (decision.reason is Reason.WARMUP) == (not ready)


@every_exploring_manager
def test_bought_samples_have_higher_utilities_than_the_others(name: str) -> None:
    manager, draw = manager_of(name, 0.05), seeded(7)
    values = [draw.random() for _ in range(10_000)]
    decisions, _ = manager.decide(manager.start(), values, names(10_000), WARM)
    utilities_bought = [
        value for value, v in zip(values, decisions, strict=True) if v.reason is Reason.UNCERTAIN
    ]
    assert float(np.mean(utilities_bought)) > 0.85
    random_ones = [value for value, v in zip(values, decisions, strict=True) if v.reason is Reason.EXPLORE]
    assert 0.3 < float(np.mean(random_ones)) < 0.7
