"""The watchdog: whether a loop has stopped making progress.

A loop can stand still in two ways:

    it hangs           it passes no step: a call does not return
    it reads nothing   its polls return empty although records wait (aio-libs/aiokafka#1154)

Loops report what they do, and `stalled` tells how long the slowest one has stood still:

1. Nothing counts before `start`. A start takes as long as the broker and the replay need.
2. Reading nothing counts up to the last observation that records wait. While the broker is away there is no
   observation, so the count stops. When the broker is back, the count begins again at zero.
3. A loop that is paused, or has nothing to read, is idle: the count begins again at zero.
4. A loop may wait for another task. It then counts as standing still no longer than that task does.

The rule reads no clock: `now` is an argument, in seconds of a clock that never goes back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Progress", "Watchdog"]

LIVE_SHARE = 0.8
"""Share of the limit at which `/livez` fails, so that a supervisor may act before the process ends itself."""


@dataclass(slots=True, eq=False)
class Progress:
    """What one loop has reported.

    Attributes:
        waits_for: The task that this loop may wait for.
        working: Whether it has work; a task such as a rebuild has none most of the time.
        stepped_at: When it last passed a step.
        moved_at: When it last read something, or had nothing to read.
        waiting_at: When it was last observed whether records wait.
    """

    waits_for: Progress | None = None
    working: bool = True
    stepped_at: float = 0.0
    moved_at: float = 0.0
    waiting_at: float = 0.0
    _unobserved: bool = False

    def start(self, now: float) -> None:
        """From here on progress is expected."""
        self.stepped_at = self.moved_at = self.waiting_at = now

    def step(self, now: float) -> None:
        """It passed a step, or came back from a failed one."""
        self.stepped_at = now

    def move(self, now: float) -> None:
        """It read something."""
        self.moved_at = now

    def observe(self, now: float, *, records_wait: bool) -> None:
        """It was observed whether records wait for it."""
        self.waiting_at = now
        if not records_wait or self._unobserved:
            self.moved_at = now
        self._unobserved = False

    def not_observed(self) -> None:
        """It could not be observed whether records wait, since the broker is away."""
        self._unobserved = True

    def standstill(self, now: float) -> float:
        """Seconds without progress.

        >>> loop = Progress()
        >>> loop.start(100.0)
        >>> loop.step(160.0)
        >>> loop.observe(160.0, records_wait=True)
        >>> loop.standstill(161.0)
        60.0
        """
        seconds = max(now - self.stepped_at, self.waiting_at - self.moved_at)
        if self.waits_for is not None and self.waits_for.working:
            seconds = min(seconds, self.waits_for.standstill(now))
        return seconds


class Watchdog:
    """Tells whether the loops make progress.

    Args:
        limit_seconds: The standstill after which the process ends itself.
        loops: What the loops report.
    """

    def __init__(self, limit_seconds: float, loops: Iterable[Progress]) -> None:
        self.limit_seconds = limit_seconds
        self._loops = tuple(loops)
        self._on = False

    def start(self, now: float) -> None:
        """From here on progress is expected."""
        self._on = True
        for loop in self._loops:
            loop.start(now)

    def stop(self) -> None:
        """Nothing is expected any more."""
        self._on = False

    def stalled(self, now: float) -> float:
        """Seconds for which the slowest loop has stood still; 0 when nothing is expected."""
        return max(loop.standstill(now) for loop in self._loops) if self._on else 0.0

    def expired(self, now: float) -> bool:
        """Whether the process has to end."""
        return self.stalled(now) >= self.limit_seconds

    def live(self, now: float) -> bool:
        """Whether the process is worth keeping; false a little before it has to end."""
        return self.stalled(now) < LIVE_SHARE * self.limit_seconds
