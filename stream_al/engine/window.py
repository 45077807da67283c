"""A window: the last values, in their order of age and in their order of size."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable
from typing import Generic, TypeVar

__all__ = ["Window"]

N = TypeVar("N", int, float)


class Window(Generic[N]):
    """The last values.

    A value's *doubled rank* among them is the number of those below it plus the number of those not above it:
    twice its rank, where a value in the middle of its equals has the mean of their ranks. It is a whole
    number from 0 to twice the number of values.

    Args:
        values: The first of them, oldest first.
        limit: How many are kept.

    Attributes:
        values: Oldest first.
        ranked: Smallest first.

    >>> window = Window([0.5, 0.25], limit=2)
    >>> window.add(0.5), window.add(0.25), window.ranked
    (3, 1, [0.25, 0.5])
    """

    def __init__(self, values: Iterable[N] = (), *, limit: int) -> None:
        self.values: deque[N] = deque(values)
        self.ranked: list[N] = sorted(self.values)
        self.limit = limit

    def doubled_rank(self, value: N) -> int:
        """The doubled rank of a value among those kept."""
        low = bisect_left(self.ranked, value)
        return low + bisect_right(self.ranked, value, low)

    def add(self, value: N) -> int:
        """Keep one more value; return its doubled rank among those kept before."""
        low = bisect_left(self.ranked, value)
        high = bisect_right(self.ranked, value, low)
        self.values.append(value)
        self.ranked.insert(high, value)
        if len(self.ranked) > self.limit:
            del self.ranked[bisect_left(self.ranked, self.values.popleft())]
        return low + high
