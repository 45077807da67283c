"""The floor: a bare aiokafka loop that parses every value and does nothing with it. A process of its own.

    python -m tests.benchmarks.speed.floor BOOTSTRAP TOPIC RECORDS

It prints CPU and wall seconds from the first record to the last.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import orjson
from aiokafka import AIOKafkaConsumer


async def run(bootstrap: str, topic: str, number: int) -> dict[str, float]:
    """Read this number of records."""
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=8 * 2**20,  # as in the service
    )
    async with consumer:
        cpu, wall, read = time.process_time(), time.perf_counter(), 0
        while read < number:
            batches = await consumer.getmany(timeout_ms=100, max_records=500)
            for records in batches.values():
                for record in records:
                    orjson.loads(record.value)
                read += len(records)
        return {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(run(sys.argv[1], sys.argv[2], int(sys.argv[3])))))
