"""`stream-al` with a timer in its event loop: `python -m tests.benchmarks.hostile.probed FILE serve ...`.

The timer measures three times, in seconds, and keeps them in a file that another process maps:

    held    the most processor time of one callback of the loop: what our own work takes from the other tasks
    late    how late, at most, a task runs that sleeps for 5 ms, without the time for which the kernel let
            other programs run: what the callbacks took, and a thread that keeps the interpreter
    http    the processor time of all callbacks together that serve HTTP: those of uvicorn's connections, and
            of the tasks that handle their requests

Whoever writes zeros into the file begins a new measurement. A callback that holds the loop for more than
`LONG_SECONDS` is named on standard error, how much of that was Python's search for cycles, and in which
functions it was while it took long.
"""

from __future__ import annotations

import asyncio
import gc
import mmap
import struct
import sys
import threading
from asyncio.events import Handle
from collections import Counter
from collections.abc import Coroutine
from pathlib import Path
from threading import get_native_id
from time import monotonic, sleep, thread_time
from traceback import extract_stack
from typing import Any

from stream_al.__main__ import main as command  # it limits the threads of matrix products

__all__ = ["FORM", "TICK_SECONDS"]

FORM = struct.Struct("ddd")
TICK_SECONDS = 0.005
LONG_SECONDS = 0.08
LOOK_SECONDS = 0.01
INNERMOST = 12  # functions of a stack that are named


class _Search:
    """How long Python searched for cycles.

    Attributes:
        seconds: That, since it was set to 0.
        among: Of the longest search since then: its generation, and of which classes most objects are now.
    """

    def __init__(self) -> None:
        self.seconds = self._began = 0.0
        self.among = ""

    def __call__(self, phase: str, about: dict[str, int]) -> None:
        if phase == "start":
            self._began = thread_time()
            return
        taken = thread_time() - self._began
        self.seconds += taken
        if taken > LONG_SECONDS:
            objects = gc.get_objects()
            classes = Counter(type(one).__name__ for one in objects).most_common(6)
            self.among = f"generation {about['generation']}, {len(objects)} objects {classes}"


class _Lookout(threading.Thread):
    """Looks at what the event loop's thread does while one callback takes long.

    Attributes:
        began: When the callback that runs now began, by the clock; None between two.
        seen: Where it was, at each look.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.began: float | None = None
        self.seen: list[str] = []
        self._watched = threading.get_ident()

    def run(self) -> None:
        while True:
            sleep(LOOK_SECONDS)
            began = self.began
            if began is not None and monotonic() - began > LONG_SECONDS / 4:
                stack = extract_stack(sys._current_frames()[self._watched])[-INNERMOST:]
                self.seen.append(
                    " > ".join(f"{Path(frame.filename).stem}.{frame.name}:{frame.lineno}" for frame in stack)
                )


def _tell(taken: float, handle: Handle, search: _Search, seen: list[str]) -> None:
    """Name a callback that took long, how much of it was the search, and where it was."""
    if taken > LONG_SECONDS:
        sys.stderr.write(f"held {taken:.3f} s, search for cycles {search.seconds:.3f} s: {handle!r:.300}\n")
        if search.among:
            sys.stderr.write(f"held by a search: {search.among}\n")
            search.among = ""
        for where in dict.fromkeys(seen):
            sys.stderr.write(f"held at {where}\n")


def _watch(shared: mmap.mmap) -> None:
    """Put the timers into every event loop of this process."""
    run_handle, run_loop = Handle._run, asyncio.run

    def note(place: int, seconds: float) -> None:
        largest = list(FORM.unpack_from(shared))
        if seconds > largest[place]:
            largest[place] = seconds
            FORM.pack_into(shared, 0, *largest)

    search, lookout = _Search(), _Lookout()
    lookout.start()

    def timed(handle: Handle) -> None:
        began, search.seconds, lookout.seen = thread_time(), 0.0, []
        lookout.began = monotonic()
        serves = _serves_http(handle)
        run_handle(handle)
        taken = thread_time() - began
        lookout.began = None
        note(0, taken)
        if serves:
            *others, before = FORM.unpack_from(shared)
            FORM.pack_into(shared, 0, *others, before + taken)
        _tell(taken, handle, search, lookout.seen)

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

    gc.callbacks.append(search)
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
