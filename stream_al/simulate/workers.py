"""Workers: processes that compute beside this one, and end when it ends, however it does.

They are spawned, not forked: a copy of a process with threads is unsafe, and some systems have nothing else.
Each holds one end of a pipe whose other end is here. It is closed when the work is given up, and by the
system when this process dies, of a signal that nobody can catch too; a worker that sees it closed ends at
once. Of Ctrl-C, which a terminal sends to all of them, this process alone makes something.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from threading import Thread
from typing import Any, TypeVar

__all__ = ["workers"]

T = TypeVar("T")

INTERRUPTS = (signal.SIGINT, signal.SIGTERM)

Submit = Callable[..., Future[T]]


@contextmanager
def workers(number: int, begin: Callable[..., None] | None = None, *arguments: Any) -> Iterator[Submit[Any]]:
    """Start workers as they are needed; leaving the block ends them.

    Args:
        number: How many at most.
        begin: Called in each before anything else,
        arguments: with these.

    Yields:
        What has a function called in one of them: `submit(function, *arguments)`.
    """
    # Children of this method inherit no end of the pipe but the one that they are given.
    context = get_context("spawn")
    theirs, ours = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(number, context, _begin, (theirs, begin, arguments))

    def submit(function: Callable[..., T], *given: Any) -> Future[T]:
        with _undisturbed():  # a worker that is cut off while it starts would print a traceback
            return pool.submit(function, *given)

    try:
        yield submit
    finally:
        ours.close()
        pool.shutdown(wait=True, cancel_futures=True)
        theirs.close()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let whoever interrupts wait; what is started in here begins deaf to Ctrl-C."""
    came: list[int] = []
    before = {n: signal.signal(n, lambda number, _: came.append(number)) for n in INTERRUPTS}
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        for first in came[:1]:
            signal.raise_signal(first)


def _begin(parent: Connection, begin: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    """In a worker: end with the parent, and begin."""

    def listen() -> None:
        with suppress(EOFError):
            parent.recv_bytes()
        os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=listen, daemon=True).start()
    if begin is not None:
        begin(*arguments)
