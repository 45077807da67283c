"""Poison: too many bad records in a row.

One bad record is a mistake of its sender, and the stream goes on without it. A run of them means a wrong
topic, a changed format or a broken producer; to go on would move the whole stream to the dead letters. So the
partition stops and waits for an operator (the rule of Sentry's arroyo, `DlqLimit`).
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ConsecutiveErrors"]


@dataclass(frozen=True, slots=True)
class ConsecutiveErrors:
    """The bad records since the last good one.

    Attributes:
        length: How many.
        last: What was wrong with the last of them.

    >>> ConsecutiveErrors().add("not JSON").add("no id").reached(2)
    True
    """

    length: int = 0
    last: str = ""

    def add(self, message: str) -> ConsecutiveErrors:
        """These errors and one more."""
        return ConsecutiveErrors(self.length + 1, message)

    def reached(self, limit: int) -> bool:
        """Whether there are too many to go on."""
        return self.length >= limit
