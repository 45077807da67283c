"""A consumer that hangs without an error: polls that never return, or come back empty for ever.

The watchdog ends the process with a code that is not zero, so that whoever runs it starts it again, and
`/livez` has failed by then. Nothing was lost by that: the next process goes on.
"""

from __future__ import annotations

import asyncio

import httpx

from tests.faults import oracles
from tests.faults.arena import Arena, Figures, drain
from tests.faults.fault import Fault
from tests.faults.server import Server

__all__ = ["FAULTS"]

PROGRAM = ("-m", "tests.faults.crashing")
WATCHDOG_SECONDS = 10


async def end_of(server: Server) -> int:
    """Wait until a wedged process ends; its exit code. `/livez` has to fail before."""
    failed = False
    async with asyncio.timeout(60):
        while server.code is None:
            failed |= await server.probe("/livez", 1.0) == httpx.codes.SERVICE_UNAVAILABLE
            await asyncio.sleep(0.05)
    assert failed, f"ended before /livez had failed:\n{server.tail()}"
    return server.code


async def wedged(arena: Arena) -> Figures:
    """Each loop in turn freezes or starves; shortened, one of them does each."""
    world = await arena.world("kafka.session_timeout_seconds=2")
    first = arena.server(world, "first")
    await first.start()
    ids = {s["id"] for s in await world.samples(50)}
    await drain(world, ids, [first])
    await first.terminate()
    impatient = f"limits.watchdog_seconds={WATCHDOG_SECONDS}"
    every = ["starve:select:5", "freeze:intake:5", "freeze:select:5", "starve:intake:1"]
    kinds = every[:2] if arena.quick else every
    for what in kinds:
        server = arena.server(world, what.replace(":", "-"), impatient, program=(*PROGRAM, what))
        await server.launch()
        ids |= {s["id"] for s in await world.samples(200, start=len(ids))}
        await world.ask(f"{what}.q")
        await world.label(f"{what}.q")
        code = await end_of(server)
        assert code > 0, f"exit code {code} of a wedged process:\n{server.tail()}"
        await oracles.o2(world)
    last = arena.server(world, "last")
    await last.start()
    await drain(world, ids, [last])
    figures = await oracles.all_five(world, [last])
    return await oracles.tally(world, ids, ended_by_watchdog=len(kinds), **figures)


FAULTS = (
    Fault(
        "wedged",
        "a consumer that hangs without an error",
        "the watchdog ends the process with a code that is not zero, and `/livez` has failed before",
        wedged,
    ),
)
