"""Virtual time: an event loop whose clock moves to the next timer when nothing is left to do.

A simulated hour of waiting takes no time, and nothing depends on how busy the machine is:

    asyncio's timers   the loop's own clock
    monotonic time     the same
    wall time          the same, plus the skew of the process that asks
    jitter             a generator with a seed
    time slices        over after every record, however long it takes, so that other tasks run in between
    threads            the work is done at once, in place; a process that was killed does none

A context variable says which process is running: every task inherits it from the one that started it.
"""

from __future__ import annotations

import asyncio
import random
import selectors
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import count
from typing import Any

from stream_al.service.timing.clock import Clock, Pace

__all__ = ["EPOCH", "PROCESS", "Identity", "VirtualClock", "VirtualLoop"]

EPOCH = 1_700_000_000
EVERY_RECORD = Pace(first_chunk_records=1, slice_seconds=0.0, slice_rounds=1)


@dataclass(slots=True)
class Identity:
    """A simulated process.

    Attributes:
        name: For the trace.
        skew: Seconds by which its clock is wrong.
        dead: Whether it was killed: nothing that it does reaches the world.
    """

    name: str
    skew: float = 0.0
    dead: bool = False


PROCESS: ContextVar[Identity] = ContextVar("PROCESS", default=Identity("world"))  # noqa: B039 - never changed


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(_Jump(self))

    def time(self) -> float:
        return self.now

    def run_in_executor(  # type: ignore[override]  # without threads, the result is there at once
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        future = self.create_future()
        if PROCESS.get().dead:
            future.cancel()
            return future
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - any error belongs to the caller
            future.set_exception(error)
        return future


class _Jump(selectors.SelectSelector):
    """A selector that moves the clock forward instead of waiting."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("everything waits, and nothing will ever happen")
        self._loop.now += max(0.0, timeout)
        return []


class VirtualClock(Clock):
    """The clock of one simulated process.

    Args:
        loop: Its time passes.
        identity: Whose clock it is, and how wrong it is.
        draw: Jitters the waits.
    """

    def __init__(self, loop: VirtualLoop, identity: Identity, draw: random.Random) -> None:
        super().__init__(EVERY_RECORD)
        self._loop = loop
        self._identity = identity
        self._draw = draw
        self._worked = count(step=1e-4)

    def wall(self) -> float:
        return EPOCH + self._loop.now + self._identity.skew

    def monotonic(self) -> float:
        return self._loop.now

    def thread_time(self) -> float:
        """Every piece of work takes a tenth of a millisecond."""
        return next(self._worked)

    def jittered(self, seconds: float) -> float:
        return seconds * self._draw.uniform(0.5, 1.0)
