"""Clients of Kafka whose start, or stop, is cut off: none is left behind."""

from __future__ import annotations

import asyncio
import gc
import logging
from contextlib import suppress

import pytest

from stream_al.errors import Unavailable
from stream_al.service.app import App
from stream_al.service.broker.kafka.connection import Connection
from stream_al.service.broker.kafka.group import KafkaGroup
from stream_al.service.broker.kafka.reader import KafkaReader
from stream_al.settings import load
from tests.support.world import MakeWorld, World


async def test_a_start_that_nobody_awaits_ends_before_its_client_is_stopped() -> None:
    """Else aiokafka leaves the connection open over which it asks for the brokers."""
    settings, done, begun = load(overrides=[], environ={}), list[str](), asyncio.Event()

    async def start() -> None:
        begun.set()
        try:
            await asyncio.sleep(0.05)
            done.append("ends")
        except asyncio.CancelledError:
            done.append("is cut off")
            raise

    async def stop() -> None:
        done.append("is stopped")

    connection = Connection(settings.kafka, settings.limits, "a")
    connecting = asyncio.create_task(connection.connect(start(), stop))
    await begun.wait()
    connecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connecting
    assert done == ["ends", "is stopped"]


async def test_a_start_that_hangs_is_cut_off() -> None:
    settings, done = load(overrides=["limits.deadline_seconds=0.1"], environ={}), list[str]()

    async def start() -> None:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            done.append("is cut off")
            raise

    async def stop() -> None:
        done.append("is stopped")

    with pytest.raises(Unavailable, match="no broker responds"):
        await Connection(settings.kafka, settings.limits, "a").connect(start(), stop)
    assert done == ["is cut off", "is stopped"]


async def test_a_client_whose_undoing_is_cut_off_is_stopped_with_the_connection() -> None:
    """A start may be cancelled twice, as by a deadline after a failure. The last stop stops its client."""
    settings, done, begun = load(overrides=[], environ={}), list[str](), asyncio.Event()

    async def start() -> None:
        begun.set()
        await asyncio.sleep(1000)

    async def stop() -> None:
        done.append("is stopped")

    connection = Connection(settings.kafka, settings.limits, "a")
    connecting = asyncio.create_task(connection.connect(start(), stop))
    await begun.wait()
    for _ in range(2):
        connecting.cancel()
        await asyncio.sleep(0.01)
    assert (connecting.cancelled(), done) == (True, [])
    await connection.stop(1.0)
    await connection.stop(1.0)
    assert done == ["is stopped"]


async def stopped_after(clients: int, world: World) -> int:
    """Start a service, stop it when so many of its readers and groups have started; return their number."""
    app, begun = App(world.settings, world.connect(world.settings), clock=world.clock), list[str]()

    def stopping(kind: type[KafkaReader] | type[KafkaGroup]) -> None:
        start = kind.start

        async def start_and_stop(self: KafkaReader | KafkaGroup) -> None:
            await start(self)  # type: ignore[arg-type]  # each kind is given its own
            begun.append(self.topic)
            if len(begun) >= clients:
                app.stopping.set()
                await asyncio.sleep(1000)

        patch.setattr(kind, "start", start_and_stop)

    with pytest.MonkeyPatch.context() as patch:
        stopping(KafkaReader)
        stopping(KafkaGroup)
        await app.run()
    return len(begun)


@pytest.mark.parametrize("clients", range(1, 7))
async def test_a_stop_in_the_middle_of_the_start_leaves_no_client(
    kafka_world: MakeWorld, caplog: pytest.LogCaptureFixture, clients: int
) -> None:
    """The service is stopped after some of its four readers and two groups have started."""
    world = await kafka_world()
    with caplog.at_level(logging.ERROR, logger="asyncio"):
        assert await stopped_after(clients, world) >= clients
        gc.collect()
    assert not [record.getMessage() for record in caplog.records if "Unclosed" in record.getMessage()]


async def test_a_read_that_the_stop_ends_is_unavailable(kafka_world: MakeWorld) -> None:
    """A request over HTTP may read while the service stops: its client is told, and nothing is logged."""
    world = await kafka_world()
    client = world.connect(world.settings)
    reader = client.reader(world.topics.queries)
    await reader.start()
    reading = asyncio.create_task(reader.poll(1, 3.0))
    await asyncio.sleep(0.1)  # it waits
    await client.stop(5.0)
    with suppress(Unavailable):
        await reading  # it may end without records
    with pytest.raises(Unavailable, match="the service stops"):
        await reader.poll(1, 3.0)
