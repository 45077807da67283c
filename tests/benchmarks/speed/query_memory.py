"""How much memory a pending query takes. A process of its own.

    python -m tests.benchmarks.speed.query_memory QUERIES

It reads queries into `PendingQueries`, as a start does. It prints the bytes that Python has allocated for
each, and the bytes of its message.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tracemalloc
from collections.abc import Iterator
from itertools import islice
from time import time

from stream_al.service.broker.protocols import Record
from stream_al.service.loops.pending import PendingQueries
from stream_al.service.timing.clock import SYSTEM_CLOCK
from stream_al.settings import Settings
from tests.benchmarks.speed.stored import queries


class Topic:
    """A reader of queries that are made when they are read, so that nothing else holds them."""

    topic = "queries"

    def __init__(self, number: int) -> None:
        self.bytes = 0
        self._records = self._made(number)

    def _made(self, number: int) -> Iterator[Record]:
        for offset, (key, value) in enumerate(queries(number)):
            self.bytes += len(value)
            yield Record(self.topic, 0, offset, int(time() * 1000), key, value)

    async def poll(self, max_records: int, timeout_seconds: float) -> list[Record]:
        """The next records."""
        return list(islice(self._records, max_records))


async def run(number: int) -> dict[str, float]:
    """Measure the memory of this number of queries."""
    topic = Topic(number)
    pending = PendingQueries(topic, Settings(), SYSTEM_CLOCK, lambda sample_id, version: False)  # type: ignore[arg-type]
    tracemalloc.start()
    while await pending.step(0.0):
        pass
    del topic._records
    held, _ = tracemalloc.get_traced_memory()
    return {"held": held / len(pending), "message": topic.bytes / len(pending)}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(run(int(sys.argv[1])))))
