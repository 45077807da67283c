"""A `stream-al serve` that fails on purpose: `python -m tests.faults.failing_server HOW [--set SETTING]...`.

crash:LOOP:STEP:N   it kills itself (SIGKILL) when it reaches a step of the commit protocol for the Nth time
freeze:LOOP:N       from the Nth poll on, the polls of the loop never return
starve:LOOP:N       from the Nth poll on, the polls of the loop return no records, though there are some
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable

from stream_al.errors import StreamAlError
from stream_al.logs import configure
from stream_al.service.app import App
from stream_al.service.broker.kafka import Kafka
from stream_al.service.broker.protocols import Record
from stream_al.service.loops.consumer import Consumer
from stream_al.service.serve import serving
from stream_al.settings import Settings, load

FREEZE, STARVE = "freeze", "starve"


def crash_hook(how: str) -> Callable[[str, str], None]:
    """A hook that kills the process at a step. Without a crash in `how` it does nothing."""
    kind, *where = how.split(":")
    reached = Counter[tuple[str, str]]()

    def on_step(loop: str, step: str) -> None:
        reached[loop, step] += 1
        if kind == "crash" and [loop, step, str(reached[loop, step])] == where:
            os.kill(os.getpid(), signal.SIGKILL)

    return on_step


def hang(consumer: Consumer, kind: str, after: int) -> None:
    """Let the polls of a loop hang or return nothing, as those of aiokafka may."""
    group, polls = consumer.group, 0
    poll = group.poll

    async def hung(max_records: int, timeout_seconds: float) -> dict[int, list[Record]]:
        nonlocal polls
        polls += 1
        if polls < after:
            return await poll(max_records, timeout_seconds)
        if kind == FREEZE:
            await asyncio.Event().wait()
        await asyncio.sleep(timeout_seconds)
        return {}

    group.poll = hung  # type: ignore[method-assign]  # the fault


async def run(settings: Settings, how: str) -> None:
    """Serve, and fail as `how` says."""
    app = App(settings, Kafka(settings), on_step=crash_hook(how))
    kind, loop, *rest = how.split(":")
    if kind in (FREEZE, STARVE):
        hang({"select": app.select, "intake": app.intake}[loop], kind, int(rest[0]))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, app.stopping.set)
    await serving(app)


def main() -> int:
    """Serve; the exit code that `stream-al` would have."""
    how, *rest = sys.argv[1:]
    settings = load(overrides=rest[1::2], environ={})
    configure(settings)
    try:
        asyncio.run(run(settings, how))
    except StreamAlError as error:
        sys.stderr.write(f"stream-al: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
