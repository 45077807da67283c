"""The relay: a bare aiokafka loop that sends a share of its records on. A process of its own.

    python -m tests.benchmarks.speed.relay BOOTSTRAP FROM TO SHARE

It reads as the service does, and sends the records of a poll together, with the same guarantees. It decides
by a hash of the key, and runs until it is ended.
"""

from __future__ import annotations

import asyncio
import sys
from zlib import crc32

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

FETCH_BYTES = 8 * 2**20  # as in the service


async def run(bootstrap: str, source: str, target: str, share: float) -> None:
    """Relay until the process ends."""
    consumer = AIOKafkaConsumer(
        source,
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=200,
        max_partition_fetch_bytes=FETCH_BYTES,
    )
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    limit = int(share * 2**32)
    async with consumer, producer:
        while True:
            batches = await consumer.getmany(timeout_ms=200, max_records=500)
            sent = [
                await producer.send(target, record.value, key=record.key)
                for records in batches.values()
                for record in records
                if crc32(record.key) < limit
            ]
            if sent:
                await asyncio.gather(*sent)


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])))
