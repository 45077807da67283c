"""Laws of the order of the pending queries: it agrees with a list that is sorted each time."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.service.leases import lists as kept
from stream_al.service.leases import ranked as blocks
from stream_al.service.leases.order import QueryOrder
from stream_al.service.leases.ranked import Place, Ranked
from stream_al.service.timing.clock import Clock

law = settings(derandomize=True, deadline=None, max_examples=200)

places = st.builds(
    lambda utility, number: (-utility, number % 7 - 1, f"q{number}"),  # several have one offset
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


class Query(NamedTuple):
    """A pending query, as far as its place goes."""

    utility: float
    offset: int
    labelled_by: tuple[str, ...]

    def place(self, sample_id: str) -> Place:
        return -self.utility, self.offset, sample_id


class Slow(Clock):
    """A clock by which every time slice is over at once, so other tasks run between any two."""

    def __init__(self) -> None:
        super().__init__()
        self._seconds = 0.0

    def thread_time(self) -> float:
        self._seconds += 1.0
        return self._seconds


class Queries:
    """Pending queries and their order."""

    def __init__(self) -> None:
        self.pending: dict[str, Query] = {}
        self.order = QueryOrder(self.pending, Slow())
        self.offset = 0

    def add(self, sample_id: str, utility: float, names: tuple[str, ...] = ()) -> None:
        """A query comes, perhaps in the place of another one of its id."""
        self.remove(sample_id)
        self.offset = (self.offset + 1) % 3 - 1  # other partitions have the same, and -1 is that of no record
        self.pending[sample_id] = Query(utility, self.offset, names)
        self.order.added(sample_id)

    def remove(self, sample_id: str) -> None:
        gone = self.pending.pop(sample_id, None)
        if gone is not None:
            self.order.removed(sample_id, gone)

    def places(self) -> list[Place]:
        return sorted(query.place(sample_id) for sample_id, query in self.pending.items())


class Model:
    """Queries and what is put aside, to which the same happens."""

    def __init__(self) -> None:
        self.queries, self.aside = Queries(), set[str]()

    def act(self, action: str, number: int) -> None:
        sample_id = f"q{number}"
        if action == "add":
            self.queries.add(sample_id, number % 3 / 4, NAMES[number % len(NAMES)])
        elif action == "remove":
            self.queries.remove(sample_id)
        elif action == "aside":
            self.queries.order.set_aside(sample_id)
            self.aside.add(sample_id)
        else:
            self.queries.order.put_back(sample_id)
            self.aside.discard(sample_id)
        assert self.queries.order.free == len(self.queries.pending.keys() - self.aside)

    async def check(self) -> None:
        """For each annotator: pending, not aside, not labelled by this one; the most useful first."""
        pending = self.queries.pending
        assert await self.queries.order.page(0, 1000) == self.queries.places()
        for annotator in ANNOTATORS:
            served = await self.queries.order.for_annotator(annotator)
            may = [one for one in served if annotator not in pending[one[2]].labelled_by]
            free = [one for one in self.queries.places() if one[2] not in self.aside]
            assert may == [one for one in free if annotator not in pending[one[2]].labelled_by]


actions = st.lists(
    st.tuples(st.sampled_from(["add", "remove", "aside", "back"]), st.integers(0, 11)), max_size=60
)


@law
@given(actions, actions, actions)
def test_the_orders_agree_with_a_simple_model(
    before: list[Any], meanwhile: list[Any], after: list[Any]
) -> None:
    """Whatever happens before the lists are made, while they are made, and after that."""

    async def whole() -> None:
        model = Model()
        for one in before:
            model.act(*one)
        making = asyncio.gather(model.queries.order.page(0, 1), model.queries.order.for_annotator("ann"))
        for one in meanwhile:
            await asyncio.sleep(0)
            model.act(*one)
        await making
        await model.check()
        for one in after:
            model.act(*one)
            await model.check()

    asyncio.run(whole())


async def test_nothing_is_kept_in_order_before_somebody_asks() -> None:
    """So a service whose queries nobody reads over HTTP pays nothing; a lease pays for one order, not two."""
    queries = Queries()
    for number in range(20):
        queries.add(f"q{number}", 0.5)
        queries.order.set_aside(f"q{number - 5}")
    assert not queries.order._free.of
    assert not queries.order._all.of
    assert [one[2] for one in await queries.order.for_annotator("ann")] == [f"q{n}" for n in range(15, 20)]
    assert not queries.order._all.of


@pytest.mark.parametrize("rounds", range(1, 120, 7))
async def test_lists_whose_making_was_cancelled_are_made_by_the_next_one(rounds: int) -> None:
    queries = Queries()
    for number in range(20):
        queries.add(f"q{number}", 0.5)
    making = asyncio.create_task(queries.order.page(0, 1))
    for _ in range(rounds):
        await asyncio.sleep(0)
    making.cancel()
    await asyncio.wait({making})
    queries.remove("q0")
    assert await queries.order.page(0, 100) == queries.places()


async def test_second_queries_of_one_annotator_do_not_hold_up_the_others() -> None:
    """However many lie at the front, the annotator who may not have them is served from behind them."""
    queries = Queries()
    for number in range(1000):
        queries.add(f"s{number}", 0.9, ("ann",))
    queries.add("first", 0.1)
    assert next(await queries.order.for_annotator("ann"))[2] == "first"
    assert next(await queries.order.for_annotator("bob"))[2] == "s0"


async def test_names_without_number_do_not_make_lists_without_number() -> None:
    queries = Queries()
    for number in range(500):
        queries.add(f"s{number}", 0.9, (f"a{number}",))
    await queries.order.for_annotator("ann")
    for number in range(500, 1000):
        queries.add(f"s{number}", 0.9, (f"a{number}",))
    assert len(queries.order._free.of) <= kept.MOST_LISTS + 1
    for number in range(1000):
        queries.remove(f"s{number}")
    assert (queries.order.free, queries.order._free.of) == (0, {})
