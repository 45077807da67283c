"""Sending: records in batches that are made here.

`AIOKafkaProducer.send` takes one record at a time, makes a future for each, and needs twenty microseconds
for each. A batch of samples leads to many records at once. They are put into one batch per partition here,
and only the batches are waited for.

When the broker refuses a batch because of its size, the cause is unknown: either the topic takes less than a
batch, or one record is too large. So each record of that batch is then sent alone. A record that is refused
again is replaced by its `replacement`.

An idempotent producer numbers what it sends to a partition. A refused batch leaves a gap in the numbers, and
the broker accepts nothing more from this producer for this partition. So after a refusal a new producer
sends the rest.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError, OutOfOrderSequenceNumber
from aiokafka.partitioner import DefaultPartitioner

from stream_al.service.broker.protocols import Ack, Outgoing

__all__ = ["BATCH_BYTES", "send_all"]

NewProducer: TypeAlias = Callable[[], Awaitable[AIOKafkaProducer]]

BATCH_BYTES = 2**17  # of one partition, in one request; a larger record gets a batch of its own

_partition = DefaultPartitioner()  # that of the Java client: equal keys go to one partition from any client


class _Batch:
    """Records of one partition.

    Attributes:
        topic_partition: Topic and partition.
        indexes: The indexes of these records among all records to send.
        timestamps_ms: The timestamps that the records carry.
    """

    def __init__(self, producer: AIOKafkaProducer, topic: str, partition: int) -> None:
        self.producer = producer
        self.topic_partition = topic, partition
        self.indexes: list[int] = []
        self.timestamps_ms: list[int] = []
        self._builder: Any = producer.create_batch()
        self._delivery: asyncio.Future[Any] | None = None

    def add(self, index: int, record: Outgoing) -> bool:
        """Add a record; false if the batch has no room for it."""
        added = self._builder.append(
            timestamp=None, key=record.key, value=record.value, headers=list(record.headers)
        )
        if added is None:
            return False
        self.indexes.append(index)
        self.timestamps_ms.append(added.timestamp)
        return True

    async def send(self) -> None:
        """Hand the batch to the producer."""
        topic, partition = self.topic_partition
        delivery = await self.producer.send_batch(self._builder, topic, partition=partition)
        # `send_all` raises the first failure; asyncio would log the others as never retrieved.
        delivery.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._delivery = delivery

    async def acks(self) -> list[Ack]:
        """Wait until the broker has the batch."""
        assert self._delivery is not None, "call send first"  # noqa: S101 - only this module makes batches
        found = await self._delivery
        return [
            Ack(
                self.topic_partition[1],
                found.offset + number,
                timestamp_ms if found.timestamp == -1 else found.timestamp,
                by_broker=found.timestamp != -1,
            )
            for number, timestamp_ms in enumerate(self.timestamps_ms)
        ]


async def send_all(
    producer: AIOKafkaProducer, records: Sequence[Outgoing], new_producer: NewProducer
) -> list[Ack]:
    """Send records and wait until the broker has every one; the order within a partition is kept.

    Args:
        producer: Sends them.
        records: The records.
        new_producer: Gives another producer, after the broker has refused something.

    Raises:
        KafkaError: Not all were sent.
    """
    acks: dict[int, Ack] = {}
    batches = await _batches(producer, records)
    for batch in batches:
        await batch.send()
    refused: set[tuple[str, int]] = set()
    left: list[int] = []
    for batch in batches:
        try:
            acks.update(zip(batch.indexes, await batch.acks(), strict=True))
        except MessageSizeTooLargeError:
            refused.add(batch.topic_partition)
            left += batch.indexes
        except OutOfOrderSequenceNumber:
            if batch.topic_partition not in refused:
                raise
            left += batch.indexes
    if left:
        producer = await new_producer()
    for index in sorted(left):
        acks[index], producer = await _send_alone(producer, records[index], new_producer)
    return [acks[index] for index in range(len(records))]


async def _batches(producer: AIOKafkaProducer, records: Sequence[Outgoing]) -> list[_Batch]:
    """The records in as many batches as they need; the first batches of all partitions come first."""
    partitions = {topic: sorted(await producer.partitions_for(topic)) for topic in {r.topic for r in records}}
    filled: dict[tuple[str, int], list[_Batch]] = defaultdict(list)
    for index, record in enumerate(records):
        partition = _partition(record.key, partitions[record.topic], [])
        batches = filled[record.topic, partition]
        if not batches or not batches[-1].add(index, record):
            batches.append(_Batch(producer, record.topic, partition))
            batches[-1].add(index, record)
    most = max(map(len, filled.values()))
    return [batches[number] for number in range(most) for batches in filled.values() if number < len(batches)]


async def _send_alone(
    producer: AIOKafkaProducer, record: Outgoing, new_producer: NewProducer
) -> tuple[Ack, AIOKafkaProducer]:
    """Send one record, or its replacement if the broker refuses its size; also return the next producer."""
    attempted = record
    while True:
        (batch,) = await _batches(producer, [attempted])
        await batch.send()
        try:
            (ack,) = await batch.acks()
        except MessageSizeTooLargeError:
            producer = await new_producer()
            if attempted.replacement is None:
                raise
            attempted = attempted.replacement()
        else:
            return msgspec.structs.replace(ack, replaced=attempted is not record), producer
