"""A list that is kept in order while items come and go.

The items stand in blocks, and each block is in order. To find the place of an item takes two binary searches,
and to put it there moves one block at most. So a million items cost a few microseconds each, a page of them
is read at its place, and nothing ever walks over all items.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from itertools import islice
from typing import TypeAlias

__all__ = ["Place", "Ranked"]

MOST_IN_A_BLOCK = 2000

Place: TypeAlias = tuple[float, int, str]
"""The place of a query: minus its utility, the offset of its record, its id. The first is the most useful."""


class Ranked:
    """Places of queries, in order.

    >>> ranked = Ranked()
    >>> for place in [(-0.5, 1, "a"), (-0.9, 2, "b"), (-0.5, 0, "c")]:
    ...     ranked.add(place)
    >>> [sample_id for _, _, sample_id in ranked], [sample_id for _, _, sample_id in ranked.page(1, 1)]
    (['b', 'c', 'a'], ['c'])
    """

    def __init__(self) -> None:
        self._blocks: list[list[Place]] = []
        self._lasts: list[Place] = []  # the last place of each block
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Place]:
        for block in self._blocks:
            yield from block

    def page(self, offset: int, limit: int) -> list[Place]:
        """At most `limit` places, without the first `offset`."""
        found: list[Place] = []
        for block in self._blocks:
            if offset >= len(block):
                offset -= len(block)
                continue
            found += islice(block, offset, offset + limit - len(found))
            offset = 0
            if len(found) >= limit:
                break
        return found

    def add(self, place: Place) -> None:
        """Put a place where it belongs."""
        self._size += 1
        if not self._blocks:
            self._blocks, self._lasts = [[place]], [place]
            return
        at = min(bisect_left(self._lasts, place), len(self._blocks) - 1)
        block = self._blocks[at]
        insort(block, place)
        self._lasts[at] = block[-1]
        if len(block) > MOST_IN_A_BLOCK:
            half = len(block) // 2
            self._blocks[at : at + 1] = [block[:half], block[half:]]
            self._lasts[at : at + 1] = [block[half - 1], block[-1]]

    def discard(self, place: Place) -> bool:
        """Remove a place; say whether it was there."""
        at = bisect_left(self._lasts, place)
        if at == len(self._blocks):
            return False
        block = self._blocks[at]
        index = bisect_left(block, place)
        if block[index] != place:
            return False
        del block[index]
        self._size -= 1
        if block:
            self._lasts[at] = block[-1]
        else:
            del self._blocks[at], self._lasts[at]
        return True
