"""Partitions that move: replicas that come and go, and a replica that pauses until its group expels it.

A paused process holds a batch of a partition that another replica has taken over. When it goes on, what it
sends is a duplicate, its commit is refused, and it drops the batch.
"""

from __future__ import annotations

import asyncio
import random
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM

from tests.faults import oracles
from tests.faults.cases.crashes import check_accounts
from tests.faults.fault import Fault
from tests.faults.flow import drain, labelling, send_at_pace, wait_until
from tests.faults.testbed import Figures, Testbed
from tests.support.processes import Server

__all__ = ["FAULTS", "each_has_one"]

BETWEEN_SECONDS = 2.0
SESSION_SECONDS = 2.0


async def replicas_come_and_go(testbed: Testbed) -> Figures:
    """A second replica starts and stops every two seconds while samples flow."""
    draw = random.Random(testbed.seed)  # noqa: S311 - how the replica ends
    world = await testbed.world(f"kafka.session_timeout_seconds={SESSION_SECONDS}")
    first = testbed.server(world, "first")
    await first.start()
    rounds, kills = (3, 0) if testbed.quick else (60, 0)
    flow = asyncio.create_task(send_at_pace(world, 0, rounds * 300, per_second=100))
    try:
        async with labelling(world):
            for _ in range(rounds):
                second = testbed.server(world, "second")
                await second.start()
                await asyncio.sleep(BETWEEN_SECONDS)
                how = draw.choice((SIGTERM, SIGKILL))
                code = await second.signal(how)
                kills += how == SIGKILL
                assert code == (0 if how == SIGTERM else -SIGKILL), second.tail()
                await oracles.check_offsets(world)
                await check_accounts(world)
                await asyncio.sleep(BETWEEN_SECONDS)
        ids = await flow
    finally:
        flow.cancel()
        await asyncio.gather(flow, return_exceptions=True)
    await drain(world, ids, [first])
    figures = await oracles.check_all(world, [first], torn=kills > 0)
    await check_accounts(world)
    return await oracles.tally(world, ids, rounds=rounds, kills=kills, **figures)


async def replica_paused(testbed: Testbed) -> Figures:
    """One of two replicas is paused for longer than its session while samples flow, and then goes on."""
    world = await testbed.world(f"kafka.session_timeout_seconds={SESSION_SECONDS}")
    a, b = testbed.server(world, "a"), testbed.server(world, "b")
    await asyncio.gather(a.start(), b.start())
    await wait_until(lambda: each_has_one(a, b), "each has a partition")
    pauses = 2 if testbed.quick else 20
    ids: set[str] = set()
    async with labelling(world):
        for _ in range(pauses):
            flow = asyncio.create_task(send_at_pace(world, len(ids), len(ids) + 300, per_second=100))
            await asyncio.sleep(1.5)
            a.send(SIGSTOP)
            await asyncio.sleep(2 * SESSION_SECONDS)
            a.send(SIGCONT)
            ids |= await flow
            await oracles.check_offsets(world)
            await check_accounts(world)
            await wait_until(lambda: each_has_one(a, b), "the paused replica is back in its group")
    await drain(world, ids, [a, b])
    figures = await oracles.check_all(world, [a, b])
    await check_accounts(world)
    dropped = a.said().count("batch dropped")
    return await oracles.tally(world, ids, pauses=pauses, kills=0, dropped=dropped, **figures)


async def each_has_one(a: Server, b: Server) -> bool:
    """Whether each replica has one partition of samples and one of labels."""
    for server in (a, b):
        assert server.code is None, server.tail()
    status = [await server.status() for server in (a, b)]
    return all(len(s[stage]["partitions"]) == 1 for s in status for stage in ("select", "intake"))


FAULTS = (
    Fault(
        "rebalance",
        "a rebalance during a batch: replicas come and go every 2 s",
        "a late commit by the former owner is refused, or its batch is dropped; the next owner goes on from "
        "the committed state",
        replicas_come_and_go,
    ),
    Fault(
        "zombie",
        "a replica is paused for longer than its session",
        "it only sends duplicates; its commit is refused, and it drops its batch",
        replica_paused,
    ),
)
