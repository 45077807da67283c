"""Crashes at the named steps of the commit protocol: kill -9 by the process's own hand, at the Nth passing.

What is committed when the process dies is read from the broker; what the next process makes of it is
read from its decisions, which the twin replays: a lost or doubled account shows in the next thresholds,
and the number of arrivals that the account has counted is compared outright.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from signal import SIGKILL

from stream_al.service.broker.kafka import Kafka
from stream_al.service.engine_settings import selector
from tests.faults import oracles
from tests.faults.arena import Arena, Figures, answering, drain, wait_until
from tests.faults.fault import Fault
from tests.faults.server import Server
from tests.support.world import World

__all__ = ["FAULTS", "accounts"]

PROGRAM = ("-m", "tests.faults.crashing")
BATCH, SHARE = 20, 0.2
LOT, MOST = 10, 2000  # samples at a time, and in one life at most


async def accounts(world: World) -> dict[int, tuple[int, int]]:
    """The committed offset of each partition of samples, and the arrivals its committed account counts."""
    client, topics = world.client, world.topics
    assert isinstance(client, Kafka)
    group = f"{world.settings.application}.select"
    found = await client.connection.committed(group, topics.samples, range(topics.partitions))
    engine = selector(world.settings)
    counted: dict[int, tuple[int, int]] = {}
    for partition, position in found.items():
        state = engine.decode(position.metadata)
        assert state is not None, f"partition {partition} has no account at {position.offset}"
        counted[partition] = position.offset, state.account.arrivals
    return counted


async def whole(world: World) -> None:
    """An account counts every sample before its offset exactly once."""
    for partition, (offset, arrivals) in (await accounts(world)).items():
        assert offset == arrivals, f"partition {partition}: {arrivals} arrivals counted up to offset {offset}"


async def crashes(arena: Arena, points: Iterable[tuple[str, str]]) -> tuple[World, Server, set[str], int]:
    """Let processes die at these steps one after the other, and a last one come to rest."""
    draw = random.Random(arena.seed)  # noqa: S311 - where to crash
    world, ids, kills = await arena.world("kafka.session_timeout_seconds=2"), set[str](), 0
    for loop, step in points:
        what = f"crash:{loop}:{step}:{draw.randint(2, 5)}"
        server = arena.server(world, "crashing", program=(*PROGRAM, what))
        await server.launch()
        async with answering(world):
            ids |= await feed(world, server, len(ids))
        assert server.code == -SIGKILL, server.tail()
        kills += 1
        await oracles.o2(world)
        await whole(world)
    last = arena.server(world, "last")
    await last.start()
    ids |= {s["id"] for s in await world.samples(100, start=len(ids))}
    await drain(world, ids, [last])
    return world, last, ids, kills


async def feed(world: World, server: Server, start: int) -> set[str]:
    """Send samples until a process has ended; their ids."""
    ids: set[str] = set()

    async def over() -> bool:
        if server.code is None and len(ids) < MOST:
            ids.update(s["id"] for s in await world.samples(LOT, start=start + len(ids)))
        return server.code is not None

    await wait_until(over, "the process dies")
    return ids


async def between_send_and_commit(arena: Arena) -> Figures:
    """Decided, sent, acknowledged: and gone before the commit."""
    rounds = 1 if arena.quick else 12
    points = [(loop, "acknowledged") for _ in range(rounds) for loop in ("select", "intake")]
    world, last, ids, kills = await crashes(arena, points)
    figures = await oracles.all_five(world, [last])
    await wait_until(lambda: _committed(world, len(ids)), "all is committed")
    await whole(world)
    asked = {q["id"] for q in await world.queries()}
    most = len(ids) * SHARE + world.topics.partitions + rounds * BATCH
    assert len(asked) <= most, f"overspent: {len(asked)} queries, at most {most:g}"
    assert {e["id"] for e in await world.examples()} == asked
    return await oracles.tally(world, ids, kills=kills, **figures)


async def between_commit_and_apply(arena: Arena) -> Figures:
    """Committed, and gone before the new state was in force."""
    rounds = 1 if arena.quick else 12
    points = [(loop, "committed") for _ in range(rounds) for loop in ("select", "intake")]
    world, last, ids, kills = await crashes(arena, points)
    figures = await oracles.all_five(world, [last])
    await wait_until(lambda: _committed(world, len(ids)), "all is committed")
    await whole(world)
    made = await oracles.tally(world, ids, kills=kills, **figures)
    spent, strata = int(made["queries"]), len(ids) * SHARE
    assert abs(spent - strata) <= world.topics.partitions, f"{spent} queries for a budget of {strata:g}"
    return made


async def _committed(world: World, samples: int) -> bool:
    return sum(offset for offset, _ in (await accounts(world)).values()) == samples


FAULTS = (
    Fault(
        "crash-before-commit",
        "crash between send and commit",
        "a query may repeat under the same key, none is lost, the budget is overspent by one batch at most",
        between_send_and_commit,
    ),
    Fault(
        "crash-after-commit",
        "crash between commit and apply",
        "threshold and budget come back from the commit's metadata",
        between_commit_and_apply,
    ),
)
