"""A reader of a whole topic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from stream_al.errors import Unavailable
from stream_al.service.broker.kafka.common import FETCH_BYTES, end, gap, record_of
from stream_al.service.broker.protocols import Record

if TYPE_CHECKING:
    from stream_al.service.broker.kafka.cluster import Kafka

__all__ = ["KafkaReader"]


class KafkaReader:
    """One reader of a whole topic, outside any group.

    Args:
        expiring: Whether the topic forgets old records as a matter of course: a reader that falls
            behind goes on at the first record left. Elsewhere that is a loss, and raised as one.
    """

    def __init__(self, kafka: Kafka, topic: str, *, expiring: bool) -> None:
        self.kafka = kafka
        self.topic = topic
        self._partitions: list[TopicPartition] = []
        self._next: dict[int, int] = {}
        self._reset = "earliest" if expiring else "none"
        self._running: AIOKafkaConsumer | None = None

    @property
    def _consumer(self) -> AIOKafkaConsumer:
        if self._running is None:
            raise Unavailable(f"the reader of {self.topic} is not started")
        return self._running

    async def start(self) -> None:
        """Begin at the first record of every partition; anew, if an earlier attempt failed."""
        await self.stop(1.0)
        consumer = AIOKafkaConsumer(
            **self.kafka.common(),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset=self._reset,
            fetch_max_wait_ms=int(self.kafka.settings.limits.poll_seconds * 1000),
            max_partition_fetch_bytes=FETCH_BYTES,
        )
        await self.kafka.connect(consumer.start(), consumer.stop)
        self._running = consumer
        self._partitions = [TopicPartition(self.topic, p) for p in await self.kafka.partitions(self.topic)]
        self._consumer.assign(self._partitions)
        for partition, offset in (await self.begin()).items():
            await self.seek(partition, offset)

    async def stop(self, deadline_seconds: float) -> None:
        """Stop; give up quietly after the deadline."""
        if self._running is not None:
            await end(self._running.stop(), deadline_seconds)
        self._running = None

    async def poll(self, max_records: int, timeout_seconds: float) -> list[Record]:
        """The next records, in order within a partition; empty when none came in time."""
        try:
            batch = await self.kafka.fetch(self._consumer, self.topic, max_records, timeout_seconds)
        except OffsetOutOfRangeError as error:
            raise gap(error, "start again: where that is refused, it says what to do") from error
        except Unavailable:
            for partition, offset in self._next.items():  # what a failed poll may have taken is read again
                await self.seek(partition, offset)
            raise
        for tp, records in batch.items():
            self._next[tp.partition] = records[-1].offset + 1
        return [record_of(record) for records in batch.values() for record in records]

    async def begin(self) -> dict[int, int]:
        """The first offset that the log still holds, by partition."""
        found = await self.wait("reading first offsets", self._consumer.beginning_offsets(self._partitions))
        return {tp.partition: offset for tp, offset in found.items()}

    async def end(self) -> dict[int, int]:
        """One past the last offset, by partition."""
        found = await self.wait("reading end offsets", self._consumer.end_offsets(self._partitions))
        return {tp.partition: offset for tp, offset in found.items()}

    async def position(self) -> dict[int, int]:
        """The next offset to read, by partition."""
        return {
            tp.partition: await self.wait("reading a position", self._consumer.position(tp))
            for tp in self._partitions
        }

    async def seek(self, partition: int, offset: int) -> None:
        """Read on from an offset."""
        self._next[partition] = offset
        self._consumer.seek(TopicPartition(self.topic, partition), offset)

    async def wait(self, what: str, waiting: Any) -> Any:
        """Wait for an answer about this topic. Raises Unavailable."""
        return await self.kafka.wait(f"{what} of {self.topic}", waiting)
