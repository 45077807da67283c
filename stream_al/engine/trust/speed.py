"""The speed of an annotator: the time from one label to the next, by the clock that stamped the labels.

The time from a query to its label says mostly how long the query waited. The time between two labels of one
annotator says how long the second one took, unless there was a break between them: a gap of more than
`BREAK_SECONDS` is left out. The median is not moved by the few long gaps that remain. Its interval needs no
assumption about how gaps are spread. The number of gaps below the true median is distributed as the number of
heads among as many coins, and that says between which two of the sorted gaps the median lies (David,
Nagaraja: Order Statistics, 2003, section 7.1).

*Bounded.* The last `MOST` gaps of an annotator are kept.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import ceil, floor, sqrt

from stream_al.engine.intervals import Z_95
from stream_al.errors import BadMessage
from stream_al.times import moment

__all__ = ["BREAK_SECONDS", "Pace", "Speed"]

MOST = 200
BREAK_SECONDS = 600.0
FEWEST = 6  # of fewer gaps not even all of them hold the median with 95%


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast an annotator labels.

    Attributes:
        median: The median of the seconds from one label to the next.
        low: The lower end of its 95% interval; None of too few labels.
        high: The upper end.
        per_hour: The labels in an hour of work, breaks left out; None if all gaps are 0.
        cases: How many gaps it is taken from.
    """

    median: float
    low: float | None
    high: float | None
    per_hour: float | None
    cases: int


@dataclass(slots=True)
class Speed:
    """The gaps between the labels of one annotator.

    >>> speed = Speed()
    >>> for second in (0, 10, 20, 30, 40):
    ...     speed.labelled(f"2026-01-01T00:00:{second:02}Z")
    >>> speed.pace()
    Pace(median=10.0, low=None, high=None, per_hour=360.0, cases=4)
    """

    last: float | None = None
    gaps: deque[float] = field(default_factory=lambda: deque(maxlen=MOST))

    def labelled(self, at: str | None) -> None:
        """Count a label; a time that cannot be read, or lies before the last one, is passed over."""
        try:
            now = moment(at or "").timestamp()
        except BadMessage:
            return
        if self.last is not None and 0.0 <= now - self.last <= BREAK_SECONDS:
            self.gaps.append(now - self.last)
        self.last = now

    def pace(self) -> Pace | None:
        """The pace so far; None before the second label."""
        ranked, n = sorted(self.gaps), len(self.gaps)
        if not n:
            return None
        median = (ranked[(n - 1) // 2] + ranked[n // 2]) / 2
        low = high = None
        if n >= FEWEST:
            half = Z_95 * sqrt(n) / 2
            low = ranked[max(0, floor(n / 2 - half) - 1)]
            high = ranked[min(n - 1, ceil(n / 2 + half))]
        total = sum(ranked)
        return Pace(median, low, high, 3600 * n / total if total else None, n)
