"""Crashes at a step of the commit protocol: the process kills itself when it reaches the step the Nth time.

Two things are checked after each crash. The account that is committed must have counted every sample before
its offset once. The decisions of the next process must be those that the replay makes: an account that was
lost or counted twice would change the next thresholds.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from signal import SIGKILL

from stream_al.service.engine_settings import selector
from tests.faults import oracles
from tests.faults.admin import committed_samples
from tests.faults.fault import Fault
from tests.faults.flow import drain, labelling, wait_until
from tests.faults.testbed import Figures, Testbed
from tests.support.processes import Server
from tests.support.world import World

__all__ = ["FAULTS", "check_accounts"]

PROGRAM = ("-m", "tests.faults.failing_server")
BATCH, SHARE = 20, 0.2
DRAIN_SECONDS = 300.0  # in full length, tens of thousands of samples are left for the last process
AT_ONCE, MOST = 10, 2000  # samples sent at once, and sent to one process at most


async def accounts(world: World) -> dict[int, tuple[int, int]]:
    """Of each partition of samples: the committed offset, and the arrivals that its account has counted."""
    engine = selector(world.settings)
    counted: dict[int, tuple[int, int]] = {}
    for partition, position in (await committed_samples(world)).items():
        state = engine.decode(position.metadata)
        assert state is not None, f"partition {partition} has no account at {position.offset}"
        counted[partition] = position.offset, state.account.arrivals
    return counted


async def check_accounts(world: World) -> None:
    """Every account has counted each sample before its offset exactly once."""
    for partition, (offset, arrivals) in (await accounts(world)).items():
        assert offset == arrivals, f"partition {partition}: {arrivals} arrivals counted up to offset {offset}"


async def crashes(testbed: Testbed, points: Iterable[tuple[str, str]]) -> tuple[World, Server, set[str], int]:
    """Let one process after the other crash at these steps, and a last one finish the work."""
    draw = random.Random(testbed.seed)  # noqa: S311 - when to crash
    world, ids, kills = await testbed.world("kafka.session_timeout_seconds=2"), set[str](), 0
    for loop, step in points:
        how = f"crash:{loop}:{step}:{draw.randint(2, 5)}"
        server = testbed.server(world, "crashing", program=(*PROGRAM, how))
        await server.launch()
        async with labelling(world):
            ids |= await feed(world, server, len(ids))
        assert server.code == -SIGKILL, server.tail()
        kills += 1
        await oracles.check_offsets(world)
        await check_accounts(world)
    last = testbed.server(world, "last")
    await last.start()
    ids |= {s["id"] for s in await world.samples(100, start=len(ids))}
    await drain(world, ids, [last], DRAIN_SECONDS)
    return world, last, ids, kills


async def feed(world: World, server: Server, start: int) -> set[str]:
    """Send samples until a process has ended; their ids."""
    ids: set[str] = set()

    async def over() -> bool:
        if server.code is None and len(ids) < MOST:
            ids.update(s["id"] for s in await world.samples(AT_ONCE, start=start + len(ids)))
        return server.code is not None

    await wait_until(over, "the process dies")
    return ids


async def between_send_and_commit(testbed: Testbed) -> Figures:
    """The process dies after the broker has acknowledged its records, and before its commit."""
    rounds = 1 if testbed.quick else 12
    points = [(loop, "acknowledged") for _ in range(rounds) for loop in ("select", "intake")]
    world, last, ids, kills = await crashes(testbed, points)
    figures = await oracles.check_all(world, [last])
    await wait_until(lambda: oracles.has_committed(world, len(ids)), "all is committed")
    await check_accounts(world)
    asked = {q["id"] for q in await world.queries()}
    most = len(ids) * SHARE + world.topics.partitions + rounds * BATCH
    assert len(asked) <= most, f"{len(asked)} queries, and the budget allows {most:g}"
    assert {e["id"] for e in await world.examples()} == asked
    return await oracles.tally(world, ids, kills=kills, **figures)


async def between_commit_and_apply(testbed: Testbed) -> Figures:
    """The process dies after its commit, and before it applies the new state.

    After a commit of the decisions the budget holds exactly. A commit of labels may come while queries are
    sent, and then that batch is decided again, as after a crash before its commit.
    """
    rounds = 1 if testbed.quick else 12
    batch = BATCH * SHARE + 1  # queries of a batch, at most
    made: Figures = {}
    for loop, again in (("select", 0.0), ("intake", batch)):
        world, last, ids, kills = await crashes(testbed, [(loop, "committed")] * rounds)
        figures = await oracles.check_all(world, [last])
        await wait_until(lambda: oracles.has_committed(world, len(ids)), "all is committed")  # noqa: B023 - at once
        await check_accounts(world)
        found = await oracles.tally(world, ids, kills=kills, **figures)
        spent, strata = int(found["queries"]), len(ids) * SHARE
        least, most = strata - world.topics.partitions, strata + world.topics.partitions + rounds * again
        assert least <= spent <= most, f"{loop}: {spent} queries, and the budget is {strata:g}"
        made |= {f"{name} ({loop})": value for name, value in found.items()}
    return made


FAULTS = (
    Fault(
        "crash-before-commit",
        "a crash between send and commit",
        "a query may be sent again under the same key; no query is lost; the budget is exceeded by one "
        "batch at most",
        between_send_and_commit,
    ),
    Fault(
        "crash-after-commit",
        "a crash between commit and apply",
        "the threshold and the spent budget are read back from the metadata of the commit",
        between_commit_and_apply,
    ),
)
