"""The recent share: of the last events, how many were of one kind."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

__all__ = ["RECENT", "RecentShare"]

RECENT = 100


@dataclass(slots=True)
class RecentShare:
    """Of the last `RECENT` events, which ones were of one kind.

    >>> refused = RecentShare()
    >>> refused.add([True, False, False, True])
    >>> refused.number, refused.total, refused.share
    (2, 4, 0.5)
    """

    events: deque[bool] = field(default_factory=lambda: deque(maxlen=RECENT))

    def add(self, events: Iterable[bool]) -> None:
        """Add events, each with whether it is of the kind."""
        self.events.extend(events)

    @property
    def number(self) -> int:
        """How many of the last events are of the kind."""
        return sum(self.events)

    @property
    def total(self) -> int:
        """How many events are remembered."""
        return len(self.events)

    @property
    def share(self) -> float:
        """The share of them; 0 without events."""
        return self.number / self.total if self.events else 0.0
