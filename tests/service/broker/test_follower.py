"""Following a topic: every record is applied, whatever becomes of the task that has read it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from stream_al.errors import Unavailable
from tests.support.oracles import client_of
from tests.support.replica import Replica
from tests.support.world import MakeWorld, World

NUMBER = 40


async def given_at_once(world: World, replica: Replica, topic: str, send: Awaitable[None]) -> None:
    """Let a replica find all records at once."""

    def away(step: str, of: str) -> None:
        if (step, of) == ("read", topic):
            raise Unavailable("not yet")

    client_of(replica).hook = away
    await send
    client_of(replica).hook = lambda step, of: None


async def cancelled(catch_up: Callable[[], Awaitable[None]]) -> None:
    """Begin to catch up, again and again, each time for a few rounds of the event loop more."""
    for rounds in range(60):
        task = asyncio.ensure_future(catch_up())
        for _ in range(rounds):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])


async def test_a_reader_that_is_cancelled_leaves_out_no_query(memory_world: MakeWorld) -> None:
    """A deadline may end a task that catches up, in the middle of a batch: others apply the rest."""
    world = await memory_world()
    world.at_pace(slice_seconds=0.0)  # other tasks run after every record
    replica = await world.start()
    ids = [f"q{number}" for number in range(NUMBER)]
    await given_at_once(world, replica, world.topics.queries, world.ask(*ids))
    await cancelled(replica.app.pending.catch_up)
    await replica.app.pending.catch_up()
    assert len(replica.app.pending) == NUMBER


async def test_a_reader_that_is_cancelled_leaves_out_no_example(memory_world: MakeWorld) -> None:
    """Else its model would differ from all others, without a word, until the next start."""
    world = await memory_world()
    world.at_pace(slice_seconds=0.0)
    replica = await world.start()
    sent = [{"id": f"e{n}", "label": "up" if n % 2 else "down", "features": {"x": n}} for n in range(NUMBER)]
    examples = world.topics.examples
    await given_at_once(world, replica, examples, world.send(examples, sent))
    await cancelled(replica.app.local_model.catch_up)
    await replica.app.local_model.catch_up()
    assert replica.offset == NUMBER
    assert replica.app.local_model.model.examples == NUMBER
    assert replica.metric("examples_total", outcome="learned") == NUMBER
