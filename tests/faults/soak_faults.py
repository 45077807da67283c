"""A long stream: memory stays flat while 5% of the samples are asked about and the labels come back.

Memory is measured as the process's resident set, as the median of a few readings: at a tenth of the
stream, when everything that fills up has filled up, and at its end. The ids that the service remembers
are bounded by a setting; it is set so that the bound is reached before the first measurement.
"""

from __future__ import annotations

import asyncio
import statistics
from functools import partial
from typing import Any

import msgspec

from stream_al.service.broker.protocols import Outgoing
from tests.faults import oracles
from tests.faults.arena import Arena, Figures, wait_until
from tests.faults.fault import Fault
from tests.faults.server import Server
from tests.support.stream import truth
from tests.support.world import World

__all__ = ["FAULTS"]

SHARE, GROWTH = 0.05, 0.05
LOT, AHEAD = 1000, 20_000
MIB = 2**20


class Annotator:
    """Answers every query once, and remembers none of them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.queries = self.labels = 0

    async def run(self) -> None:
        reader = self.world.client.reader(self.world.topics.queries, expiring=True)
        await reader.start()
        try:
            while True:
                answers = []
                for record in await reader.poll(1000, 0.2):
                    if record.value is not None:
                        asked: dict[str, Any] = msgspec.json.decode(record.value)
                        label = {"id": asked["id"], "label": truth(asked["features"])}
                        answers.append(
                            Outgoing(self.world.topics.labels, record.key, msgspec.json.encode(label))
                        )
                await self.world.client.send(answers)
                self.labels += len(answers)
        finally:
            await reader.stop(5.0)


async def memory(server: Server) -> float:
    """The resident set, in MiB: the median of a few readings."""
    found = []
    for _ in range(15):
        found.append(server.resident_bytes() / MIB)
        await asyncio.sleep(0.1)
    return statistics.median(found)


async def soak(arena: Arena) -> Figures:
    """From a tenth of the stream to its end, memory grows by less than 5%."""
    end = 60_000 if arena.quick else 2_000_000
    world = await arena.world(
        f"budget.share={SHARE}",
        f"labels.remember={end * SHARE / 20:.0f}",
        "topics.predictions=null",
        "limits.batch_records=500",
        "snapshots.every_examples=1000",
        "limits.poll_seconds=0.2",
    )
    server, annotator = arena.server(world, "a"), Annotator(world)
    await server.start()
    answers = asyncio.create_task(annotator.run())
    try:
        await play(world, server, 0, end // 10)
        before = await memory(server)
        await play(world, server, end // 10, end)
        after = await memory(server)
        await wait_until(lambda: _rest(server), "all is learned", 120)
    finally:
        answers.cancel()
        failed = (await asyncio.gather(answers, return_exceptions=True))[0]
    if isinstance(failed, Exception):
        raise failed
    status = await server.status()
    learned, asked = status["examples"]["outcomes"]["learned"], int(await server.metric("queries_total"))
    assert abs(asked - end * SHARE) <= world.topics.partitions, f"{asked} queries of {end} samples"
    growth = after / before - 1
    figures: Figures = {
        "samples": end,
        "queries": asked,
        "labels": annotator.labels,
        "examples": learned,
        "lost": asked - learned,
        "doubled": annotator.labels - asked,
        "measured_from": end // 10,
        "rss_mib_before": round(before, 1),
        "rss_mib_after": round(after, 1),
        "growth_percent": round(100 * growth, 2),
    }
    assert growth < GROWTH, f"memory grew: {figures}"
    assert learned == asked, f"not all was learned: {figures}"
    return figures


async def play(world: World, server: Server, start: int, end: int) -> None:
    """Send samples, never far ahead of the service, and wait until all are decided."""
    for first in range(start, end, LOT):
        await wait_until(partial(_near, world, first), "the service keeps up", 120)
        await world.samples(min(LOT, end - first), start=first)
    await wait_until(lambda: _done(world, end), "all is decided", 300)


async def _near(world: World, sent: int) -> bool:
    return sent % (10 * LOT) != 0 or sent - await oracles.committed(world) < AHEAD


async def _done(world: World, end: int) -> bool:
    return await oracles.committed(world) == end


async def _rest(server: Server) -> bool:
    status = await server.status()
    return not status["pending"]


FAULTS = (
    Fault(
        "soak",
        "a long stream: 5% queries, labels returning",
        "memory flat: under 5% growth between a tenth of the stream and its end (2,000,000 samples)",
        soak,
    ),
)
