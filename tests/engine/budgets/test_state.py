"""The laws of every budget manager: its state, and that it is pure."""

from __future__ import annotations

import dataclasses
import json
import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.engine.budgets import Context
from stream_al.engine.partition_state import STATE_LIMIT_BYTES
from tests.support.managers import (
    WARM,
    every_manager,
    every_share,
    explorations,
    fullest,
    law,
    manager_of,
    names,
    restored,
    seeded,
    shares,
    utilities,
)


@every_manager
@law
@given(share=shares, exploration=explorations, cuts=st.sets(st.integers(0, 80)), data=st.data())
def test_batches_of_any_size_and_restarts_give_the_decisions_of_one_by_one(
    name: str, share: float, exploration: float, cuts: set[int], data: st.DataObject
) -> None:
    manager = manager_of(name, share, exploration)
    values, ready = data.draw(utilities), data.draw(st.booleans())
    ids, context = names(len(values)), Context(ready=ready, room=30)
    singly, one_by_one, now = [], manager.start(), context
    for value, sample_id in zip(values, ids, strict=True):
        (decision,), one_by_one = manager.decide(one_by_one, [value], [sample_id], now)
        singly.append(decision)
        now = now.after(decision.selected)
    edges = [0, *sorted(cut for cut in cuts if cut < len(values)), len(values)]
    batched, state, now = [], manager.start(), context
    for begin, end in pairwise(edges):
        made, state = manager.decide(state, values[begin:end], ids[begin:end], now)
        batched += made
        now = now.after(sum(v.selected for v in made))
        state = restored(manager, state)
    assert batched == singly
    assert state == one_by_one


@every_manager
@law
@given(share=shares, exploration=explorations, first=utilities, then=utilities)
def test_deciding_changes_neither_state_nor_arguments_and_repeats_itself(
    name: str, share: float, exploration: float, first: list[float], then: list[float]
) -> None:
    manager = manager_of(name, share, exploration)
    _, state = manager.decide(manager.start(), first, names(len(first)), WARM)
    before, given_values, ids = manager.encode(state), list(then), names(len(then), 100)
    once = manager.decide(state, then, ids, WARM)
    assert manager.encode(state) == before
    assert (then, ids) == (given_values, names(len(then), 100))
    assert manager.decide(state, then, ids, WARM) == once
    assert manager_of(name, share, exploration).decide(restored(manager, state), then, ids, WARM) == once
    with pytest.raises(dataclasses.FrozenInstanceError):
        state.share = 1.0


@every_manager
@every_share
def test_the_state_survives_json_and_fits_an_offset_commit_at_all_times(name: str, share: float) -> None:
    manager, draw = manager_of(name, share, 0.123456789012345678), seeded(2)
    state = manager.start()
    for batch in range(30):
        count = draw.choice((1, 20, 100))
        text = json.dumps(manager.encode(state))
        assert text.isascii()
        assert len(text) <= STATE_LIMIT_BYTES - 100  # the selector adds the manager's name
        assert manager.decode(json.loads(text)) == state
        values = [draw.random() for _ in range(count)]
        _, state = manager.decide(state, values, names(count, 100 * batch), WARM)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=6,
)


@every_manager
@settings(law, max_examples=150)
@given(data=st.data())
def test_a_damaged_state_is_refused_or_harmless(name: str, data: st.DataObject) -> None:
    """`decode` raises ValueError or returns a state that can be used like any other."""
    manager = manager_of(name, 0.1)
    _, state = manager.decide(manager.start(), [0.5] * 33, names(33), WARM)
    values = manager.encode(state)
    member = data.draw(st.sampled_from(sorted(values)))
    values[member] = data.draw(
        json_values | st.sampled_from([math.inf, -math.inf, -1, 2, 10**400, "AAAA" * 900])
    )
    try:
        state = manager.decode(values)
    except ValueError:
        return
    decisions, after = manager.decide(state, [0.5] * 250, names(250), WARM)
    assert len(json.dumps(manager.encode(after))) <= STATE_LIMIT_BYTES - 100
    assert all(0.0 <= v.propensity <= 1.0 for v in decisions)
    if manager.claims_budget_law:
        assert fullest(decisions, manager.window) <= manager.share * manager.window + 1


@every_manager
@law
@given(junk=json_values)
def test_junk_is_no_state(name: str, junk: Any) -> None:
    with pytest.raises(ValueError, match="not a state"):
        manager_of(name, 0.1).decode(junk)


@every_manager
@pytest.mark.parametrize("missing", range(5))
def test_a_state_that_lacks_a_member_is_refused(name: str, missing: int) -> None:
    manager = manager_of(name, 0.1)
    values = manager.encode(manager.start())
    del values[sorted(values)[missing % len(values)]]
    with pytest.raises(ValueError, match="not a state"):
        manager.decode(values)


@every_manager
@pytest.mark.parametrize(
    ("share", "exploration"), [(0.0, 0.1), (-1, 0.1), (1.1, 0.1), (0.1, -0.1), (0.1, 1.1)]
)
def test_a_share_or_exploration_outside_its_range_is_refused(
    name: str, share: float, exploration: float
) -> None:
    with pytest.raises(ValueError, match="must lie in"):
        manager_of(name, share, exploration)
