"""Sending: records in batches of our own making.

`AIOKafkaProducer.send` takes a record at a time, with a future for each, and twenty microseconds. What a
batch of samples leads to is in hand at once, so it is laid into one batch for each partition, and each is
waited for.

Where a batch is refused for its size, nobody knows whose fault it is: a topic may take less than a batch, or
one record is too large for it. So each of its records is then sent alone, and the one that is refused again
gives way to what is to be sent in its place.

An idempotent producer numbers what it sends to a partition, and a batch that is refused leaves a gap in its
numbers: the broker takes nothing more of it for that partition. So whatever is sent after a refusal is sent
by a producer of its own.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError, OutOfOrderSequenceNumber
from aiokafka.partitioner import DefaultPartitioner

from stream_al.service.broker.protocols import Ack, Outgoing

__all__ = ["BATCH_BYTES", "send_all"]

Anew: TypeAlias = Callable[[], Awaitable[AIOKafkaProducer]]

BATCH_BYTES = 2**17  # of one partition, in one request; a larger record makes a batch of its own

_partition = DefaultPartitioner()  # Java's: equal keys go to one partition, whoever sends


class _Batch:
    """Records of one partition on their way.

    Attributes:
        whither: Topic and partition.
        places: Which of the records to send it holds.
        stamps: The times that they carry, in milliseconds.
    """

    def __init__(self, producer: AIOKafkaProducer, topic: str, partition: int) -> None:
        self.producer = producer
        self.topic_partition = topic, partition
        self.places: list[int] = []
        self.stamps: list[int] = []
        self._built: Any = producer.create_batch()
        self._delivered: asyncio.Future[Any] | None = None

    def add(self, place: int, record: Outgoing) -> bool:
        """Take a record in; false if there is no room left."""
        added = self._built.append(
            timestamp=None, key=record.key, value=record.value, headers=list(record.headers)
        )
        if added is None:
            return False
        self.places.append(place)
        self.stamps.append(added.timestamp)
        return True

    async def send(self) -> None:
        """Hand it to the producer."""
        sent = await self.producer.send_batch(
            self._built, self.topic_partition[0], partition=self.topic_partition[1]
        )
        # The first failure is raised; asyncio would log each of the others as forgotten.
        sent.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._delivered = sent

    async def acks(self) -> list[Ack]:
        """Wait until the broker has it."""
        assert self._delivered is not None, "it was not sent"  # noqa: S101 - only `send_all` makes batches
        found = await self._delivered
        return [
            Ack(
                self.topic_partition[1],
                found.offset + place,
                stamp if found.timestamp == -1 else found.timestamp,
            )
            for place, stamp in enumerate(self.stamps)
        ]


async def send_all(producer: AIOKafkaProducer, records: Sequence[Outgoing], anew: Anew) -> list[Ack]:
    """Send records and wait until the broker has every one, those of a partition in their order.

    Args:
        producer: Sends them.
        records: The records.
        anew: Gives another producer, in place of one that was refused something.

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
            acks.update(zip(batch.places, await batch.acks(), strict=True))
        except MessageSizeTooLargeError:
            refused.add(batch.topic_partition)
            left += batch.places
        except OutOfOrderSequenceNumber:
            if batch.topic_partition not in refused:
                raise
            left += batch.places
    if left:
        producer = await anew()
    for place in sorted(left):
        acks[place], producer = await _alone(producer, records[place], anew)
    return [acks[place] for place in range(len(records))]


async def _batches(producer: AIOKafkaProducer, records: Sequence[Outgoing]) -> list[_Batch]:
    """The records in as many batches as they need; the first ones of all partitions come first."""
    partitions = {topic: sorted(await producer.partitions_for(topic)) for topic in {r.topic for r in records}}
    waiting: dict[tuple[str, int], list[_Batch]] = defaultdict(list)
    for place, record in enumerate(records):
        partition = _partition(record.key, partitions[record.topic], [])
        filled = waiting[record.topic, partition]
        if not filled or not filled[-1].add(place, record):
            filled.append(_Batch(producer, record.topic, partition))
            filled[-1].add(place, record)
    most = max(map(len, waiting.values()))
    return [filled[turn] for turn in range(most) for filled in waiting.values() if turn < len(filled)]


async def _alone(producer: AIOKafkaProducer, record: Outgoing, anew: Anew) -> tuple[Ack, AIOKafkaProducer]:
    """Send one record, or what is to be sent in its place if the broker refuses its size."""
    given = record
    while True:
        (batch,) = await _batches(producer, [given])
        await batch.send()
        try:
            (ack,) = await batch.acks()
        except MessageSizeTooLargeError:
            producer = await anew()
            if given.replacement is None:
                raise
            given = given.replacement()
        else:
            return Ack(ack.partition, ack.offset, ack.timestamp_ms, given is not record), producer
