"""`stream-al serve`, sabotaged: `python -m tests.faults.crashing WHAT [--set SETTING]...`.

crash:LOOP:STEP:N   kill -9 to itself at the Nth passing of a step of the commit protocol
freeze:LOOP:N       from the Nth poll on, the loop's polls never return
starve:LOOP:N       from the Nth poll on, the loop's polls return nothing, whatever is there to read
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


def crasher(what: str) -> Callable[[str, str], None]:
    """Dies at a step; does nothing if no crash is asked for."""
    kind, *where = what.split(":")
    passed = Counter[tuple[str, str]]()

    def on_step(loop: str, step: str) -> None:
        passed[loop, step] += 1
        if kind == "crash" and [loop, step, str(passed[loop, step])] == where:
            os.kill(os.getpid(), signal.SIGKILL)

    return on_step


def wedge(consumer: Consumer, kind: str, after: int) -> None:
    """Let a loop's polls hang, or come back empty, as aiokafka's can."""
    group, polls = consumer.group, 0
    poll = group.poll

    async def wedged(max_records: int, timeout_seconds: float) -> dict[int, list[Record]]:
        nonlocal polls
        polls += 1
        if polls < after:
            return await poll(max_records, timeout_seconds)
        if kind == FREEZE:
            await asyncio.Event().wait()
        await asyncio.sleep(timeout_seconds)
        return {}

    group.poll = wedged  # type: ignore[method-assign]  # sabotage


async def run(settings: Settings, what: str) -> None:
    """Serve until the end that was asked for."""
    app = App(settings, Kafka(settings), on_step=crasher(what))
    kind, loop, *rest = what.split(":")
    if kind in (FREEZE, STARVE):
        wedge({"select": app.select, "intake": app.intake}[loop], kind, int(rest[0]))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, app.stopping.set)
    await serving(app)


def main() -> int:
    """Serve; the exit code, as `stream-al` has it."""
    what, *rest = sys.argv[1:]
    settings = load(overrides=rest[1::2], environ={})
    configure(settings)
    try:
        asyncio.run(run(settings, what))
    except StreamAlError as error:
        sys.stderr.write(f"stream-al: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
