"""Membership in a consumer group."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import (
    CommitFailedError,
    IllegalStateError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)
from aiokafka.structs import OffsetAndMetadata

from stream_al.errors import Superseded, Unavailable
from stream_al.service.broker.kafka.common import FETCH_BYTES, end, gap, record_of, sentence
from stream_al.service.broker.protocols import Position, Record
from stream_al.service.timing.deadline import within

if TYPE_CHECKING:
    from stream_al.service.broker.kafka.cluster import Kafka

__all__ = ["KafkaGroup"]

log = structlog.get_logger(__name__)


class KafkaGroup(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka's listener is untyped
    """Membership in a consumer group on one topic."""

    def __init__(self, kafka: Kafka, name: str, topic: str, start: str) -> None:
        self.kafka = kafka
        self.name = name
        self.topic = topic
        self.generation = 0
        self._start_at = start
        self._running: AIOKafkaConsumer | None = None

    @property
    def _consumer(self) -> AIOKafkaConsumer:
        if self._running is None:
            raise Unavailable(f"the group {self.name} is not joined")
        return self._running

    async def start(self) -> None:
        """Join the group; anew, if an earlier attempt failed."""
        await self.stop(1.0)
        session_ms = int(self.kafka.settings.kafka.session_timeout_seconds * 1000)
        consumer = AIOKafkaConsumer(
            **self.kafka.common(),
            group_id=self.name,
            enable_auto_commit=False,
            auto_offset_reset="none",
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=session_ms // 10,
            fetch_max_wait_ms=int(self.kafka.settings.limits.poll_seconds * 1000),
            max_partition_fetch_bytes=FETCH_BYTES,
        )
        consumer.subscribe([self.topic], listener=self)
        await self.kafka.connect(consumer.start(), consumer.stop)
        self._running = consumer

    async def stop(self, deadline_seconds: float) -> None:
        """Leave the group; give up quietly after the deadline."""
        if self._running is not None:
            await end(self._running.stop(), deadline_seconds)
        self._running = None

    async def on_partitions_revoked(self, revoked: list[TopicPartition]) -> None:
        """What was read so far is stale."""
        self.generation += 1

    async def on_partitions_assigned(self, assigned: list[TopicPartition]) -> None:
        """What was read while the group moved is stale too."""
        self.generation += 1
        partitions = sorted(tp.partition for tp in assigned)
        log.info("partitions assigned", topic=self.topic, partitions=partitions)

    def partitions(self) -> int:
        """How many partitions the topic has, by the metadata in hand; never fewer than are held."""
        known = self._running.partitions_for_topic(self.topic) if self._running is not None else None
        return max(1, len(known or ()), *(partition + 1 for partition in self.assignment()))

    def assignment(self) -> frozenset[int]:
        """The partitions held now."""
        if self._running is None:
            return frozenset()
        return frozenset(tp.partition for tp in self._running.assignment())

    async def poll(self, max_records: int, timeout_seconds: float) -> dict[int, list[Record]]:
        """At most `max_records` records by partition, in order; empty when none came in time."""
        try:
            batch = await self.kafka.fetch(self._consumer, self.topic, max_records, timeout_seconds)
        except NoOffsetForPartitionError as error:
            await self._begin(error.args[0])
            return {}
        except OffsetOutOfRangeError as error:
            where = f"`stream-al offsets reset --topic {self.topic}"
            raise gap(error, f"say where to go on with {where} --to earliest` or `--to latest`") from error
        except IllegalStateError as error:
            raise Superseded(sentence(error)) from error
        return {tp.partition: [record_of(r) for r in records] for tp, records in batch.items()}

    async def committed(self, partition: int) -> Position | None:
        """What the group has committed last, by whichever member."""
        return (await self.kafka.committed(self.name, self.topic, [partition])).get(partition)

    async def untouched(self) -> bool:
        """Whether nothing was ever committed for any partition, or the broker has forgotten it."""
        partitions = await self.kafka.partitions(self.topic)
        return not await self.kafka.committed(self.name, self.topic, partitions)

    async def commit(self, positions: Mapping[int, Position]) -> None:
        """Commit offsets and states in one write."""
        offsets = {
            TopicPartition(self.topic, p): OffsetAndMetadata(position.offset, position.metadata)
            for p, position in positions.items()
        }
        what = f"committing to {self.topic}"
        try:
            await within(self.kafka.deadline_seconds, what, self._consumer.commit(offsets))
        except (CommitFailedError, IllegalStateError) as error:
            raise Superseded(f"{what} was refused: {sentence(error)}") from error
        except KafkaError as error:
            raise Unavailable(f"{what} failed: {sentence(error)}") from error

    def seek(self, partition: int, offset: int) -> None:
        """Read on from an offset; a partition that is gone meanwhile is its next owner's business."""
        if partition in self.assignment():
            self._consumer.seek(TopicPartition(self.topic, partition), offset)

    def pause(self, partitions: Iterable[int]) -> None:
        """Stop reading partitions without giving them up."""
        self._consumer.pause(*self._held(partitions))

    def resume(self, partitions: Iterable[int]) -> None:
        """Read paused partitions again."""
        self._consumer.resume(*self._held(partitions))

    async def ends(self) -> dict[int, int]:
        """One past the last offset of every partition of the topic, held or not."""
        tps = [TopicPartition(self.topic, p) for p in await self.kafka.partitions(self.topic)]
        found = await self.kafka.wait("reading end offsets", self._consumer.end_offsets(tps))
        return {tp.partition: offset for tp, offset in found.items()}

    async def unread(self, ends: Mapping[int, int]) -> bool:
        """Whether the log still holds a record before these offsets that no member has committed past."""
        committed = await self.kafka.committed(self.name, self.topic, ends)
        tps = [TopicPartition(self.topic, p) for p in ends]
        begins = await self.kafka.wait("reading first offsets", self._consumer.beginning_offsets(tps))
        read = {p: position.offset for p, position in committed.items()}
        return any(max(read.get(tp.partition, 0), begins[tp]) < ends[tp.partition] for tp in tps)

    async def lag(self) -> dict[int, int]:
        """Records not yet read, by partition held."""
        held = self._held(self.assignment())
        if not held:
            return {}
        ends = await self.kafka.wait("reading end offsets", self._consumer.end_offsets(held))
        lag = {}
        for tp, last in ends.items():
            position = await self.kafka.wait("reading a position", self._consumer.position(tp))
            lag[tp.partition] = max(0, last - position)
        return lag

    def _held(self, partitions: Iterable[int]) -> list[TopicPartition]:
        held = self.assignment()
        return [TopicPartition(self.topic, p) for p in partitions if p in held]

    async def _begin(self, tp: TopicPartition) -> None:
        log.info("new partition", topic=self.topic, partition=tp.partition, start=self._start_at)
        seek = self._consumer.seek_to_end if self._start_at == "latest" else self._consumer.seek_to_beginning
        await self.kafka.wait(f"finding the start of {self.topic}", seek(tp))
