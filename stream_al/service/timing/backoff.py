"""Backing off: wait a little longer after each failure in a row, never the same time as the others."""

from __future__ import annotations

import asyncio

import structlog

from stream_al.service.timing.clock import Clock
from stream_al.settings import LimitSettings

__all__ = ["Backoff"]

log = structlog.get_logger(__name__)


class Backoff:
    """Waits after failures.

    Args:
        what: What fails, for the log.
        limits: First and longest wait.
        clock: Jitters the waits.
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
        # The exponent is bounded, since 2.0 ** 1024 is an error of its own.
        bound = min(
            self.limits.backoff_max_seconds, self.limits.backoff_seconds * 2.0 ** min(self.failures, 30)
        )
        wait = self.clock.jittered(bound)
        log.warning("unavailable", what=self.what, why=str(error), retry_in_seconds=round(wait, 2))
        await asyncio.sleep(wait)
