"""A load of samples, sent by a schedule; it measures when each query can be read. A process of its own.

    python -m tests.benchmarks.speed.sample_load '{"bootstrap": ..., "samples": ..., "queries": ..., ...}'

One process sends and reads, so both times are of one clock. The load is an *open loop*: sample i is due at i
/ rate, whatever happened to the samples before it. While the service stands still the samples go on coming,
and each counts with its full delay: there is no coordinated omission. The delay of the acknowledgements
against the schedule is printed too, because a load that is late itself would make the service look fast. The
process is also the annotator: it labels a query after it has noted the time.

It prints the milliseconds from the acknowledgement of a sample to its query, for all samples after the
warm-up.
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
    """What is sent, and where.

    Attributes:
        bootstrap: The broker.
        samples: The topic to send to, of two partitions.
        queries: The topic to read from.
        labels: The topic for labels; None sends no labels.
        prefix: The beginning of every id.
        rate: Samples a second.
        seconds: For how long, with the warm-up.
        warm_seconds: For how long samples do not count.
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


class SampleLoad:
    """One measurement."""

    def __init__(self, load: Load) -> None:
        self.load = load
        rows = list(repeated(int(load.rate * load.seconds), load.prefix))
        self.samples = [(row.id.encode(), row.encoded()) for row in rows]
        self.labels = {row.id.encode(): row.label_message() for row in rows}
        self.due: dict[bytes, float] = {}
        self.acknowledged: dict[bytes, float] = {}
        self.readable: dict[bytes, float] = {}

    async def run(self) -> dict[str, list[float]]:
        """Send the samples, read until no more queries come, and compare the times."""
        # Assigned by hand: with a subscription, reading could begin after the first query.
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
                if record.key in self.labels and record.value is not None:
                    self.readable.setdefault(record.key, now)
                    if self.load.labels is not None:
                        await producer.send(self.load.labels, self.labels[record.key], key=record.key)


if __name__ == "__main__":
    given = Load(**json.loads(sys.argv[1]))
    sys.stdout.write(json.dumps(asyncio.run(SampleLoad(given).run())))
