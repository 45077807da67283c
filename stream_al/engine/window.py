"""A window: the last values, by age and by size."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable
from typing import Generic, TypeVar

__all__ = ["Window"]

N = TypeVar("N", int, float)


class Window(Generic[N]):
    """The last values.

    Args:
        values: The first of them, oldest first.
        most: How many are kept.

    Attributes:
        values: Oldest first.
        ranked: Smallest first.

    >>> window = Window([0.5, 0.25], most=2)
    >>> window.add(0.5), window.add(0.25), window.ranked
    (3, 1, [0.25, 0.5])
    """

    def __init__(self, values: Iterable[N] = (), *, most: int) -> None:
        self.values: deque[N] = deque(values)
        self.ranked: list[N] = sorted(self.values)
        self.most = most

    def halves(self, value: N) -> int:
        """Twice a value's place among those kept, in the middle of its equals: 0 to twice their number."""
        low = bisect_left(self.ranked, value)
        return low + bisect_right(self.ranked, value, low)

    def add(self, value: N) -> int:
        """Keep one more value; `halves` of it as it was before."""
        low = bisect_left(self.ranked, value)
        high = bisect_right(self.ranked, value, low)
        self.values.append(value)
        self.ranked.insert(high, value)
        if len(self.ranked) > self.most:
            del self.ranked[bisect_left(self.ranked, self.values.popleft())]
        return low + high
