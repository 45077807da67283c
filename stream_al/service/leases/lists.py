"""Ordered lists of pending queries: made when they are first needed, and kept from then on.

To keep a million queries in order costs several microseconds for each that comes or goes, and a service whose
queries nobody reads over HTTP would pay that for nothing. So nothing is kept until somebody asks. Then all
queries are sorted at once, which is cheaper than to enter one after the other:

    1. from here on, note the ids that come or go (`_changed`)
    2. gather the places of the queries, in time slices
    3. sort them, in a thread; no other thread waits for it
    4. enter them, in time slices
    5. for each id that was noted: remove the places that it had, and enter the one that it has now
    6. when none is left, every later change goes directly into the lists

An id that is noted is not gathered, so nothing is entered twice.

There is one list for each set of annotators who have labelled the sample of a query, where that matters
(`order`). There are at most `MOST_LISTS`; all further sets share one list more.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol, TypeAlias

import numpy as np

from stream_al.service.leases import ranked
from stream_al.service.leases.ranked import Place, Ranked
from stream_al.service.timing.clock import Clock
from stream_al.service.timing.time_slices import TimeSlices

__all__ = ["FIRST", "OTHERS", "Lists", "Names", "Waiting"]

MOST_LISTS = 100

Names: TypeAlias = tuple[str, ...]

FIRST: Names = ()
OTHERS: Names = ("", "")  # no set of annotators has one name twice


class Waiting(Protocol):
    """A pending query, as far as its place goes."""

    @property
    def labelled_by(self) -> Names:
        """Who has labelled the sample: in alphabetical order, each name once."""

    def place(self, sample_id: str) -> Place:
        """Where the query of this id stands among the others."""


class _Gathered:
    """Places that are not in order."""

    def __init__(self) -> None:
        self.utilities, self.offsets, self.ids = array("d"), array("q"), list[str]()

    def append(self, place: Place) -> None:
        for part, value in zip((self.utilities, self.offsets, self.ids), place, strict=True):
            part.append(value)  # type: ignore[attr-defined]  # each has the type of its value

    def sort(self) -> tuple[ranked.Floats, ranked.Integers, list[int]]:
        """The utilities and offsets in order, and which place each has here."""
        utilities, offsets = np.frombuffer(self.utilities), np.frombuffer(self.offsets, dtype=np.int64)
        order = np.lexsort((offsets, utilities))
        utilities, offsets, places = utilities[order], offsets[order], order.tolist()
        same = (utilities[1:] == utilities[:-1]) & (offsets[1:] == offsets[:-1])
        edges = np.flatnonzero(np.diff(np.r_[False, same, False])).tolist()
        for first, last in zip(edges[::2], edges[1::2], strict=True):
            places[first : last + 1] = sorted(places[first : last + 1], key=self.ids.__getitem__)
        return utilities, offsets, places


class Lists:
    """Pending queries in order, in one list or several.

    Args:
        queries: The pending queries, by their ids.
        belongs: Whether the query of an id is to be in a list.
        clock: Measures the work.
        by_annotators: Whether each set of annotators has a list of its own.

    Attributes:
        of: The lists, by the sets of annotators. They say nothing until `made` has been awaited.
    """

    def __init__(
        self,
        queries: Mapping[str, Waiting],
        belongs: Callable[[str], bool],
        clock: Clock,
        *,
        by_annotators: bool,
    ) -> None:
        self.of: dict[Names, Ranked] = {}
        self._queries, self._belongs = queries, belongs
        self._clock, self._by_annotators = clock, by_annotators
        self._lock = asyncio.Lock()
        self._is_kept = False
        self._changed: dict[str, list[tuple[Place, Names]]] | None = None

    def add(self, sample_id: str) -> None:
        """A query belongs here now."""
        if self._is_kept:
            self._enter(sample_id)
        elif self._changed is not None:
            self._changed.setdefault(sample_id, [])

    def discard(self, sample_id: str, query: Waiting) -> None:
        """A query does not belong here any longer."""
        gone = query.place(sample_id), query.labelled_by
        if self._is_kept:
            self._remove(*gone)
        elif self._changed is not None:
            self._changed.setdefault(sample_id, []).append(gone)

    async def made(self) -> None:
        """Make the lists, unless they are kept already."""
        async with self._lock:
            if self._is_kept:
                return
            self._changed = {}
            try:
                await self._make(self._changed)
                self._is_kept = True
            finally:
                self._changed = None
                if not self._is_kept:  # the request was cancelled; the next one makes them
                    self.of = {}

    async def _make(self, changed: dict[str, list[tuple[Place, Names]]]) -> None:
        slices = TimeSlices(self._clock)
        for key, gathered in (await self._gather(slices)).items():
            utilities, offsets, order = await asyncio.to_thread(gathered.sort)
            for some in _pieces(len(order)):
                with slices.working():
                    ids = [gathered.ids[place] for place in order[some]]
                    self.of[key].extend(utilities[some], offsets[some], ids)
                await slices.over()
        while changed:
            with slices.working():
                sample_id, gone = changed.popitem()
                for one in gone:
                    self._remove(*one)
                if sample_id in self._queries and self._belongs(sample_id):
                    self._enter(sample_id)
            await slices.over()

    async def _gather(self, slices: TimeSlices) -> dict[Names, _Gathered]:
        found: dict[Names, _Gathered] = {}
        ids = list(self._queries)
        for some in _pieces(len(ids)):
            with slices.working():
                for sample_id in ids[some]:
                    query = self._queries.get(sample_id)
                    if query is None or sample_id in (self._changed or ()) or not self._belongs(sample_id):
                        continue
                    key = self._list_of(query.labelled_by)
                    found.setdefault(key, _Gathered()).append(query.place(sample_id))
            await slices.over()
        return found

    def _enter(self, sample_id: str) -> None:
        query = self._queries[sample_id]
        self.of[self._list_of(query.labelled_by)].add(query.place(sample_id))

    def _list_of(self, names: Names) -> Names:
        """The list for a query; it is there then."""
        names = names if self._by_annotators else FIRST
        if names not in self.of and names != FIRST and len(self.of) >= MOST_LISTS:
            names = OTHERS
        if names not in self.of:
            self.of[names] = Ranked()
        return names

    def _remove(self, place: Place, names: Names) -> None:
        for key in (names if self._by_annotators else FIRST, OTHERS):
            if key in self.of and self.of[key].discard(place):
                if not self.of[key]:
                    del self.of[key]
                return


def _pieces(number: int) -> Iterator[slice]:
    """Slices over so many items, each of half a block of a list."""
    size = max(1, ranked.MOST_IN_A_BLOCK // 2)
    return (slice(begin, begin + size) for begin in range(0, number, size))
