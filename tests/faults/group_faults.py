"""Partitions that move: replicas that come and go, and one that sleeps through its own expulsion.

A sleeping process holds a batch in hand that is no longer its own. What it does after waking up is
late: its sends are duplicates, its commit is refused and its batch is dropped.
"""

from __future__ import annotations

import asyncio
import random
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM

from tests.faults import oracles
from tests.faults.arena import Arena, Figures, answering, drain, trickle, wait_until
from tests.faults.crash_faults import whole
from tests.faults.fault import Fault
from tests.faults.server import Server

__all__ = ["FAULTS", "each_has_one"]

COMING_SECONDS = 2.0
SESSION_SECONDS = 2.0


async def coming_and_going(arena: Arena) -> Figures:
    """A second replica starts and stops every two seconds, while the stream flows."""
    draw = random.Random(arena.seed)  # noqa: S311 - how the replica goes
    world = await arena.world(f"kafka.session_timeout_seconds={SESSION_SECONDS}")
    stays = arena.server(world, "stays")
    await stays.start()
    rounds, kills = (3, 0) if arena.quick else (60, 0)
    flow = asyncio.create_task(trickle(world, 0, rounds * 300, per_second=100))
    try:
        async with answering(world):
            for _ in range(rounds):
                comes = arena.server(world, "comes")
                await comes.start()
                await asyncio.sleep(COMING_SECONDS)
                goes = draw.choice((SIGTERM, SIGKILL))
                code = await comes.signal(goes)
                kills += goes == SIGKILL
                assert code == (0 if goes == SIGTERM else -SIGKILL), comes.tail()
                await oracles.o2(world)
                await whole(world)
                await asyncio.sleep(COMING_SECONDS)
        ids = await flow
    finally:
        flow.cancel()
        await asyncio.gather(flow, return_exceptions=True)
    await drain(world, ids, [stays])
    figures = await oracles.all_five(world, [stays], torn=kills > 0)
    await whole(world)
    return await oracles.tally(world, ids, rounds=rounds, kills=kills, **figures)


async def zombie(arena: Arena) -> Figures:
    """One of two replicas is paused in midstream for longer than its session, and wakes up again."""
    world = await arena.world(f"kafka.session_timeout_seconds={SESSION_SECONDS}")
    a, b = arena.server(world, "a"), arena.server(world, "b")
    await asyncio.gather(a.start(), b.start())
    await wait_until(lambda: each_has_one(a, b), "each has a partition")
    pauses = 2 if arena.quick else 20
    ids: set[str] = set()
    async with answering(world):
        for _ in range(pauses):
            flow = asyncio.create_task(trickle(world, len(ids), len(ids) + 300, per_second=100))
            await asyncio.sleep(1.5)
            a.send(SIGSTOP)
            await asyncio.sleep(2 * SESSION_SECONDS)
            a.send(SIGCONT)
            ids |= await flow
            await oracles.o2(world)
            await whole(world)
            await wait_until(lambda: each_has_one(a, b), "the zombie is taken back")
    await drain(world, ids, [a, b])
    figures = await oracles.all_five(world, [a, b])
    await whole(world)
    dropped = a.said().count("batch dropped")
    return await oracles.tally(world, ids, pauses=pauses, kills=0, dropped=dropped, **figures)


async def each_has_one(a: Server, b: Server) -> bool:
    """Whether two replicas share both topics."""
    for server in (a, b):
        assert server.code is None, server.tail()
    status = [await server.status() for server in (a, b)]
    return all(len(s[stage]["partitions"]) == 1 for s in status for stage in ("select", "intake"))


FAULTS = (
    Fault(
        "rebalance",
        "rebalance in mid-batch, replicas coming and going every 2 s",
        "a stale commit is refused or dropped; the next owner goes on from the committed state",
        coming_and_going,
    ),
    Fault(
        "zombie",
        "a replica paused for longer than its session",
        "only duplicates; its commit is refused, its batch dropped",
        zombie,
    ),
)
