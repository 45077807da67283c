"""The free queries: those that nobody holds, to take."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

from stream_al.service.loops.pending import PendingQueries

__all__ = ["FreeQueries"]

MOST_PASSED = 1000  # queries that `take` passes over


class FreeQueries:
    """The pending queries, as far as nobody holds them.

    Args:
        pending: The queries that wait.
    """

    def __init__(self, pending: PendingQueries) -> None:
        self._pending = pending

    async def take(self, annotator: str, limit: int, max_bytes: int, has: Callable[[str], bool]) -> list[str]:
        """The ids of the most useful free queries for an annotator, which are put aside.

        Args:
            annotator: The annotator, who gets no query of a sample that he has labelled.
            limit: Most queries.
            max_bytes: Most bytes of all their messages; there is always one query, if any is free.
            has: Whether the annotator has a query of a sample already, given by the id of its first query.
        """
        found, taken = list[str](), 0
        queries = await self._pending.order.for_annotator(annotator)
        for _, _, sample_id in islice(queries, limit + MOST_PASSED):
            entry = self._pending.entry(sample_id)
            if entry is None or annotator in entry.labelled_by or has(entry.second_of or sample_id):
                continue
            taken += len(entry.value)
            if found and taken > max_bytes:
                break
            found.append(sample_id)
            if len(found) == limit:
                break
        for sample_id in found:
            self._pending.order.set_aside(sample_id)
        return found
