"""A list that is kept in order while items come and go.

The items stand in blocks, and each block is in order. To find the place of an item takes two binary searches,
and to put it there moves one block at most. So a million items cost a few microseconds each, a page of them
is read at its place, and nothing ever walks over all items. A block has its numbers in arrays: a search among
objects all over the memory takes several times as long, and each object has a size of its own.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["MOST_IN_A_BLOCK", "Floats", "Integers", "Place", "Ranked"]

MOST_IN_A_BLOCK = 2000

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]

Place: TypeAlias = tuple[float, int, str]
"""The place of a query: minus its utility, the offset of its record, its id. The first is the most useful."""


class _Block:
    """Some places, in order, as a list for each of their parts."""

    __slots__ = ("ids", "offsets", "utilities")

    def __init__(self, utilities: array[float], offsets: array[int], ids: list[str]) -> None:
        self.utilities = utilities
        self.offsets = offsets
        self.ids = ids

    def __len__(self) -> int:
        return len(self.ids)

    def index(self, place: Place) -> int:
        """Where a place is, or where it belongs."""
        utility, offset, sample_id = place
        first = bisect_left(self.utilities, utility)
        end = bisect_right(self.utilities, utility, first)
        first = bisect_left(self.offsets, offset, first, end)
        end = bisect_right(self.offsets, offset, first, end)
        return bisect_left(self.ids, sample_id, first, end)

    def insert(self, place: Place) -> None:
        at = self.index(place)
        for part, value in zip((self.utilities, self.offsets, self.ids), place, strict=True):
            part.insert(at, value)  # type: ignore[attr-defined]  # each has the type of its value

    def discard(self, place: Place) -> bool:
        at = self.index(place)
        if at == len(self) or (self.utilities[at], self.offsets[at], self.ids[at]) != place:
            return False
        del self.utilities[at], self.offsets[at], self.ids[at]
        return True

    def places(self, begin: int = 0, end: int | None = None) -> Iterator[Place]:
        return zip(self.utilities[begin:end], self.offsets[begin:end], self.ids[begin:end], strict=True)

    def last(self) -> Place:
        return self.utilities[-1], self.offsets[-1], self.ids[-1]

    def split(self) -> tuple[_Block, _Block]:
        at = len(self) // 2
        return (
            _Block(self.utilities[:at], self.offsets[:at], self.ids[:at]),
            _Block(self.utilities[at:], self.offsets[at:], self.ids[at:]),
        )


class Ranked:
    """Places of queries, in order. No two have one id.

    Several may have one offset: partitions have offsets of their own, and queries that were given an id of
    their own have none yet.

    >>> ranked = Ranked()
    >>> for place in [(-0.5, 1, "a"), (-0.9, 2, "b"), (-0.5, 0, "c")]:
    ...     ranked.add(place)
    >>> [sample_id for _, _, sample_id in ranked], [sample_id for _, _, sample_id in ranked.page(1, 1)]
    (['b', 'c', 'a'], ['c'])
    """

    def __init__(self) -> None:
        self._blocks: list[_Block] = []
        self._lasts: list[Place] = []  # the last place of each block
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Place]:
        for block in self._blocks:
            yield from block.places()

    def page(self, offset: int, limit: int) -> list[Place]:
        """At most `limit` places, without the first `offset`."""
        found: list[Place] = []
        for block in self._blocks:
            if offset >= len(block):
                offset -= len(block)
                continue
            found += block.places(offset, offset + limit - len(found))
            offset = 0
            if len(found) >= limit:
                break
        return found

    def extend(self, utilities: Floats, offsets: Integers, ids: list[str]) -> None:
        """Append places that come after all others, in order: half a block of them at most."""
        self._blocks.append(_Block(array("d", utilities.tobytes()), array("q", offsets.tobytes()), ids))
        self._lasts.append(self._blocks[-1].last())
        self._size += len(ids)

    def add(self, place: Place) -> None:
        """Put a place where it belongs."""
        self._size += 1
        if not self._blocks:
            self._blocks, self._lasts = [_Block(array("d"), array("q"), [])], [place]
        at = min(bisect_left(self._lasts, place), len(self._blocks) - 1)
        block = self._blocks[at]
        block.insert(place)
        if len(block) > MOST_IN_A_BLOCK:
            parts = block.split()
            self._blocks[at : at + 1], self._lasts[at : at + 1] = parts, [part.last() for part in parts]
        else:
            self._lasts[at] = block.last()

    def discard(self, place: Place) -> bool:
        """Remove a place; say whether it was there."""
        at = bisect_left(self._lasts, place)
        if at == len(self._blocks) or not (block := self._blocks[at]).discard(place):
            return False
        self._size -= 1
        if block:
            self._lasts[at] = block.last()
        else:
            del self._blocks[at], self._lasts[at]
        return True
