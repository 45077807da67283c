"""One simulated process of the service: the whole `App`, which can be killed at any moment.

A killed process has no more effect: its client and its disk are cut off. Its tasks are cancelled, because
that ends them soonest.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from contextlib import suppress
from contextvars import copy_context
from typing import Any

from stream_al.engine.labels.exclusions import Exclusions
from stream_al.errors import Misconfigured, Unavailable
from stream_al.service.app import App
from stream_al.settings import Settings
from tests.simulation.broker import SimBroker
from tests.simulation.client import CrashPoint, SimClient, SimReader
from tests.simulation.clock import PROCESS, Identity, VirtualClock, VirtualLoop

__all__ = ["Process"]


class Process:
    """A replica.

    Attributes:
        disk: The name of its snapshot directory, which may outlive it.
        stopped: It was told to stop.
    """

    def __init__(
        self, settings: Settings, broker: SimBroker, draw: random.Random, identity: Identity, disk: str
    ) -> None:
        self.identity = identity
        self.disk = disk
        self.stopped = False
        self.sessions = draw.choice([0.0, 0.5, 6.0])
        context = copy_context()
        context.run(PROCESS.set, identity)
        self._context = context
        self._requests: set[asyncio.Task[None]] = set()
        self.broker = SimClient(broker, identity, draw)
        self.broker.die = self.kill
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        clock = VirtualClock(loop, identity, draw)
        self.app: App = context.run(App, settings, self.broker, self._reached, clock)
        self.task = loop.create_task(self.app.run(), context=context)

    @property
    def name(self) -> str:
        return self.identity.name

    @property
    def alive(self) -> bool:
        """Whether it runs and was not told to stop."""
        return not (self.identity.dead or self.stopped or self.task.done())

    @property
    def offset(self) -> int:
        """The next example to fold."""
        return self.app.local_model.learner.offset

    @property
    def excluded(self) -> Exclusions:
        """The examples that its model has not learned because they are excluded."""
        return self.app.local_model.learner.excluded

    @property
    def digest(self) -> str:
        """The digest of its model."""
        return self.app.local_model.model.digest()

    @property
    def read_queries(self) -> bool:
        """Whether it has read all queries that there are."""
        reader = self.app.pending.reader
        assert isinstance(reader, SimReader)
        return reader.at_end

    def _reached(self, loop: str, step: str) -> None:
        self.broker.point(f"{loop} {step}")

    def crash_at(self, point: str, passes: int) -> None:
        """Let it die when it has passed a point so many times."""
        self.broker.crash_point = CrashPoint(point, passes)

    def kill(self) -> None:
        """Kill it, here and now."""
        if not self.identity.dead:
            self.broker.kill(self.sessions)
            for task in (self.task, *self._requests):
                task.cancel()

    def request(self, work: Coroutine[Any, Any, Any]) -> None:
        """Let it do what an operator asks for over HTTP; it may refuse."""

        async def respond() -> None:
            with suppress(Unavailable, Misconfigured):
                await work

        task = asyncio.get_running_loop().create_task(respond(), context=self._context)
        task.add_done_callback(lambda _: work.close())  # it may die before the request begins
        self._requests.add(task)
        task.add_done_callback(self._requests.discard)

    def stop(self) -> None:
        """Let it stop in order."""
        self.stopped = True
        self.app.stopping.set()

    def ending(self) -> BaseException | None:
        """The error that has ended it; None if it runs, or if the test or the watchdog has ended it."""
        if not self.task.done() or self.task.cancelled() or self.identity.dead:
            return None
        error = self.task.exception()
        if isinstance(error, Unavailable) and "no progress" in str(error):
            return None
        return error
