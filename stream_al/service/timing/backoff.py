"""Backing off: wait longer after each failure in a row, and not as long as the other replicas wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from stream_al.errors import Unavailable
from stream_al.service.timing.clock import Clock
from stream_al.settings import LimitSettings

__all__ = ["Backoff", "Retries"]

log = structlog.get_logger(__name__)

MAX_DOUBLINGS = 30  # 2.0 ** 1024 would be an error of its own


class Backoff:
    """Waits after failures.

    Args:
        what: What fails, for the log.
        limits: First and longest wait.
        clock: Jitters the waits.

    Attributes:
        failures: How many there were in a row.
    """

    def __init__(self, what: str, limits: LimitSettings, clock: Clock) -> None:
        self.what = what
        self.limits = limits
        self.clock = clock
        self.failures = 0

    def succeeded(self) -> None:
        """The run of failures is over."""
        self.failures = 0

    async def failed(self, error: Exception) -> None:
        """Log a failure and wait."""
        self.failures += 1
        doubled = self.limits.backoff_seconds * 2.0 ** min(self.failures, MAX_DOUBLINGS)
        wait = self.clock.jittered(min(self.limits.backoff_max_seconds, doubled))
        log.warning("unavailable", what=self.what, why=str(error), retry_in_seconds=round(wait, 2))
        await asyncio.sleep(wait)


class Retries:
    """Tries actions again while the broker is away, each with a backoff of its own.

    Args:
        limits: First and longest wait.
        clock: Jitters the waits.
    """

    def __init__(self, limits: LimitSettings, clock: Clock) -> None:
        self.limits = limits
        self.clock = clock
        self._backoffs: list[Backoff] = []

    @property
    def failing(self) -> bool:
        """Whether an action has failed and was not done since."""
        return any(backoff.failures for backoff in self._backoffs)

    async def once(self, what: str, action: Callable[[], Awaitable[None]]) -> None:
        """Try until the action is done."""
        await self._done(self._backoff(what), action)

    async def forever(self, what: str, action: Callable[[], Awaitable[None]]) -> None:
        """Do the action again and again."""
        backoff = self._backoff(what)
        while True:
            await self._done(backoff, action)

    def _backoff(self, what: str) -> Backoff:
        self._backoffs.append(Backoff(what, self.limits, self.clock))
        return self._backoffs[-1]

    async def _done(self, backoff: Backoff, action: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await action()
            except Unavailable as error:
                await backoff.failed(error)
            else:
                backoff.succeeded()
                return
