"""Exclusions: the examples that no longer count, as ranges of their offsets.

An operator who finds that wrong labels were learned takes the model back to an offset. Nothing is deleted for
that. The log of examples stays as it is, and a set of offsets beside it says which examples to pass over:

    model = fold of the examples whose offset is not excluded, in their order

That is a fold as before, so replicas that know the same ranges hold the same model at the same offset.

A learner at offset n depends only on the ranges below n. Two sets that agree below n lead to the same learner
there, whatever they say of later offsets. Where they differ below n, the learner has to be folded anew.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Exclusions", "Range"]

Range = tuple[int, int]
"""A first offset, and one past the last."""


@dataclass(frozen=True, slots=True)
class Exclusions:
    """A set of offsets, as ordered ranges that neither overlap nor touch; `of` makes one of any ranges."""

    ranges: tuple[Range, ...] = ()

    @classmethod
    def of(cls, ranges: Iterable[Range]) -> Exclusions:
        """The union of ranges; empty ones add nothing.

        >>> Exclusions.of([(7, 9), (1, 3), (3, 5), (4, 4), (8, 12)]).ranges
        ((1, 5), (7, 12))
        """
        made: list[Range] = []
        for begin, end in sorted(each for each in ranges if each[0] < each[1]):
            if made and begin <= made[-1][1]:
                made[-1] = (made[-1][0], max(end, made[-1][1]))
            else:
                made.append((begin, end))
        return cls(tuple(made))

    @property
    def end(self) -> int:
        """One past the last excluded offset; 0 if there is none."""
        return self.ranges[-1][1] if self.ranges else 0

    def __len__(self) -> int:
        """How many offsets are excluded."""
        return sum(end - begin for begin, end in self.ranges)

    def __contains__(self, offset: object) -> bool:
        if not isinstance(offset, int):
            return False
        after = bisect_right(self.ranges, (offset, self.end))
        return after > 0 and offset < self.ranges[after - 1][1]

    def within(self, begin: int, end: int) -> Exclusions:
        """The part that lies in a range.

        >>> Exclusions(((2, 5), (8, 9))).within(4, 100).ranges
        ((4, 5), (8, 9))
        """
        return Exclusions.of((max(begin, first), min(end, last)) for first, last in self.ranges)

    def below(self, offset: int) -> Exclusions:
        """The part below an offset: all that a learner at that offset depends on."""
        return self.within(0, offset)

    def covers(self, begin: int, end: int) -> bool:
        """Whether all of a range is excluded."""
        return len(self.within(begin, end)) == max(0, end - begin)

    def adding(self, begin: int, end: int) -> Exclusions:
        """These exclusions and one range more."""
        return Exclusions.of([*self.ranges, (begin, end)])

    def without(self, begin: int, end: int) -> Exclusions:
        """These exclusions without a range; its examples count again.

        >>> Exclusions(((2, 9),)).without(4, 6).ranges
        ((2, 4), (6, 9))
        """
        return Exclusions.of([*self.below(begin).ranges, *self.within(end, max(end, self.end)).ranges])
