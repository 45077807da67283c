"""Virtual time: an event loop whose clock jumps to the next timer when nothing is left to do.

A simulated hour of waiting takes no time, and nothing depends on how busy the machine is. All that the
service knows of time and chance is replaced for the while:

    asyncio's timers        the loop's own clock
    time.monotonic          the same
    time.time               the same, plus the skew of the process that asks
    the jitter of backoffs  a generator with a seed
    turns                   over after every record, however long it takes: all that can come between does
    threads                 the work is done at once, in place; a process that was killed does none

Which process asks, is a context variable: every task inherits it from the one that started it.
"""

from __future__ import annotations

import asyncio
import random
import selectors
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from itertools import count
from typing import Any
from unittest.mock import patch

from stream_al.service.model import snapshots
from stream_al.service.telemetry import metrics
from stream_al.service.timing import backoff, time_slices

__all__ = ["EPOCH", "PROCESS", "Identity", "VirtualLoop", "virtual_time"]

EPOCH = 1_700_000_000


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

    def run_in_executor(  # type: ignore[override]  # without threads, the answer is there at once
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        future = self.create_future()
        if PROCESS.get().dead:
            future.cancel()
            return future
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the caller's
            future.set_exception(error)
        return future


class _Jump(selectors.SelectSelector):
    """Instead of waiting for the world, lets the time pass."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("everything waits, and nothing will ever happen")
        self._loop.now += max(0.0, timeout)
        return []


@contextmanager
def virtual_time(loop: VirtualLoop, draw: random.Random) -> Iterator[None]:
    """Let the service live by a loop's clock, and jitter by a generator."""

    def wall() -> float:
        return EPOCH + loop.now + PROCESS.get().skew

    with ExitStack() as patches:
        patches.enter_context(patch.object(backoff, "random", draw))
        short = (("SECONDS", 0.0), ("FIRST", 1), ("ROUNDS", 1), ("thread_time", count(step=1e-4).__next__))
        for name, value in short:
            patches.enter_context(patch.object(time_slices, name, value))
        for module in (metrics, snapshots):  # the file system is slow to say, and says the same every time
            patches.enter_context(patch.object(module, "version", cache(version)))
        for name, module in list(sys.modules.items()):
            if name.startswith("stream_al.service"):
                for clock, virtual in (("monotonic", loop.time), ("time", wall)):
                    if getattr(module, clock, None) is getattr(time, clock):
                        patches.enter_context(patch.object(module, clock, virtual))
        yield
