"""A replica: one process of the service, as a task of the test."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from stream_al.service.app import App
from stream_al.service.broker.protocols import Broker
from stream_al.service.timing.clock import SYSTEM_CLOCK, Clock
from stream_al.settings import Settings
from tests.support.memory_client import MemoryClient

DEADLINE_SECONDS = 120.0


class Crash(Exception):
    """The process has died here."""


class Replica:
    """One process of the service, as a task of the test."""

    def __init__(self, settings: Settings, broker: Broker, clock: Clock = SYSTEM_CLOCK) -> None:
        self.broker = broker
        self.passed: list[tuple[str, str]] = []
        self._crash_at: tuple[str, str] | None = None
        self.app = App(settings, broker, self._reached, clock)
        self.task = asyncio.create_task(self.app.run())

    @property
    def digest(self) -> str:
        return self.app.local_model.model.digest()

    @property
    def offset(self) -> int:
        return self.app.local_model.learner.offset

    def metric(self, name: str, **labels: str) -> float:
        """The value of a metric now; 0 if it has none."""
        return self.app.metrics.registry.get_sample_value("stream_al_" + name, labels) or 0.0

    def _reached(self, loop: str, step: str) -> None:
        self.passed.append((loop, step))
        if self._crash_at == (loop, step):
            if isinstance(self.broker, MemoryClient):
                self.broker.kill()
            raise Crash

    def die_at(self, loop: str, step: str) -> None:
        """Die when it next passes this step of the commit protocol."""
        self._crash_at = (loop, step)

    async def stop(self) -> None:
        """Stop in order, or wait until a replica that died has ended."""
        self.app.stopping.set()
        async with asyncio.timeout(DEADLINE_SECONDS):
            with suppress(ExceptionGroup):
                await self.task

    async def ended(self) -> None:
        """Wait until it has ended by itself; raise what has ended it."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            await self.task

    def check(self) -> None:
        """Raise the error that has ended the replica, unless the test has crashed it."""
        if self.task.done() and self._crash_at is None:
            self.task.result()
