"""Workers: processes that compute beside this one, and end when it ends, however it ends.

They are spawned, not forked, because forking a process with threads is unsafe and does not exist on every
system. Each worker holds one end of a pipe, and this process holds the other. This process closes its end
when it gives up the work. The system closes it when this process dies, even of a signal that cannot be
caught. A worker ends at once when its pipe is closed. A terminal sends Ctrl-C to all processes: the workers
ignore it, and this process handles it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from threading import Thread
from types import FrameType
from typing import Any, TypeVar

__all__ = ["interruptible", "workers"]

T = TypeVar("T")

INTERRUPTS = (signal.SIGINT, signal.SIGTERM)

Submit = Callable[..., Future[T]]


@contextmanager
def workers(number: int, begin: Callable[..., None] | None = None, *arguments: Any) -> Iterator[Submit[Any]]:
    """Start workers as they are needed. Leaving the block ends them.

    Args:
        number: The most workers.
        begin: Called in each worker before anything else.
        arguments: The arguments of `begin`.

    Yields:
        `submit(function, *arguments)`, which calls a function in a worker.
    """
    # A spawned worker inherits only the end of the pipe that it is given.
    context = get_context("spawn")
    theirs, ours = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(number, context, _begin, (theirs, begin, arguments))

    def submit(function: Callable[..., T], *given: Any) -> Future[T]:
        with _uninterrupted():  # a worker that is interrupted while it starts would print a traceback
            return pool.submit(function, *given)

    try:
        yield submit
    finally:
        ours.close()
        pool.shutdown(wait=True, cancel_futures=True)
        theirs.close()


@contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the block with KeyboardInterrupt, and so the workers inside it.

    A shell starts a command in the background with SIGINT ignored, and Python then leaves it ignored.
    """
    with _handled(
        {
            signal.SIGINT: signal.default_int_handler,
            signal.SIGTERM: lambda *_: signal.raise_signal(signal.SIGINT),
        }
    ):
        yield


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Postpone interrupts to the end of the block. A process that is started inside ignores Ctrl-C."""
    came: list[int] = []
    try:
        with _handled(dict.fromkeys(INTERRUPTS, lambda number, _: came.append(number))):
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        for first in came[:1]:
            signal.raise_signal(first)


@contextmanager
def _handled(handlers: Mapping[signal.Signals, Callable[[int, FrameType | None], object]]) -> Iterator[None]:
    """Handle signals in the block in another way."""
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _begin(parent: Connection, begin: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    """Prepare a worker: let it end with the parent, and call `begin`."""

    def listen() -> None:
        with suppress(EOFError):
            parent.recv_bytes()
        os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=listen, daemon=True).start()
    if begin is not None:
        begin(*arguments)
