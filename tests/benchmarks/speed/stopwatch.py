"""The stopwatch: sends samples by a schedule and notes when each of their queries can be read.

    python -m tests.benchmarks.speed.stopwatch '{"bootstrap": ..., "samples": ..., "queries": ..., ...}'

A process of its own, with one clock for both ends. *Open loop*: sample i is due at i / rate, whatever became
of those before it. Nobody waits for an answer before sending on, so while the subject stands still the
samples go on arriving and each of them is counted as late as it is: no coordinated omission. How late the
acknowledgements themselves are against the schedule is printed too: a stopwatch that cannot keep up must not
pass for a fast subject. It is also the annotator: it answers a query when it has noted the time.

Prints the milliseconds from the acknowledgement of a sample to its query, of all samples after the warm-up.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict, dataclass
from time import perf_counter

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from tests.benchmarks.speed.stored import repeated

__all__ = ["Load"]

QUIET_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Load:
    """What is to be sent, and where.

    Attributes:
        bootstrap: The broker.
        samples: The topic to send to, of two partitions.
        queries: The topic to read from.
        labels: The topic for answers; None: nobody answers.
        prefix: Of the ids.
        rate: Samples a second.
        seconds: How long, with the warm-up.
        warm_seconds: What comes sooner is not counted.
    """

    bootstrap: str
    samples: str
    queries: str
    labels: str | None
    prefix: str
    rate: int
    seconds: float
    warm_seconds: float = 1.0

    def arguments(self) -> str:
        """The argument of the program."""
        return json.dumps(asdict(self))


class Stopwatch:
    """One measurement."""

    def __init__(self, load: Load) -> None:
        self.load = load
        rows = list(repeated(int(load.rate * load.seconds), load.prefix))
        self.samples = [(row.id.encode(), row.encoded()) for row in rows]
        self.answers = {row.id.encode(): row.answer() for row in rows}
        self.due: dict[bytes, float] = {}
        self.acknowledged: dict[bytes, float] = {}
        self.readable: dict[bytes, float] = {}

    async def run(self) -> dict[str, list[float]]:
        """Send, read until it is quiet, and compare."""
        # TopicPartitions by hand: with a subscription the first reading could begin after the first query.
        consumer = AIOKafkaConsumer(bootstrap_servers=self.load.bootstrap, fetch_max_wait_ms=200)
        producer = AIOKafkaProducer(bootstrap_servers=self.load.bootstrap)
        async with consumer, producer:
            topic = TopicPartition(self.load.queries, 0)
            consumer.assign([topic])
            await consumer.seek_to_end(topic)
            await consumer.position(topic)
            reading = asyncio.create_task(self._read(consumer, producer))
            await self._send(producer)
            await producer.flush()
            seen = -1
            while seen < len(self.readable):
                seen = len(self.readable)
                await asyncio.sleep(QUIET_SECONDS)
            reading.cancel()
            await asyncio.wait({reading})
        first = min(self.due.values()) + self.load.warm_seconds
        counted = [key for key, due in self.due.items() if due >= first]
        return {
            "delay": [1e3 * (self.readable[k] - self.acknowledged[k]) for k in counted if k in self.readable],
            "acknowledged": [1e3 * (self.acknowledged[k] - self.due[k]) for k in counted],
        }

    async def _send(self, producer: AIOKafkaProducer) -> None:
        begin = perf_counter()
        for index, (key, value) in enumerate(self.samples):
            due = begin + index / self.load.rate
            if (early := due - perf_counter()) > 0:
                await asyncio.sleep(early)
            self.due[key] = due
            sent = await producer.send(self.load.samples, value, key=key, partition=index % 2)
            sent.add_done_callback(lambda _, key=key: self.acknowledged.setdefault(key, perf_counter()))

    async def _read(self, consumer: AIOKafkaConsumer, producer: AIOKafkaProducer) -> None:
        while True:
            batches = await consumer.getmany(timeout_ms=200)
            now = perf_counter()
            for record in (record for batch in batches.values() for record in batch):
                if record.key in self.answers and record.value is not None:
                    self.readable.setdefault(record.key, now)
                    if self.load.labels is not None:
                        await producer.send(self.load.labels, self.answers[record.key], key=record.key)


if __name__ == "__main__":
    given = Load(**json.loads(sys.argv[1]))
    sys.stdout.write(json.dumps(asyncio.run(Stopwatch(given).run())))
