"""What an operator or retention does to the topics and groups of a world, unknown to the service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from time import monotonic

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.errors import for_code
from aiokafka.protocol.admin import DeleteGroupsRequest

from stream_al.service.broker.kafka import Kafka
from stream_al.service.broker.protocols import Position
from stream_al.service.broker.topics import required_topics
from tests.support.replica import DEADLINE_SECONDS
from tests.support.world import STOP_SECONDS, World

__all__ = [
    "committed_labels",
    "committed_samples",
    "create",
    "delete_group",
    "delete_records",
    "delete_topic",
    "ends",
]


@asynccontextmanager
async def _admin(world: World) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=world.settings.kafka.bootstrap_servers)
    async with asyncio.timeout(DEADLINE_SECONDS):
        await client.start()
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            yield client
    finally:
        async with asyncio.timeout(DEADLINE_SECONDS):
            await client.close()


async def delete_records(world: World, topic: str, before: int, partition: int = 0) -> None:
    """Delete the records before an offset, as retention does."""
    async with _admin(world) as admin:
        await admin.delete_records({TopicPartition(topic, partition): RecordsToDelete(before)})
    await _forget(world, topic)


async def delete_topic(world: World, topic: str) -> None:
    """Delete a topic, and wait until it is gone."""
    async with _admin(world) as admin:
        await admin.delete_topics([topic])
        async with asyncio.timeout(DEADLINE_SECONDS):
            while topic in await admin.list_topics():  # noqa: ASYNC110 - Kafka sends no notice
                await asyncio.sleep(0.1)
    await _forget(world, topic)


async def create(world: World, topic: str, config: Mapping[str, str] = {}) -> None:
    """Create a topic with the configuration that the service asks for, changed by another one."""
    end = monotonic() + DEADLINE_SECONDS
    wanted = [
        replace(one, config={**one.config, **config})
        for one in required_topics(world.settings)
        if one.name == topic
    ]
    while not await world.client.create_topics(wanted):  # a deleted topic keeps its name for a while
        assert monotonic() < end, f"{topic} was not created"
        await asyncio.sleep(0.1)


async def delete_group(world: World, stage: str) -> None:
    """Delete a consumer group with its offsets, as Kafka does with a group that is idle for long."""
    async with _admin(world) as admin:
        name = f"{world.settings.application}.{stage}"
        coordinator = await admin.find_coordinator(name)
        end = monotonic() + DEADLINE_SECONDS
        while True:
            response = await admin._client.send(coordinator, DeleteGroupsRequest([name]))
            ((_, code),) = response.results
            if not code:
                return
            assert monotonic() < end, f"{name} was not deleted: {for_code(code).__name__}"
            await asyncio.sleep(0.2)  # a killed member stays in its group until its session ends


async def ends(world: World, topic: str) -> dict[int, int]:
    """One past the last offset of each partition."""
    reader = world.client.reader(topic, expiring=True)
    try:
        await reader.start()
        return await reader.end_offsets()
    finally:
        await reader.stop(STOP_SECONDS)


async def committed_samples(world: World) -> Mapping[int, Position]:
    """What selection has committed of each partition of samples."""
    return await _committed(world, "select", world.topics.samples)


async def committed_labels(world: World) -> Mapping[int, Position]:
    """What intake has committed of each partition of labels."""
    return await _committed(world, "intake", world.topics.labels)


async def _committed(world: World, stage: str, topic: str) -> Mapping[int, Position]:
    assert isinstance(world.client, Kafka)
    group = f"{world.settings.application}.{stage}"
    return await world.client.connection.committed(group, topic, range(world.topics.partitions))


async def _forget(world: World, topic: str) -> None:
    """Let the world read a topic anew: what it has read so far is no longer there."""
    reader, _ = world._readers.pop(topic, (None, []))
    if reader is not None:
        await reader.stop(STOP_SECONDS)
