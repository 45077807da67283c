"""Poison: a run of nothing but bad records.

One bad record is a sender's mistake, and the stream goes on without it. A run of them is a wrong topic,
a changed format or a broken producer: going on would drain the stream into the dead letters. So the
partition stops and waits for a person (the rule of Sentry's arroyo, `DlqLimit`).
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Streak"]


@dataclass(frozen=True, slots=True)
class Streak:
    """The bad records since the last good one.

    Attributes:
        length: How many.
        last: What was wrong with the last of them.

    >>> Streak().add("not JSON").add("no id").reached(2)
    True
    """

    length: int = 0
    last: str = ""

    def add(self, message: str) -> Streak:
        """The run with one more bad record."""
        return Streak(self.length + 1, message)

    def reached(self, limit: int) -> bool:
        """Whether the run is too long to go on."""
        return self.length >= limit
