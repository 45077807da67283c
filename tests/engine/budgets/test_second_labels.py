"""Second labels keep to the one budget: first and second labels together never exceed what was asked for."""

from __future__ import annotations

from collections import Counter
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.engine.budgets import Context
from stream_al.engine.budgets.caps import Caps
from stream_al.engine.budgets.second_labels import Credit, most_credit
from stream_al.engine.partition_state import State
from stream_al.engine.selector import Selector
from stream_al.engine.strategies import ScoredSample

law = settings(derandomize=True, deadline=None, max_examples=60)
extras = st.sampled_from([0.1, 0.25, 1 / 3, 1.0, 1.5, 4.0])
shares = st.sampled_from([0.05, 0.2, 0.5, 1.0])
batches = st.lists(st.tuples(st.integers(1, 40), st.integers(0, 30)), min_size=1, max_size=12)
"""Of each batch: its samples, and how many samples can be asked about again."""
HOUR_MS = 3_600_000


def selector_of(share: float, extra: float, caps: Caps | None = None) -> Selector:
    return Selector("margin", "stratified", share=share, exploration=0.1, seed=3, caps=caps, extra=extra)


def scored(begin: int, number: int, hour: int = 0) -> list[ScoredSample]:
    places = range(begin, begin + number)
    return [ScoredSample(f"s{n}", {"x": 0.5}, (n * 7 % 10) / 10, None, hour * HOUR_MS) for n in places]


def labels_by_sample(
    selector: Selector, given: list[tuple[int, int]], room: int = 2**31
) -> tuple[list[int], State]:
    """How many labels were bought after each sample, over restarts after every batch.

    The samples are decided about one by one, and the state is as after their whole batch.
    """
    bought, state, begin = [], selector.start(), 0
    for number, again in given:
        batch, context = scored(begin, number), Context(room=room, again=again)
        _, at_once = selector.decide(state, batch, context)
        for sample in batch:
            before, asked = state.spent.bought, state.credit.bought
            _, state = selector.decide(state, [sample], context)
            cost, second = state.spent.bought - before, state.credit.bought - asked
            context = Context(
                room=context.room - cost, again=context.again - second, pending=context.pending + cost
            )
            bought.append(cost)
        room = context.room
        assert (state.spent, state.credit) == (at_once.spent, at_once.credit)  # batches decide alike
        restored = selector.decode(selector.encode(state))
        assert restored is not None
        assert restored.credit == state.credit
        begin += number
    return bought, state


@law
@given(share=shares, extra=extras, given=batches)
def test_no_window_has_more_labels_than_its_share_and_the_bound(
    share: float, extra: float, given: list[tuple[int, int]]
) -> None:
    """From a cold start, across restarts, in batches of any size, however many samples can be asked again."""
    selector = selector_of(share, extra)
    bought, _ = labels_by_sample(selector, given)
    sums = [0, *accumulate(bought)]
    first_bound = 2  # of `stratified`: an unfinished stratum at each end of a window
    bound = (1 + extra) * first_bound + most_credit(extra) + 1e-6
    for begin in range(len(sums)):
        for end in range(begin + 1, len(sums)):
            assert sums[end] - sums[begin] <= share * (end - begin) + bound


@pytest.mark.parametrize("extra", [0.1, 0.5, 1.0, 2.0])
def test_the_whole_share_is_spent_where_there_are_samples_to_ask_again(extra: float) -> None:
    selector = selector_of(0.2, extra)
    state = selector.start()
    for begin in range(0, 6000, 50):
        _, state = selector.decide(state, scored(begin, 50), Context(again=1000))
    assert state.spent.bought == pytest.approx(0.2 * 6000, rel=0.01)
    first = state.spent.bought - state.credit.bought
    assert state.credit.bought == pytest.approx(extra * first, abs=1)


@law
@given(
    extra=extras,
    given=batches,
    total=st.none() | st.integers(0, 20),
    per_hour=st.none() | st.integers(0, 6),
    hours=st.lists(st.integers(0, 3), min_size=12, max_size=12),
)
def test_the_caps_hold_with_second_labels_included(
    extra: float, given: list[tuple[int, int]], total: int | None, per_hour: int | None, hours: list[int]
) -> None:
    selector = selector_of(1.0, extra, Caps(per_hour, total))
    state, charged, begin = selector.start(), Counter[int](), 0
    for (number, again), hour in zip(given, hours, strict=False):
        before = state.spent.bought
        batch = scored(begin, number, hour)
        _, state = selector.decide(state, batch, Context(again=again))
        charged[state.spent.hour] += state.spent.bought - before
        begin += number
    assert total is None or state.spent.bought <= total
    assert per_hour is None or all(count <= per_hour for count in charged.values())


@law
@given(extra=extras, given=batches, room=st.integers(0, 15))
def test_the_room_for_pending_queries_holds_with_second_ones_included(
    extra: float, given: list[tuple[int, int]], room: int
) -> None:
    bought, _ = labels_by_sample(selector_of(1.0, extra), given, room)
    assert sum(bought) <= room


def test_second_labels_get_their_part_where_a_cap_binds() -> None:
    """Not all of a cap goes to first labels, though the share alone would buy them first."""
    selector = selector_of(1.0, 1.0, Caps(total=40))
    _, state = selector.decide(selector.start(), scored(0, 100), Context(again=1000))
    assert (state.spent.bought, state.credit.bought) == (40, 20)


def test_no_cap_is_kept_free_for_samples_that_are_not_there() -> None:
    selector = selector_of(1.0, 1.0, Caps(total=40))
    _, state = selector.decide(selector.start(), scored(0, 100), Context(again=0))
    assert (state.spent.bought, state.credit.bought) == (40, 0)


def test_a_credit_that_cannot_be_used_is_lost() -> None:
    credit = Credit()
    for _ in range(100):
        credit = credit.after(first=1, extra=0.5, again=0)
    assert credit.credit == most_credit(0.5)
    assert credit.after(first=0, extra=0.5, again=100).bought == most_credit(0.5)


@pytest.mark.parametrize(
    "text", ['{"credit": -1, "bought": 0}', '{"credit": 1e999, "bought": 0}', "{}", "[]"]
)
def test_a_credit_that_nobody_has_written_begins_a_new_account(text: str) -> None:
    selector = selector_of(0.2, 0.5)
    good = selector.encode(selector.start())
    assert selector.decode(good) is not None
    assert selector.decode(good[:-1] + f',"second":{text}}}') is None
