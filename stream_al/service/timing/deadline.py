"""A deadline: one amount of time, shared by everything that has to be done within it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import TypeVar

from stream_al.errors import Unavailable
from stream_al.service.timing.clock import Clock

__all__ = ["Deadline", "run_in_thread", "within"]

T = TypeVar("T")


class Deadline:
    """Counts down from the moment at which it is made.

    Args:
        seconds: How long everything together may take.
        clock: Measures it.
    """

    def __init__(self, seconds: float, clock: Clock) -> None:
        self._clock = clock
        self._end = clock.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds left, never below zero."""
        return max(0.0, self._end - self._clock.monotonic())


async def within(seconds: float, what: str, waiting: Awaitable[T]) -> T:
    """Wait for something, at most so many seconds.

    Args:
        seconds: Longest wait.
        what: What is waited for, for the text of the error.
        waiting: The thing itself.

    Raises:
        Unavailable: It took longer. It may still happen afterwards.
    """
    try:
        # In Python 3.11, wait_for loses a cancellation that comes together with the result.
        async with asyncio.timeout(seconds):
            return await waiting
    except TimeoutError:
        raise Unavailable(f"{what} took longer than {seconds:g} s") from None


def run_in_thread(action: Callable[[], T]) -> asyncio.Future[T]:
    """Do what blocks in a thread of its own, which nobody has to wait for.

    The thread is a daemon. So a thread that hangs does not delay the end of the process, as a thread of
    `asyncio.to_thread` does.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def finish(set_outcome: Callable[[], None]) -> None:
        if not done.done():  # it was given up meanwhile
            set_outcome()

    def work() -> None:
        try:
            result = action()
        except Exception as error:  # noqa: BLE001 - any error belongs to the caller
            set_outcome = partial(done.set_exception, error)
        else:
            set_outcome = partial(done.set_result, result)
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(finish, set_outcome)

    Thread(target=work, name="run_in_thread", daemon=True).start()
    return done
