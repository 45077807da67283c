"""A client of Kafka that starts when nobody waits for it any more."""

from __future__ import annotations

import asyncio

import pytest

from stream_al.errors import Unavailable
from stream_al.service.broker.kafka.connection import Connection
from stream_al.settings import load


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
