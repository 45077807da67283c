"""Another producer's transactions on a real Kafka, and the raw records that no polite client would write."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer

from tests.support.world import World

__all__ = ["producing", "transact", "transaction"]


@asynccontextmanager
async def producing(world: World, **options: Any) -> AsyncIterator[AIOKafkaProducer]:
    """A producer of its own, with any options of aiokafka."""
    producer = AIOKafkaProducer(bootstrap_servers=world.settings.kafka.bootstrap_servers, **options)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


@asynccontextmanager
async def transaction(world: World) -> AsyncIterator[AIOKafkaProducer]:
    """A producer in a transaction, which the caller ends."""
    async with producing(world, transactional_id=uuid.uuid4().hex) as producer:
        await producer.begin_transaction()
        yield producer


async def transact(world: World, topic: str, values: Sequence[dict[str, Any]], *, commit: bool) -> None:
    """Send values under their ids in one transaction, which is committed or aborted."""
    async with transaction(world) as producer:
        for value in values:
            await producer.send_and_wait(topic, msgspec.json.encode(value), key=str(value["id"]).encode())
        await (producer.commit_transaction() if commit else producer.abort_transaction())
