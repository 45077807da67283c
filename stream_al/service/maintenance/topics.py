"""Topics: open the broker, create topics, read a topic to its end, reset the offsets of a group."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

from stream_al.errors import Misconfigured
from stream_al.service.broker.protocols import Broker, Record
from stream_al.service.broker.readers import is_behind, started
from stream_al.service.broker.topics import required_topics
from stream_al.service.control import Control
from stream_al.service.telemetry.metrics import Metrics
from stream_al.service.timing.clock import SYSTEM_CLOCK
from stream_al.settings import Settings

__all__ = [
    "CHUNK",
    "STOP_SECONDS",
    "Progress",
    "create_topics",
    "opened",
    "opened_control",
    "read_topic",
    "reset_offsets",
]

Progress: TypeAlias = Callable[[int, int], None]
"""Called with the number of records done and the number of all records."""

CHUNK = 1000  # records in one call to the broker
STOP_SECONDS = 5.0


@asynccontextmanager
async def opened(broker: Broker, *topics: str) -> AsyncIterator[Broker]:
    """The broker, connected.

    Raises:
        Misconfigured: One of the topics does not exist.
    """
    try:
        await broker.start()
        missing = await broker.missing_topics(topics)
        if missing:
            raise Misconfigured(f"topics: {', '.join(missing)} do not exist: run `stream-al topics create`")
        yield broker
    finally:
        await broker.stop(STOP_SECONDS)


async def create_topics(settings: Settings, broker: Broker) -> tuple[list[str], list[str]]:
    """Create the topics that do not exist; return the names created, and the names that existed before."""
    async with opened(broker):
        topics = required_topics(settings)
        missing = set(await broker.missing_topics(topic.name for topic in topics))
        created = await broker.create_topics([topic for topic in topics if topic.name in missing])
        return created, [topic.name for topic in topics if topic.name not in created]


async def reset_offsets(settings: Settings, broker: Broker, topic: str, to: str) -> dict[int, int]:
    """Let the group that reads a topic continue at the earliest or latest record.

    Returns:
        The new offset of each partition.

    Raises:
        Misconfigured: No group of the service reads this topic, or the service is running.
    """
    stages = {settings.topics.samples: "select", settings.topics.labels: "intake"}
    if topic not in stages:
        raise Misconfigured(f"--topic: write {' or '.join(stages)}, not {topic!r}")
    async with opened(broker, topic):
        return await broker.reset_offsets(f"{settings.application}.{stages[topic]}", topic, to)


async def read_topic(broker: Broker, topic: str, progress: Progress) -> AsyncIterator[Record]:
    """All records that a topic holds now."""
    async with started(broker.reader(topic)) as reader:
        first, end = await reader.beginning_offsets(), await reader.end_offsets()
        total = sum(end[p] - first[p] for p in end)
        done = 0
        while await is_behind(reader, end):
            for record in await reader.poll(CHUNK, 1.0):
                done += 1
                yield record
            progress(min(done, total), total)


@asynccontextmanager
async def opened_control(settings: Settings, broker: Broker) -> AsyncIterator[Control]:
    """What operators have changed while the service ran, up to now. The broker is connected already."""
    control = Control(broker, settings, Metrics(settings.application), SYSTEM_CLOCK)
    async with started(control.reader):
        await control.catch_up()
        yield control
