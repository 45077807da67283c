"""When queries expire, without looking at all of them.

There is one heap for each length of life, ordered by age, and there are as few lengths as there were
settings. The first query of a heap is the oldest of its length, and so the next to expire. A query that is
closed stays on its heap until it comes first, or until most of the heap is closed.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from typing import TypeAlias

from stream_al.engine.labels.expiry import expires

__all__ = ["Lives"]

MAX_CLOSED_ON_HEAPS = 1000  # more than that, and more than are pending, are removed

HeapItem: TypeAlias = tuple[int, str, int]
"""A query on a heap: the timestamp of its record, its id, its offset."""


class Lives:
    """The lives of the pending queries.

    Args:
        is_pending: Whether the query of an id and an offset is pending.
    """

    def __init__(self, is_pending: Callable[[str, int], bool]) -> None:
        self._is_pending = is_pending
        self._heaps: dict[int, list[HeapItem]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._heaps.values()))

    def push(self, item: HeapItem, life_ms: int) -> None:
        """Enter a query."""
        heapq.heappush(self._heaps.setdefault(life_ms, []), item)

    def has_too_many(self, life_ms: int, pending: int) -> bool:
        """Whether the heaps should be built anew, after a push, with so many queries pending."""
        return max(len(self._heaps[life_ms]), len(self._heaps)) > 2 * pending + MAX_CLOSED_ON_HEAPS

    def rebuild(self, items: Iterable[tuple[HeapItem, int]]) -> None:
        """Build the heaps anew, from the pending queries and the lengths of their lives."""
        self._heaps = {}
        for item, life_ms in items:
            self._heaps.setdefault(life_ms, []).append(item)
        for heap in self._heaps.values():
            heapq.heapify(heap)

    def overdue(self, now_ms: int) -> bool:
        """Whether the life of a query may be over at a time."""
        return any(heap and expires(heap[0][0], life_ms, now_ms) for life_ms, heap in self._heaps.items())

    def expired(self, limit: int, now_ms: int) -> list[str]:
        """The ids of at most `limit` queries whose life is over at a time; they stay."""
        found: list[str] = []
        for life_ms, heap in self._heaps.items():
            over: list[HeapItem] = []
            while len(found) + len(over) < limit and (oldest := self._oldest(heap)):
                if not expires(oldest[0], life_ms, now_ms):
                    break
                over.append(heapq.heappop(heap))
            for item in over:  # they are found again until their tombstones are read
                heapq.heappush(heap, item)
            found += [sample_id for _, sample_id, _ in over]
        return found

    def oldest_ms(self, default: int) -> int:
        """The timestamp of the oldest query; the default if there is none."""
        oldest = (self._oldest(heap) for heap in self._heaps.values())
        return min((item[0] for item in oldest if item), default=default)

    def _oldest(self, heap: list[HeapItem]) -> HeapItem | None:
        """The oldest query on a heap that is still pending; closed ones before it are removed."""
        while heap:
            _, sample_id, offset = heap[0]
            if self._is_pending(sample_id, offset):
                return heap[0]
            heapq.heappop(heap)
        return None
