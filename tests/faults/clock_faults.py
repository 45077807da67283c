"""Clocks and hash seeds that differ: two replicas, one of them a day ahead, each with a hash seed of its own.

Queries live an hour here, so a replica that decided anything by its own clock would expire the other's.
Features are text and numbers, for it is text that Python hashes differently in every process.
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

from tests.faults import oracles
from tests.faults.arena import Arena, Figures, answering, drain, wait_until
from tests.faults.fault import Fault
from tests.faults.group_faults import each_has_one
from tests.support.world import World

__all__ = ["FAULTS"]

LIBRARIES = ("/usr/lib", "/usr/lib64", "/usr/local/lib")
UNANSWERED_SECONDS = 4.0  # long enough for expired queries to be closed
COLOURS = ("red", "green", "blue", "grey", "pink", "teal")


def faketime() -> str:
    """Where the library is that lies about the time."""
    for root in LIBRARIES:
        for found in sorted(Path(root).glob("**/faketime/libfaketime.so.1")):
            return str(found)
    raise AssertionError("this fault needs libfaketime: apt-get install faketime")


def sample(number: int, seed: int) -> dict[str, Any]:
    """A sample with text in it."""
    draw = random.Random(f"{seed}-{number}")  # noqa: S311 - a test's stream
    features = {"x": draw.random(), "colour": draw.choice(COLOURS), "shape": draw.choice(COLOURS)}
    return {"id": f"s{number}", "features": features}


async def skewed(arena: Arena) -> Figures:
    """Both decide, one of them tomorrow; equal models, and the twin's decisions."""
    world = await arena.world(
        "queries.life_hours=1",
        "model.definition=(SelectType(str) | OneHotEncoder()) + (SelectType(float) | StandardScaler())"
        " | LogisticRegression()",
    )
    ahead = {"LD_PRELOAD": faketime(), "FAKETIME": "+1d", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    a = arena.server(world, "today", env={"PYTHONHASHSEED": "1"})
    b = arena.server(world, "tomorrow", env={"PYTHONHASHSEED": "2", **ahead})
    await asyncio.gather(a.start(), b.start())
    await wait_until(lambda: each_has_one(a, b), "each has a partition")
    number, lot = (600, 50) if arena.quick else (20_000, 200)
    ids: set[str] = set()

    async def play(end: int) -> None:
        while len(ids) < end:
            lots = [sample(n, arena.seed) for n in range(len(ids), len(ids) + lot)]
            await world.send(world.topics.samples, lots)
            ids.update(s["id"] for s in lots)
            await asyncio.sleep(0.3)

    async with answering(world):
        await play(number // 2)
    await drain(world, ids, [a, b], 600)
    await a.terminate()  # only tomorrow's is left to close what it thinks is over
    await play(number // 2 + lot)
    await wait_until(lambda: _decided(world, ids), "all is decided")
    await asyncio.sleep(UNANSWERED_SECONDS)
    await a.start()
    async with answering(world):
        await play(number)
    await drain(world, ids, [a, b], 600)
    figures = await oracles.all_five(world, [a, b])
    days = {q["queried_at"][:10] for q in await world.queries()}
    assert len(days) > 1, "no replica was a day off: nothing was tried"
    expired = await a.metric("expired_queries_total") + await b.metric("expired_queries_total")
    assert expired == 0, f"{expired:g} queries expired by a clock"
    return await oracles.tally(world, ids, replicas=2, skew_hours=24, expired=int(expired), **figures)


async def _decided(world: World, ids: set[str]) -> bool:
    return await world.decided() >= ids


FAULTS = (
    Fault("clock-skew", "clock a day off, other hash seed", "no decision and no model changes", skewed),
)
