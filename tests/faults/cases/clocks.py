"""Two replicas whose clocks and hash seeds differ. One clock is a day ahead.

A query lives for an hour here. So a replica that decided by its own clock would expire the queries of the
other. Some features are text, because Python's hash of a text differs between processes.
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

from tests.faults import oracles
from tests.faults.cases.rebalances import each_has_one
from tests.faults.fault import Fault
from tests.faults.flow import drain, has_decided, labelling, wait_until
from tests.faults.testbed import Figures, Testbed

__all__ = ["FAULTS"]

LIBRARIES = (Path("/usr/lib"), Path("/usr/lib64"), Path("/usr/local/lib"))
UNLABELLED_SECONDS = 4.0  # in which a replica would close expired queries
COLOURS = ("red", "green", "blue", "grey", "pink", "teal")


def faketime() -> Path | None:
    """libfaketime, the library that changes the time of a process, if it is installed."""
    places = (place for root in LIBRARIES for place in (root, *sorted(root.glob("*-linux-*"))))
    found = (place / "faketime" / "libfaketime.so.1" for place in places)
    return next((path for path in found if path.exists()), None)


def missing() -> str | None:
    return None if faketime() else "libfaketime, which the Debian package faketime brings"


def sample(number: int, seed: int) -> dict[str, Any]:
    """A sample with features of text."""
    draw = random.Random(f"{seed}-{number}")  # noqa: S311 - a test's stream
    features = {"x": draw.random(), "colour": draw.choice(COLOURS), "shape": draw.choice(COLOURS)}
    return {"id": f"s{number}", "features": features}


async def clock_skewed(testbed: Testbed) -> Figures:
    """Both replicas decide, one of them with the time of tomorrow. Their models and decisions stay right."""
    library = faketime()
    assert library is not None, missing()
    world = await testbed.world(
        "queries.life_hours=1",
        "model.definition=(SelectType(str) | OneHotEncoder()) + (SelectType(float) | StandardScaler())"
        " | LogisticRegression()",
    )
    ahead = {"LD_PRELOAD": str(library), "FAKETIME": "+1d", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    a = testbed.server(world, "today", env={"PYTHONHASHSEED": "1"})
    b = testbed.server(world, "tomorrow", env={"PYTHONHASHSEED": "2", **ahead})
    await asyncio.gather(a.start(), b.start())
    await wait_until(lambda: each_has_one(a, b), "each has a partition")
    number, at_once = (600, 50) if testbed.quick else (20_000, 200)
    ids: set[str] = set()

    async def send(end: int) -> None:
        while len(ids) < end:
            made = [sample(n, testbed.seed) for n in range(len(ids), len(ids) + at_once)]
            await world.send(world.topics.samples, made)
            ids.update(s["id"] for s in made)
            await asyncio.sleep(0.3)

    async with labelling(world):
        await send(number // 2)
    await drain(world, ids, [a, b], 600)
    await a.terminate()  # only the replica with tomorrow's time is left
    await send(number // 2 + at_once)
    await wait_until(lambda: has_decided(world, ids), "all is decided")
    await asyncio.sleep(UNLABELLED_SECONDS)
    await a.start()
    async with labelling(world):
        await send(number)
    await drain(world, ids, [a, b], 600)
    figures = await oracles.check_all(world, [a, b])
    days = {q["queried_at"][:10] for q in await world.queries()}
    assert len(days) > 1, "every query has the same date, so no clock was a day ahead"
    expired = await a.metric("expired_queries_total") + await b.metric("expired_queries_total")
    assert expired == 0, f"{expired:g} queries expired because of a clock"
    return await oracles.tally(world, ids, replicas=2, skew_hours=24, expired=int(expired), **figures)


FAULTS = (
    Fault(
        "clock-skew",
        "a clock is a day ahead, and the hash seed differs",
        "no decision and no model changes",
        clock_skewed,
        missing=missing,
    ),
)
