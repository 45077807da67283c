"""The cluster: one producer, one admin client, groups and readers over one connection."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence, Set

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import NewTopic
from aiokafka.errors import (
    CommitFailedError,
    IncompatibleBrokerVersion,
    KafkaError,
    TopicAlreadyExistsError,
    for_code,
)
from aiokafka.structs import OffsetAndMetadata

from stream_al.errors import Misconfigured, Unavailable
from stream_al.service.broker.kafka.connection import Connection
from stream_al.service.broker.kafka.conversion import error_text
from stream_al.service.broker.kafka.group import KafkaGroup
from stream_al.service.broker.kafka.producer import Producer
from stream_al.service.broker.kafka.reader import KafkaReader
from stream_al.service.broker.kafka.topic_ids import TopicIds, topic_ids
from stream_al.service.broker.protocols import Ack, Outgoing, Position, Topic
from stream_al.service.timing.clock import SYSTEM_CLOCK, Clock
from stream_al.service.timing.deadline import Deadline, within
from stream_al.settings import Settings

__all__ = ["Kafka"]

CREATED_POLL_SECONDS = 0.05
REPLACED_SECONDS = 1.0  # the time that a consumer has to stop when another one takes its place


class Kafka:
    """A Kafka cluster, as the settings name it."""

    def __init__(self, settings: Settings, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self.connection = Connection(settings.kafka, settings.limits, settings.application)
        self._producer = Producer(self.connection)
        self._keepers: dict[str, AIOKafkaConsumer] = {}

    async def start(self) -> None:
        """Connect producer and admin client."""
        await self.connection.admin()
        await self._producer.start()

    async def stop(self, deadline_seconds: float) -> None:
        """Disconnect, groups and readers too; give up quietly after the deadline."""
        deadline = Deadline(deadline_seconds, self._clock)
        self._keepers = {}
        await self._producer.stop(deadline)
        await self.connection.stop(deadline.left)

    def group(self, name: str, topic: str, start: str) -> KafkaGroup:
        """A member of a group, not joined yet."""
        return KafkaGroup(self.connection, name, topic, start)

    def reader(self, topic: str, *, expiring: bool = False) -> KafkaReader:
        """A reader of a whole topic, not started yet."""
        return KafkaReader(self.connection, topic, expiring=expiring)

    async def send(self, records: Sequence[Outgoing]) -> list[Ack]:
        """Send records and wait until the broker has every one. Raises Unavailable."""
        return await self._producer.send(records)

    async def missing_topics(self, topics: Iterable[str]) -> list[str]:
        """The topics among these that do not exist."""
        admin = await self.connection.admin()
        existing = set(await self.connection.wait("listing topics", admin.list_topics()))
        return [topic for topic in topics if topic not in existing]

    async def create_topics(self, topics: Sequence[Topic]) -> list[str]:
        """Create the topics that do not exist; return the names of those that were created."""
        admin = await self.connection.admin()
        new = [
            NewTopic(t.name, t.partitions, t.replication_factor, topic_configs=dict(t.config)) for t in topics
        ]
        created = []
        response = await self.connection.wait("creating topics", admin.create_topics(new))
        for name, code, *message in response.topic_errors:
            error = for_code(code)
            if code == 0:
                created.append(name)
            elif error is not TopicAlreadyExistsError:
                raise Unavailable(f"topic {name} was not created: {(message or [error.__name__])[0]}")
        deadline = Deadline(self.connection.deadline_seconds, self._clock)
        while missing := await self.missing_topics(created):  # brokers learn of new topics one by one
            if not deadline.left:
                raise Unavailable(f"topics {', '.join(missing)} were created and do not show yet")
            await asyncio.sleep(CREATED_POLL_SECONDS)
        return created

    async def reset_offsets(self, group: str, topic: str, to: str) -> dict[int, int]:
        """Let a group without members continue at the `earliest` or `latest` record; return the offsets.

        The states of the partitions stay.

        Raises:
            Misconfigured: The group has members.
        """
        tps = [TopicPartition(topic, partition) for partition in await self.connection.partitions(topic)]
        kept = await self.connection.committed(group, topic, [tp.partition for tp in tps])
        consumer = await self.connection.consumer(group_id=group)
        try:
            consumer.assign(tps)
            bound = consumer.end_offsets if to == "latest" else consumer.beginning_offsets
            offsets = await self.connection.wait(f"reading the offsets of {topic}", bound(tps))
            states = {p: position.metadata for p, position in kept.items()}
            moved = {tp: OffsetAndMetadata(at, states.get(tp.partition, "")) for tp, at in offsets.items()}
            await self._commit(group, consumer, moved)
        finally:
            await self.connection.close(consumer.stop, self.connection.deadline_seconds)
        return {tp.partition: offset for tp, offset in offsets.items()}

    async def keep_positions(self, group: str, topic: str, positions: Mapping[int, Position]) -> None:
        """Commit for a group that has no members. Raises Unavailable."""
        offsets = {
            TopicPartition(topic, p): OffsetAndMetadata(one.offset, one.metadata)
            for p, one in positions.items()
        }
        await self._commit(group, await self._keeper(group, topic, offsets.keys()), offsets)

    async def kept_positions(self, group: str, topic: str, partitions: Iterable[int]) -> dict[int, Position]:
        """What was committed for a group, without the partitions that have no commit."""
        return await self.connection.committed(group, topic, partitions)

    async def topic_ids(self, topics: Sequence[str]) -> dict[str, str]:
        """The id of each topic that exists; none if the brokers are older than Kafka 3.1."""
        admin = await self.connection.admin()
        request = admin._send_request(TopicIds(topics))  # aiokafka has no public way to send a request
        try:
            return topic_ids(await self.connection.wait("reading the ids of topics", request))
        except (NotImplementedError, IncompatibleBrokerVersion):
            return {}

    async def _keeper(self, group: str, topic: str, wanted: Set[TopicPartition]) -> AIOKafkaConsumer:
        """A consumer outside the group that commits for it: aiokafka commits for what is assigned only.

        It is assigned once, and replaced if it lacks a partition. aiokafka fails if a consumer is assigned
        again while it still looks for the coordinator, as it does after a commit that was cut off.
        """
        keeper = self._keepers.get(group)
        if keeper is not None and wanted <= keeper.assignment():
            return keeper
        if keeper is not None:
            del self._keepers[group]
            await self.connection.close(keeper.stop, REPLACED_SECONDS)
        there = await self.connection.partitions(topic)
        tps = wanted | {TopicPartition(topic, partition) for partition in there}
        keeper = await self.connection.consumer(group_id=group, auto_offset_reset="none")
        keeper.assign(list(tps))
        keeper.pause(*tps)
        self._keepers[group] = keeper
        return keeper

    async def _commit(
        self, group: str, consumer: AIOKafkaConsumer, offsets: dict[TopicPartition, OffsetAndMetadata]
    ) -> None:
        what = f"committing offsets of {group}"
        try:
            await within(self.connection.deadline_seconds, what, consumer.commit(offsets))
        except CommitFailedError as error:
            raise Misconfigured(f"the group {group} has members: stop the service first") from error
        except KafkaError as error:
            raise Unavailable(f"{what} failed: {error_text(error)}") from error
