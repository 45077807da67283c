"""A consumer that hangs without an error: its polls never return, or never return records.

`/livez` fails, and then the watchdog ends the process with an exit code that is not zero. So whatever runs
the process starts it again. Nothing is lost, and the next process goes on.
"""

from __future__ import annotations

import asyncio

import httpx

from tests.faults import oracles
from tests.faults.fault import Fault
from tests.faults.flow import drain
from tests.faults.testbed import Figures, Testbed
from tests.support.processes import Server
from tests.support.replica import DEADLINE_SECONDS

__all__ = ["FAULTS"]

PROGRAM = ("-m", "tests.faults.failing_server")
WATCHDOG_SECONDS = 10


async def end_of(server: Server) -> int:
    """Wait until a hung process ends; its exit code. `/livez` must fail before."""
    failed = False
    async with asyncio.timeout(DEADLINE_SECONDS):
        while server.code is None:
            failed |= await server.probe("/livez", 1.0) == httpx.codes.SERVICE_UNAVAILABLE
            await asyncio.sleep(0.05)
    assert failed, f"the process ended before /livez failed:\n{server.tail()}"
    return server.code


async def consumer_hung(testbed: Testbed) -> Figures:
    """Each loop freezes and starves in turn. In the short form one loop freezes and the other starves."""
    world = await testbed.world("kafka.session_timeout_seconds=2")
    first = testbed.server(world, "first")
    await first.start()
    ids = {s["id"] for s in await world.samples(50)}
    await drain(world, ids, [first])
    await first.terminate()
    watchdog = f"limits.watchdog_seconds={WATCHDOG_SECONDS}"
    every = ["starve:select:5", "freeze:intake:5", "freeze:select:5", "starve:intake:1"]
    kinds = every[:2] if testbed.quick else every
    for how in kinds:
        server = testbed.server(world, how.replace(":", "-"), watchdog, program=(*PROGRAM, how))
        await server.launch()
        ids |= {s["id"] for s in await world.samples(200, start=len(ids))}
        await world.ask(f"{how}.q")
        await world.label(f"{how}.q")
        code = await end_of(server)
        assert code > 0, f"exit code {code} of a hung process:\n{server.tail()}"
        await oracles.check_offsets(world)
    last = testbed.server(world, "last")
    await last.start()
    await drain(world, ids, [last])
    figures = await oracles.check_all(world, [last])
    return await oracles.tally(world, ids, ended_by_watchdog=len(kinds), **figures)


FAULTS = (
    Fault(
        "hung",
        "a consumer hangs without an error",
        "`/livez` fails, and then the watchdog ends the process with an exit code that is not zero",
        consumer_hung,
    ),
)
