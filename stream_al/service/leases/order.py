"""The order of the pending queries, kept while they come and go: the most useful first.

Two orders are kept. One has all pending queries, for pages. The other has the free ones, which nobody holds:
a query that is leased is put aside, and put back when its lease ends.

*Second queries* ask another annotator for a sample that one has labelled. They would lie at the front of the
order of the annotator who may not have them, and be passed over each time. So the free queries have one list
for each set of annotators who have labelled the sample, and an annotator is served from the lists that do not
name him. There are at most `MOST_LISTS`; all further sets share one list more, of which at most `MOST_PASSED`
queries are passed over at a time.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import islice

from stream_al.service.leases.ranked import Place, Ranked

__all__ = ["QueryOrder"]

MOST_LISTS = 100
MOST_PASSED = 100

FIRST: tuple[str, ...] = ()
OTHERS = ("", "")  # no set of annotators has one name twice


class QueryOrder:
    """Where the pending queries stand."""

    def __init__(self) -> None:
        self.all = Ranked()
        self._free: dict[tuple[str, ...], Ranked] = {FIRST: Ranked(), OTHERS: Ranked()}
        self._aside: set[str] = set()

    @property
    def free(self) -> int:
        """How many queries nobody holds."""
        return sum(map(len, self._free.values()))

    def add(self, place: Place, labelled_by: tuple[str, ...]) -> None:
        """Enter a query. `labelled_by` is in alphabetical order, each name once."""
        self.all.add(place)
        if place[2] not in self._aside:
            self._add_free(place, labelled_by)

    def discard(self, place: Place, labelled_by: tuple[str, ...]) -> None:
        """Remove a query that is closed."""
        self.all.discard(place)
        self._discard_free(place, labelled_by)

    def set_aside(self, sample_id: str, place: Place | None, labelled_by: tuple[str, ...]) -> None:
        """Let nobody have a query. It need not be pending yet."""
        self._aside.add(sample_id)
        if place is not None:
            self._discard_free(place, labelled_by)

    def put_back(self, sample_id: str, place: Place | None, labelled_by: tuple[str, ...]) -> None:
        """Undo `set_aside`."""
        if sample_id in self._aside:
            self._aside.discard(sample_id)
            if place is not None:
                self._add_free(place, labelled_by)

    def for_annotator(self, annotator: str) -> Iterator[Place]:
        """The free queries that an annotator may have, the most useful first.

        Those in the list of the others are not checked. Nothing may be changed meanwhile.
        """
        lists = (free for names, free in self._free.items() if annotator not in names and names != OTHERS)
        return heapq.merge(*lists, islice(self._free[OTHERS], MOST_PASSED))

    def _add_free(self, place: Place, labelled_by: tuple[str, ...]) -> None:
        free = self._free.get(labelled_by)
        if free is None:
            room = len(self._free) < MOST_LISTS
            free = self._free.setdefault(labelled_by, Ranked()) if room else self._free[OTHERS]
        free.add(place)

    def _discard_free(self, place: Place, labelled_by: tuple[str, ...]) -> None:
        free = self._free.get(labelled_by)
        if free is None or not free.discard(place):
            self._free[OTHERS].discard(place)
        elif not free and labelled_by != FIRST:
            del self._free[labelled_by]
