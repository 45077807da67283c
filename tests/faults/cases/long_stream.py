"""A long stream: memory does not grow while 5% of the samples are queried and the labels come back.

Memory is the resident set of the process, as the median of a few readings. It is measured at a tenth of the
stream, when every bounded collection is full and snapshots have been made, and at the end. For that,
`labels.remember` is half of the labels that have come at a tenth. In the long form these are 10,000, and what
the desk keeps is full by then (deploy/OPERATIONS.md, "Memory"). In the short form these are 300, so settings
let the desk keep less.
"""

from __future__ import annotations

import asyncio
import statistics
from functools import partial
from typing import Any

import msgspec

from stream_al.service.broker.protocols import Outgoing
from tests.faults import oracles
from tests.faults.fault import Fault
from tests.faults.flow import wait_until
from tests.faults.testbed import Figures, Testbed
from tests.support.processes import Server
from tests.support.stream import truth
from tests.support.world import World

__all__ = ["FAULTS"]

SHARE, GROWTH = 0.05, 0.05
AT_ONCE, AHEAD = 1000, 20_000
MIB = 2**20


class Annotator:
    """Labels every query once, and remembers none of them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.queries = self.labels = 0

    async def run(self) -> None:
        reader = self.world.client.reader(self.world.topics.queries, expiring=True)
        await reader.start()
        try:
            while True:
                labels = []
                for record in await reader.poll(1000, 0.2):
                    if record.value is not None:
                        asked: dict[str, Any] = msgspec.json.decode(record.value)
                        label = {"id": asked["id"], "label": truth(asked["features"])}
                        labels.append(
                            Outgoing(self.world.topics.labels, record.key, msgspec.json.encode(label))
                        )
                await self.world.client.send(labels)
                self.labels += len(labels)
        finally:
            await reader.stop(5.0)


async def memory(server: Server) -> float:
    """The resident set in MiB, as the median of a few readings."""
    found = []
    for _ in range(15):
        found.append(server.resident_bytes() / MIB)
        await asyncio.sleep(0.1)
    return statistics.median(found)


async def long_stream(testbed: Testbed) -> Figures:
    """From a tenth of the stream to its end, memory grows by less than 5%."""
    end = 60_000 if testbed.quick else 2_000_000
    begin = end // 10
    labels = begin * SHARE
    rings = [f"desk.recent_bytes={2**18}", f"desk.labelled_bytes={2**16}"] if testbed.quick else []
    world = await testbed.world(
        f"budget.share={SHARE}",
        f"labels.remember={labels / 2:.0f}",
        f"snapshots.every_examples={labels / 10:.0f}",
        "topics.predictions=null",
        "limits.batch_records=500",
        "limits.poll_seconds=0.2",
        *rings,
    )
    server, annotator = testbed.server(world, "a"), Annotator(world)
    await server.start()
    labelling = asyncio.create_task(annotator.run())
    try:
        await send(world, server, 0, begin)
        before = await memory(server)
        await send(world, server, begin, end)
        after = await memory(server)
        await wait_until(lambda: _none_pending(server), "all is learned", 120)
    finally:
        labelling.cancel()
        failed = (await asyncio.gather(labelling, return_exceptions=True))[0]
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
        "measured_from": begin,
        "rss_mib_before": round(before, 1),
        "rss_mib_after": round(after, 1),
        "growth_percent": round(100 * growth, 2),
    }
    assert growth < GROWTH, f"memory grew: {figures}"
    assert learned == asked, f"not all was learned: {figures}"
    return figures


async def send(world: World, server: Server, start: int, end: int) -> None:
    """Send samples, never far ahead of the service, and wait until all are decided."""
    for first in range(start, end, AT_ONCE):
        await wait_until(partial(_keeps_up, world, first), "the service keeps up", 120)
        await world.samples(min(AT_ONCE, end - first), start=first)
    await wait_until(lambda: _all_decided(world, end), "all is decided", 300)


async def _keeps_up(world: World, sent: int) -> bool:
    return sent % (10 * AT_ONCE) != 0 or sent - await oracles.committed(world) < AHEAD


async def _all_decided(world: World, end: int) -> bool:
    return await oracles.committed(world) == end


async def _none_pending(server: Server) -> bool:
    status = await server.status()
    return not status["pending"]


FAULTS = (
    Fault(
        "soak",
        "a long stream in which 5% of the samples are queried and labelled",
        "memory grows by less than 5% between a tenth of the stream and its end (2,000,000 samples)",
        long_stream,
    ),
)
