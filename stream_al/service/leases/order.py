"""The order of the pending queries, the most useful first.

There are two orders, each kept from the moment at which it is first needed (`lists`). One has all pending
queries, for pages. The other has the free ones, which nobody holds: a query that is leased is put aside, and
put back when its lease ends.

*Second queries* ask another annotator for a sample that one has labelled. They would lie at the front of the
order of the annotator who may not have them, and be passed over each time. So the free queries have one list
for each set of annotators who have labelled the sample, and an annotator is served from the lists that do not
name them. In the list that further sets share, at most `MOST_PASSED` queries are passed over at a time.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from itertools import islice

from stream_al.service.leases.lists import FIRST, OTHERS, Lists, Waiting
from stream_al.service.leases.ranked import Place
from stream_al.service.timing.clock import Clock

__all__ = ["QueryOrder"]

MOST_PASSED = 100


class QueryOrder:
    """Where the pending queries stand.

    Args:
        queries: The pending queries, by their ids. Whoever changes them says so here.
        clock: Measures the work.
    """

    def __init__(self, queries: Mapping[str, Waiting], clock: Clock) -> None:
        self._queries = queries
        self._aside: set[str] = set()
        self._all = Lists(queries, lambda sample_id: True, clock, by_annotators=False)
        self._free = Lists(queries, lambda sample_id: sample_id not in self._aside, clock, by_annotators=True)

    @property
    def free(self) -> int:
        """How many queries nobody holds."""
        return len(self._queries) - sum(map(self._queries.__contains__, self._aside))

    def added(self, sample_id: str) -> None:
        """A query was entered."""
        self._all.add(sample_id)
        if sample_id not in self._aside:
            self._free.add(sample_id)

    def removed(self, sample_id: str, query: Waiting) -> None:
        """A query was closed."""
        self._all.discard(sample_id, query)
        self._free.discard(sample_id, query)

    def set_aside(self, sample_id: str) -> None:
        """Let nobody have a query. It need not be pending yet."""
        self._aside.add(sample_id)
        query = self._queries.get(sample_id)
        if query is not None:
            self._free.discard(sample_id, query)

    def put_back(self, sample_id: str) -> None:
        """Undo `set_aside`."""
        if sample_id in self._aside:
            self._aside.discard(sample_id)
            if sample_id in self._queries:
                self._free.add(sample_id)

    async def page(self, offset: int, limit: int) -> list[Place]:
        """At most `limit` queries, without the first `offset`."""
        await self._all.made()
        ranked = self._all.of.get(FIRST)
        return ranked.page(offset, limit) if ranked else []

    async def for_annotator(self, annotator: str) -> Iterator[Place]:
        """The free queries that an annotator may have, the most useful first.

        Those in the list of the others are not checked. Nothing may be changed meanwhile.
        """
        await self._free.made()
        lists = [free for names, free in self._free.of.items() if annotator not in names and names != OTHERS]
        return heapq.merge(*lists, islice(self._free.of.get(OTHERS, ()), MOST_PASSED))
