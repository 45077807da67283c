"""The cluster: connections, the producer, the admin client."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    CommitFailedError,
    IllegalStateError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    TopicAlreadyExistsError,
    for_code,
)
from aiokafka.structs import ConsumerRecord

from stream_al.errors import Misconfigured, Unavailable
from stream_al.service.broker.kafka.batches import BATCH_BYTES, send_all
from stream_al.service.broker.kafka.common import end, sentence
from stream_al.service.broker.kafka.diagnosis import diagnosis
from stream_al.service.broker.kafka.group import KafkaGroup
from stream_al.service.broker.kafka.login import login, logs_in_by_token
from stream_al.service.broker.kafka.reader import KafkaReader
from stream_al.service.broker.protocols import Ack, Outgoing, Position, Topic
from stream_al.service.timing.clock import SYSTEM_CLOCK, Clock
from stream_al.service.timing.deadline import Deadline, within
from stream_al.settings import Settings

__all__ = ["Kafka"]

CREATED_POLL_SECONDS = 0.05
DIAGNOSIS_SECONDS = 5.0
MAX_REQUEST_BYTES = 64 * 2**20  # larger than any record that settings allow; the broker has the last word


class Kafka:
    """A Kafka cluster, as settings name it."""

    def __init__(self, settings: Settings, clock: Clock = SYSTEM_CLOCK) -> None:
        self.settings = settings
        self.clock = clock
        self.deadline_seconds = settings.limits.deadline_seconds
        self._producer: AIOKafkaProducer | None = None
        self._admin: AIOKafkaAdminClient | None = None
        self._producer_lock = asyncio.Lock()
        self._endings: set[asyncio.Task[None]] = set()
        self._accepted = False

    async def start(self) -> None:
        """Connect producer and admin client."""
        await self._started_admin()
        await self._started_producer()

    async def stop(self, deadline_seconds: float) -> None:
        """Disconnect; give up quietly after the deadline."""
        deadline = Deadline(deadline_seconds, self.clock)
        if self._producer is not None:
            await end(self._producer.stop(), deadline.left)
        if self._admin is not None:
            await end(self._admin.close(), deadline.left)
        for ending in list(self._endings):
            await end(ending, deadline.left)
        self._producer = self._admin = None

    def group(self, name: str, topic: str, start: str) -> KafkaGroup:
        """A member of a group, not joined yet."""
        return KafkaGroup(self, name, topic, start)

    def reader(self, topic: str, *, expiring: bool = False) -> KafkaReader:
        """A reader of a whole topic, not started yet."""
        return KafkaReader(self, topic, expiring=expiring)

    async def send(self, records: Sequence[Outgoing]) -> list[Ack]:
        """Send records and wait until the broker has every one."""
        if not records:
            return []
        producer = await self._started_producer()
        try:
            what = f"sending {len(records)} records"
            acks: list[Ack] = await self.wait(what, send_all(producer, records, self._another_producer))
        except Unavailable:
            self._give_up(producer)
            raise
        return acks

    async def missing(self, topics: Iterable[str]) -> list[str]:
        """Those of the topics that do not exist."""
        admin = await self._started_admin()
        there = set(await self.wait("listing topics", admin.list_topics()))
        return [topic for topic in topics if topic not in there]

    async def partitions(self, topic: str) -> list[int]:
        """The numbers of a topic's partitions. Raises Unavailable if it is not there."""
        admin = await self._started_admin()
        (found,) = await self.wait(f"describing {topic}", admin.describe_topics([topic]))
        if found["error_code"] or not found["partitions"]:
            raise Unavailable(f"topic {topic} is not there (yet)")
        return sorted(partition["partition"] for partition in found["partitions"])

    async def create(self, topics: Sequence[Topic]) -> list[str]:
        """Create what does not exist yet; the names created."""
        admin = await self._started_admin()
        new = [
            NewTopic(t.name, t.partitions, t.replication_factor, topic_configs=dict(t.config)) for t in topics
        ]
        created = []
        response = await self.wait("creating topics", admin.create_topics(new))
        for name, code, *message in response.topic_errors:
            error = for_code(code)
            if code == 0:
                created.append(name)
            elif error is not TopicAlreadyExistsError:
                raise Unavailable(f"topic {name} was not created: {(message or [error.__name__])[0]}")
        deadline = Deadline(self.deadline_seconds, self.clock)
        while missing := await self.missing(created):  # a broker learns of what the controller created
            if not deadline.left:
                raise Unavailable(f"topics {', '.join(missing)} were created and are not there yet")
            await asyncio.sleep(CREATED_POLL_SECONDS)
        return created

    async def committed(self, group: str, topic: str, partitions: Iterable[int]) -> dict[int, Position]:
        """What a group has committed, metadata included; partitions without a commit are left out."""
        admin = await self._started_admin()
        tps = [TopicPartition(topic, partition) for partition in partitions]
        found = await self.wait(
            f"reading the offsets of {group}", admin.list_consumer_group_offsets(group, partitions=tps)
        )
        if not found.keys() >= set(tps):  # a coordinator that is still loading leaves out, without an error
            raise Unavailable(f"the offsets of {group} are still being loaded")
        return {
            tp.partition: Position(found[tp].offset, found[tp].metadata or "")
            for tp in tps
            if found[tp].offset >= 0
        }

    async def move(self, group: str, topic: str, to: str) -> dict[int, int]:
        """Let a group without members go on at the `earliest` or `latest` record; the offsets."""
        tps = [TopicPartition(topic, partition) for partition in await self.partitions(topic)]
        consumer = AIOKafkaConsumer(**self.common(), group_id=group, enable_auto_commit=False)
        await self.connect(consumer.start(), consumer.stop)
        try:
            consumer.assign(tps)
            ends = consumer.end_offsets if to == "latest" else consumer.beginning_offsets
            offsets = await self.wait(f"reading the offsets of {topic}", ends(tps))
            await self._move(group, consumer, offsets)
        finally:
            await end(consumer.stop(), self.deadline_seconds)
        return {tp.partition: offset for tp, offset in offsets.items()}

    async def _move(self, group: str, consumer: AIOKafkaConsumer, offsets: dict[TopicPartition, int]) -> None:
        try:
            await within(self.deadline_seconds, f"moving {group}", consumer.commit(offsets))
        except CommitFailedError as error:
            raise Misconfigured(f"the group {group} has members: stop the service first") from error
        except KafkaError as error:
            raise Unavailable(f"moving {group} failed: {sentence(error)}") from error

    async def fetch(
        self, consumer: AIOKafkaConsumer, topic: str, max_records: int, timeout_seconds: float
    ) -> dict[TopicPartition, list[ConsumerRecord]]:
        """One poll of a consumer, partitions without records left out."""
        what, waiting_ms = f"reading {topic}", int(timeout_seconds * 1000)
        try:
            batch = await within(
                self.deadline_seconds, what, consumer.getmany(timeout_ms=waiting_ms, max_records=max_records)
            )
        except (NoOffsetForPartitionError, OffsetOutOfRangeError, IllegalStateError):
            raise
        except KafkaError as error:
            raise Unavailable(f"{what} failed: {sentence(error)}") from error
        return {tp: records for tp, records in batch.items() if records}

    def common(self) -> dict[str, Any]:
        """What every client of aiokafka is told. Raises Misconfigured for a file that cannot be used."""
        given = self.settings.kafka
        try:
            secure = login(given)
        except Misconfigured as error:
            if self._accepted:  # a file that is being renewed: soon it is there again
                raise Unavailable(str(error)) from None
            raise
        return {
            "bootstrap_servers": given.bootstrap_servers.split(","),
            "client_id": given.client_id or self.settings.application,
            "request_timeout_ms": int(given.request_timeout_seconds * 1000),
            **secure,
        }

    async def wait(self, what: str, waiting: Any) -> Any:
        """Wait for an answer of aiokafka. Raises Unavailable."""
        try:
            return await within(self.deadline_seconds, what, waiting)
        except KafkaError as error:
            raise Unavailable(f"{what} failed: {sentence(error)}") from error

    async def _started_producer(self) -> AIOKafkaProducer:
        async with self._producer_lock:
            if self._producer is None:
                given = self.settings.kafka
                producer = AIOKafkaProducer(
                    **self.common(),
                    acks="all",
                    enable_idempotence=given.idempotent,
                    compression_type=None if given.compression == "none" else given.compression,
                    max_request_size=MAX_REQUEST_BYTES,
                    max_batch_size=BATCH_BYTES,
                )
                await self.connect(producer.start(), producer.stop)
                self._producer = producer
            return self._producer

    async def _another_producer(self) -> AIOKafkaProducer:
        if self._producer is not None:
            self._give_up(self._producer)
        return await self._started_producer()

    async def _started_admin(self) -> AIOKafkaAdminClient:
        if self._admin is None:
            # aiokafka takes the refusal of a token for a login, and waits for the cluster from then on.
            unseen = logs_in_by_token(self.settings.kafka) and not self._accepted
            if unseen and (wrong := await self._diagnosis()):
                raise Misconfigured(wrong)
            admin = AIOKafkaAdminClient(**self.common())
            await self.connect(admin.start(), admin.close)
            self._admin = admin
        return self._admin

    async def connect(self, starting: Any, stop: Any) -> None:
        """Start a client; one that does not come up is stopped again.

        Raises:
            Unavailable: No broker answers now; or one refuses what it has accepted before, for then it may
                be the broker that is not right yet.
            Misconfigured: A broker answers, and does not accept the settings.
        """
        servers = self.settings.kafka.bootstrap_servers
        try:
            await self.wait("connecting", starting)
        except Unavailable as error:
            await end(stop(), 1.0)
            wrong = await self._diagnosis() if isinstance(error.__cause__, KafkaError) else None
            if wrong and not self._accepted:
                raise Misconfigured(wrong) from None
            away = (
                f"no broker answers at {servers}: start Kafka there, or set kafka.bootstrap_servers ({error})"
            )
            raise Unavailable(wrong or away) from error
        except BaseException:
            await end(stop(), 1.0)
            raise
        self._accepted = True

    async def _diagnosis(self) -> str | None:
        return await diagnosis(
            self.settings.kafka, self.common(), min(DIAGNOSIS_SECONDS, self.deadline_seconds)
        )

    def _give_up(self, producer: AIOKafkaProducer) -> None:
        """Forget a producer that failed; it ends in the background."""
        stopping = end(producer.stop(), self.deadline_seconds)
        if self._producer is producer:
            self._producer = None
        ending = asyncio.create_task(stopping)
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)
