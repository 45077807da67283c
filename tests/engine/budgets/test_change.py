"""The laws of a budget that changes in the middle of a stream."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.engine.budgets import Context, Decision
from stream_al.engine.budgets.caps import Caps
from stream_al.engine.partition_state import State
from stream_al.engine.selector import Selector
from stream_al.engine.strategies import ScoredSample
from tests.support.managers import assert_budget_law, every_claiming_manager, manager_of, restored, shares

law = settings(derandomize=True, deadline=None, max_examples=40)
periods = st.lists(st.tuples(shares, st.integers(0, 300)), min_size=1, max_size=6)


@every_claiming_manager
@law
@given(periods=periods, utility=st.sampled_from([0.0, 0.5, 1.0]), seed=st.integers(0, 99))
def test_the_law_holds_before_and_after_every_change(
    name: str, periods: list[tuple[float, int]], utility: float, seed: int
) -> None:
    """Each share is kept over the samples that it was in force for, so a change costs at most one label."""
    draw = random.Random(seed)  # noqa: S311 - which utilities there are
    state: Any = None
    accounts: list[tuple[float, list[Decision]]] = []
    for number, (share, length) in enumerate(periods):
        manager = manager_of(name, share)
        state = manager.start() if state is None else restored(manager, state)
        values = [utility if draw.random() < 0.7 else draw.random() for _ in range(length)]
        ids = [f"{number}-{place}" for place in range(length)]
        decisions, state = manager.decide(state, values, ids, Context())
        if accounts and accounts[-1][0] == share:  # the share did not change
            accounts[-1][1].extend(decisions)
        else:
            accounts.append((share, decisions))
    for share, decisions in accounts:
        assert_budget_law(manager_of(name, share), decisions)
    bought = sum(v.selected for _, decisions in accounts for v in decisions)
    asked = sum(share * len(decisions) for share, decisions in accounts)
    assert abs(bought - asked) <= len(accounts)


budgets = st.tuples(shares, st.none() | st.integers(1, 9), st.none() | st.integers(1, 40))


@law
@given(st.lists(st.tuples(budgets, st.integers(1, 60)), min_size=2, max_size=5))
def test_a_changed_cap_counts_what_was_bought_before_it(
    changes: list[tuple[tuple[float, int | None, int | None], int]],
) -> None:
    """The total never exceeds the cap in force, except by what was bought under a higher one."""
    encoded, bought, hour = "", 0, 5
    for number, ((share, per_hour, total), length) in enumerate(changes):
        caps = Caps(per_hour, total)
        selector = Selector("margin", "stratified", share=share, exploration=0.1, seed=0, caps=caps)
        found = selector.decode(encoded) if encoded else selector.start()
        assert isinstance(found, State), "an account outlives every change"
        assert found.spent.bought == bought
        arrivals = [
            ScoredSample(f"{number}-{n}", {"a": 0.5, "b": 0.5}, 1.0, None, hour * 3_600_000)
            for n in range(length)
        ]
        decisions, after = selector.decide(found, arrivals, Context())
        new = sum(decision.selected for decision in decisions)
        if total is not None:
            assert bought + new <= max(bought, total)
        if per_hour is not None:
            this_hour = found.spent.at(hour).bought_this_hour
            assert this_hour + new <= max(this_hour, per_hour)
        encoded, bought = selector.encode(after), bought + new
