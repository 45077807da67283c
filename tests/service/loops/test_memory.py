"""What the service holds in memory does not grow with the samples and labels that have passed."""

from __future__ import annotations

import gc
from collections import Counter
from typing import Any

from stream_al.service.broker.protocols import Outgoing
from tests.support.flow import run
from tests.support.world import MakeWorld

FEW = ("labels.remember=5", "desk.recent_bytes=65536", "desk.labelled_bytes=65536", "budget.share=0.5")
BOUNDED = "stream_al.engine.trust"  # the last labelled samples; their number has bounds of its own
ROUND = 200  # samples; 100 labels fill the rings of 64 KiB


def alive() -> Counter[str]:
    """How many objects of each of our types there are, of those that the garbage collector visits."""
    gc.collect()
    names = (f"{type(found).__module__}.{type(found).__qualname__}" for found in gc.get_objects())
    return Counter(name for name in names if name.startswith("stream_al.") and not name.startswith(BOUNDED))


async def test_nothing_of_a_batch_outlives_it(memory_world: MakeWorld) -> None:
    world = await memory_world(*FEW)
    await world.start()
    await run(world, ROUND)
    before = alive()
    await run(world, ROUND, start=ROUND)
    grown = {name: number for name, number in (alive() - before).items() if number > ROUND // 20}
    assert not grown, f"of {ROUND} more samples, these are still held: {grown}"


async def test_as_many_closed_queries_are_remembered_as_labels(memory_world: MakeWorld) -> None:
    world = await memory_world(*FEW)
    replica = await world.start()
    await run(world, 40)
    pending = replica.app.pending
    asked = [query["id"] for query in await world.queries()]
    remembered = [sample_id for sample_id in asked if pending.version(sample_id) is not None]
    assert not len(pending)
    assert len(remembered) == 5 < len(asked)


def test_a_record_to_send_is_freed_with_what_makes_its_replacement() -> None:
    """A replacement may hold its own record by a circle, which only the garbage collector can free."""

    class Maker:
        sent: Any = None

        def make(self) -> Outgoing:
            return Outgoing("t", None, None)

    maker = Maker()
    maker.sent = Outgoing("t", None, b"", (), maker.make)
    del maker
    gc.collect()
    assert not [found for found in gc.get_objects() if type(found) is Maker]
