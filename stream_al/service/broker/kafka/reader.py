"""A reader of a whole topic."""

from __future__ import annotations

from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from stream_al.errors import Unavailable
from stream_al.service.broker.kafka.connection import Connection
from stream_al.service.broker.kafka.conversion import offset_lost, to_record
from stream_al.service.broker.protocols import Record

__all__ = ["KafkaReader"]


class KafkaReader:
    """One reader of a whole topic, outside any group.

    Args:
        connection: The cluster.
        topic: The topic.
        expiring: Whether records may expire before they are read. If so, a reader that falls behind
            continues at the first record left; if not, it raises `StateLost`.
    """

    def __init__(self, connection: Connection, topic: str, *, expiring: bool) -> None:
        self.topic = topic
        self._connection = connection
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
        """Begin at the first record of every partition; a second call begins again."""
        await self.stop(1.0)
        self._running = await self._connection.consumer(group_id=None, auto_offset_reset=self._reset)
        partitions = await self._connection.partitions(self.topic)
        self._partitions = [TopicPartition(self.topic, partition) for partition in partitions]
        self._consumer.assign(self._partitions)
        for partition, offset in (await self.beginning_offsets()).items():
            await self.seek(partition, offset)

    async def stop(self, deadline_seconds: float) -> None:
        """Stop; give up quietly after the deadline."""
        running, self._running = self._running, None
        if running is not None:
            await self._connection.close(running.stop, deadline_seconds)

    async def poll(self, max_records: int, timeout_seconds: float) -> list[Record]:
        """The next records, in order within a partition; empty if none came in time."""
        await self._follow_partitions()
        try:
            batch = await self._connection.fetch(self._consumer, self.topic, max_records, timeout_seconds)
        except OffsetOutOfRangeError as error:
            raise offset_lost(error, "start the service again; if it refuses, it says what to do") from error
        except Unavailable:
            for partition, offset in self._next.items():  # the failed poll may have taken records: read again
                await self.seek(partition, offset)
            raise
        found = [to_record(record) for records in batch.values() for record in records]
        self._next |= {record.partition: record.next_offset for record in found}
        return found

    async def _follow_partitions(self) -> None:
        """Read the partitions, too, that were added to the topic since the start."""
        known = self._consumer.partitions_for_topic(self.topic) or set()
        added = sorted(known - {tp.partition for tp in self._partitions})
        if not added:
            return
        positions = await self.positions()
        new = [TopicPartition(self.topic, partition) for partition in added]
        first = await self._wait("reading first offsets", self._consumer.beginning_offsets(new))
        self._partitions += new
        self._consumer.assign(self._partitions)
        for partition, offset in positions.items() | {(tp.partition, at) for tp, at in first.items()}:
            await self.seek(partition, offset)

    async def beginning_offsets(self) -> dict[int, int]:
        """The first offset that the topic still holds, by partition."""
        found = await self._wait("reading first offsets", self._consumer.beginning_offsets(self._partitions))
        return {tp.partition: offset for tp, offset in found.items()}

    async def end_offsets(self) -> dict[int, int]:
        """One past the last offset, by partition."""
        found = await self._wait("reading end offsets", self._consumer.end_offsets(self._partitions))
        return {tp.partition: offset for tp, offset in found.items()}

    async def positions(self) -> dict[int, int]:
        """The next offset to read, by partition."""
        return {
            tp.partition: await self._wait("reading a position", self._consumer.position(tp))
            for tp in self._partitions
        }

    async def seek(self, partition: int, offset: int) -> None:
        """Continue at an offset."""
        self._next[partition] = offset
        self._consumer.seek(TopicPartition(self.topic, partition), offset)

    async def _wait(self, what: str, waiting: Any) -> Any:
        return await self._connection.wait(f"{what} of {self.topic}", waiting)
