"""The producer of a cluster, and its replacement after a failure.

After a deadline the idempotent producer still holds its batches: it may send them later, or be stuck on a
fatal sequence error. So a producer that failed is abandoned, and the next call makes a new one. Records may
thus reach the broker twice; their keys make that harmless.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from aiokafka import AIOKafkaProducer

from stream_al.errors import Unavailable
from stream_al.service.broker.kafka.batches import BATCH_BYTES, send_all
from stream_al.service.broker.kafka.connection import Connection
from stream_al.service.broker.protocols import Ack, Outgoing
from stream_al.service.timing.deadline import Deadline

__all__ = ["Producer"]

MAX_REQUEST_BYTES = 64 * 2**20  # larger than any record that the settings allow; the broker decides


class Producer:
    """Sends records.

    Args:
        connection: The cluster.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._running: AIOKafkaProducer | None = None
        self._lock = asyncio.Lock()
        self._stopping: set[asyncio.Task[None]] = set()

    async def start(self) -> AIOKafkaProducer:
        """Connect, unless that is done. Raises as `Connection.connect`."""
        async with self._lock:
            if self._running is None:
                settings = self._connection.settings
                producer = AIOKafkaProducer(
                    **self._connection.options(),
                    acks="all",
                    enable_idempotence=settings.idempotent,
                    compression_type=None if settings.compression == "none" else settings.compression,
                    max_request_size=MAX_REQUEST_BYTES,
                    max_batch_size=BATCH_BYTES,
                )
                await self._connection.connect(producer.start(), producer.stop)
                self._running = producer
            return self._running

    async def stop(self, deadline: Deadline) -> None:
        """Disconnect; give up quietly after the deadline."""
        running, self._running = self._running, None
        if running is not None:
            await self._connection.close(running.stop, deadline.left)
        if self._stopping:
            _, late = await asyncio.wait(self._stopping, timeout=deadline.left)
            for stopping in late:
                stopping.cancel()

    async def send(self, records: Sequence[Outgoing]) -> list[Ack]:
        """Send records and wait until the broker has every one. Raises Unavailable."""
        if not records:
            return []
        producer = await self.start()
        try:
            what = f"sending {len(records)} records"
            acks: list[Ack] = await self._connection.wait(what, send_all(producer, records, self._replace))
        except Unavailable:
            self._abandon(producer)
            raise
        return acks

    async def _replace(self) -> AIOKafkaProducer:
        """A new producer in the place of the one that runs."""
        if self._running is not None:
            self._abandon(self._running)
        return await self.start()

    def _abandon(self, producer: AIOKafkaProducer) -> None:
        """Use a producer no more; it stops in the background."""
        if self._running is producer:
            self._running = None
        stopping = asyncio.create_task(
            self._connection.close(producer.stop, self._connection.deadline_seconds)
        )
        self._stopping.add(stopping)
        stopping.add_done_callback(self._stopping.discard)
