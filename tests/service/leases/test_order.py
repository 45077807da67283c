"""Laws of the order of the pending queries: it agrees with a list that is sorted each time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.service.leases import order as kept
from stream_al.service.leases import ranked as blocks
from stream_al.service.leases.order import QueryOrder
from stream_al.service.leases.ranked import Place, Ranked

law = settings(derandomize=True, deadline=None, max_examples=200)

places = st.builds(
    lambda utility, offset: (-utility, offset, f"q{offset}"),
    st.sampled_from([0.1, 0.5, 0.9]),
    st.integers(0, 40),
)
ANNOTATORS = ("ann", "bob", "cat")
NAMES = [(), ("ann",), ("bob",), ("ann", "bob"), ("cat",), ("ann", "cat")]


@pytest.fixture(autouse=True)
def small_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """So few queries reach every bound."""
    monkeypatch.setattr(blocks, "MOST_IN_A_BLOCK", 4)
    monkeypatch.setattr(kept, "MOST_LISTS", 4)


@law
@given(st.lists(st.tuples(st.booleans(), places), max_size=80), st.integers(0, 50), st.integers(1, 50))
def test_the_places_are_always_in_order(actions: list[Any], offset: int, limit: int) -> None:
    ranked, plain = Ranked(), set[Place]()
    for adds, place in actions:
        if adds and place not in plain:
            ranked.add(place)
            plain.add(place)
        elif not adds:
            assert ranked.discard(place) == (place in plain)
            plain.discard(place)
        assert list(ranked) == sorted(plain)
        assert len(ranked) == len(plain)
        assert ranked.page(offset, limit) == sorted(plain)[offset : offset + limit]


@law
@given(
    st.lists(st.tuples(st.sampled_from(["add", "discard", "aside", "back"]), st.integers(0, 11)), max_size=60)
)
def test_the_free_queries_agree_with_a_simple_model(actions: list[Any]) -> None:
    """For each annotator: pending, not aside, not labelled by this one; the most useful first."""
    order, pending, aside = QueryOrder(), set[int](), set[int]()

    def place(number: int) -> Place:
        return -(number % 3) / 4, number, f"q{number}"

    for action, number in actions:
        names, here = NAMES[number % len(NAMES)], place(number) if number in pending else None
        if action == "add" and number not in pending:
            order.add(place(number), names)
            pending.add(number)
        elif action == "discard" and number in pending:
            order.discard(place(number), names)
            pending.discard(number)
        elif action == "aside":
            order.set_aside(f"q{number}", here, names if here else ())
            aside.add(number)
        elif action == "back":
            order.put_back(f"q{number}", here, names if here else ())
            aside.discard(number)
        free = pending - aside
        assert order.free == len(free)
        assert list(order.all) == sorted(map(place, pending))
        for annotator in ANNOTATORS:
            served = [
                one for one in order.for_annotator(annotator) if annotator not in NAMES[one[1] % len(NAMES)]
            ]
            assert served == sorted(place(n) for n in free if annotator not in NAMES[n % len(NAMES)])


def test_second_queries_of_one_annotator_do_not_hold_up_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many lie at the front, the annotator who may not have them is served from behind them."""
    order = QueryOrder()
    for number in range(1000):
        order.add((-0.9, number, f"s{number}"), ("ann",))
    order.add((-0.1, 1000, "first"), ())
    assert next(order.for_annotator("ann"))[2] == "first"
    assert next(order.for_annotator("bob"))[2] == "s0"


def test_names_without_number_do_not_make_lists_without_number() -> None:
    order = QueryOrder()
    for number in range(1000):
        order.add((-0.9, number, f"s{number}"), (f"a{number}",))
    assert len(order._free) <= kept.MOST_LISTS + 1
    for number in range(1000):
        order.discard((-0.9, number, f"s{number}"), (f"a{number}",))
    assert (order.free, len(order.all), len(order._free)) == (0, 0, 2)
