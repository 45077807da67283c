"""`stream-al` with a timer in its event loop: `python -m tests.benchmarks.hostile.probed FILE serve ...`.

The timer measures three times, in seconds, and keeps them in a file that another process maps:

    held    the most processor time of one callback of the loop: what our own work takes from the other tasks
    late    how late, at most, a task runs that sleeps for 5 ms, without the time for which the kernel let
            other programs run: what the callbacks took, and a thread that keeps the interpreter
    http    the processor time of all callbacks together that serve HTTP: those of uvicorn's connections, and
            of the tasks that handle their requests

Whoever writes zeros into the file begins a new measurement.
"""

from __future__ import annotations

import asyncio
import mmap
import struct
import sys
from asyncio.events import Handle
from collections.abc import Coroutine
from pathlib import Path
from threading import get_native_id
from time import monotonic, thread_time
from typing import Any

from stream_al.cli import main as command

__all__ = ["FORM", "TICK_SECONDS"]

FORM = struct.Struct("ddd")
TICK_SECONDS = 0.005


def _watch(shared: mmap.mmap) -> None:
    """Put the timers into every event loop of this process."""
    run_handle, run_loop = Handle._run, asyncio.run

    def note(place: int, seconds: float) -> None:
        largest = list(FORM.unpack_from(shared))
        if seconds > largest[place]:
            largest[place] = seconds
            FORM.pack_into(shared, 0, *largest)

    def timed(handle: Handle) -> None:
        began = thread_time()
        serves = _serves_http(handle)
        run_handle(handle)
        taken = thread_time() - began
        note(0, taken)
        if serves:
            *others, before = FORM.unpack_from(shared)
            FORM.pack_into(shared, 0, *others, before + taken)

    async def tick() -> None:
        statistics = Path(f"/proc/self/task/{get_native_id()}/schedstat")

        def waited() -> float:
            return int(statistics.read_text().split()[1]) / 1e9

        while True:
            due, before = monotonic() + TICK_SECONDS, waited()
            await asyncio.sleep(TICK_SECONDS)
            if monotonic() - due > TICK_SECONDS:
                note(1, monotonic() - due - (waited() - before))

    async def ticking(main: Coroutine[Any, Any, Any]) -> Any:
        ticker = asyncio.create_task(tick())
        try:
            return await main
        finally:
            ticker.cancel()

    setattr(Handle, "_run", timed)  # noqa: B010 - there is no other hook for one callback
    asyncio.run = lambda main, **more: run_loop(ticking(main), **more)


def _serves_http(handle: Handle) -> bool:
    """Whether a callback is one of a connection of uvicorn, or of a task that handles a request."""
    owner = getattr(getattr(handle, "_callback", None), "__self__", None)
    if isinstance(owner, asyncio.Task):
        return "run_asgi" in getattr(owner.get_coro(), "__qualname__", "")
    protocol = owner.get_protocol() if isinstance(owner, asyncio.Transport) else owner
    return type(protocol).__module__.startswith("uvicorn.protocols")


def main() -> None:
    """Run the command line of `stream-al` after the name of the file."""
    with Path(sys.argv.pop(1)).open("r+b") as file:
        _watch(mmap.mmap(file.fileno(), FORM.size))
    command()


if __name__ == "__main__":
    main()
