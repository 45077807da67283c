"""What an operator, or time, may do to the topics and groups of a world behind the service's back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.errors import for_code
from aiokafka.protocol.admin import DeleteGroupsRequest

from stream_al.service.broker.topics import required_topics
from tests.support.world import STOP_SECONDS, World

__all__ = ["create", "cut", "delete_group", "delete_topic", "ends"]

SECONDS = 30.0


@asynccontextmanager
async def _admin(world: World) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=world.settings.kafka.bootstrap_servers)
    async with asyncio.timeout(SECONDS):
        await client.start()
    try:
        async with asyncio.timeout(SECONDS):
            yield client
    finally:
        async with asyncio.timeout(SECONDS):
            await client.close()


async def cut(world: World, topic: str, before: int, partition: int = 0) -> None:
    """Delete the records before an offset, as retention does."""
    async with _admin(world) as admin:
        await admin.delete_records({TopicPartition(topic, partition): RecordsToDelete(before)})
    await _look_again(world, topic)


async def delete_topic(world: World, topic: str) -> None:
    """Delete a topic, and wait until it is gone."""
    async with _admin(world) as admin:
        await admin.delete_topics([topic])
        async with asyncio.timeout(SECONDS):
            while topic in await admin.list_topics():  # noqa: ASYNC110 - the broker tells nobody
                await asyncio.sleep(0.1)
    await _look_again(world, topic)


async def create(world: World, topic: str) -> None:
    """Create a topic as the service wants it."""
    end = monotonic() + SECONDS
    wanted = [one for one in required_topics(world.settings) if one.name == topic]
    while not await world.client.create_topics(wanted):  # a deleted name is not free at once
        assert monotonic() < end, f"{topic} was not created"
        await asyncio.sleep(0.1)


async def delete_group(world: World, stage: str) -> None:
    """Delete a consumer group with its offsets, as time does to one that is idle."""
    async with _admin(world) as admin:
        name = f"{world.settings.application}.{stage}"
        coordinator = await admin.find_coordinator(name)
        end = monotonic() + SECONDS
        while True:
            answer = await admin._client.send(coordinator, DeleteGroupsRequest([name]))
            ((_, code),) = answer.results
            if not code:
                return
            assert monotonic() < end, f"{name} was not deleted: {for_code(code).__name__}"
            await asyncio.sleep(0.2)  # a member that was killed is missed only after its session


async def ends(world: World, topic: str) -> dict[int, int]:
    """One past the last offset of each partition."""
    reader = world.client.reader(topic, expiring=True)
    try:
        await reader.start()
        return await reader.end_offsets()
    finally:
        await reader.stop(STOP_SECONDS)


async def _look_again(world: World, topic: str) -> None:
    """What the world has read of a topic so far is not what it holds now."""
    reader, _ = world._readers.pop(topic, (None, []))
    if reader is not None:
        await reader.stop(STOP_SECONDS)
