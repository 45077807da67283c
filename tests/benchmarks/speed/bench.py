"""The bench: a real Kafka with filled topics, and the CPU time of a process, measured from outside.

Wall time says little on a machine that does other work. So processes are compared by their CPU time over all
threads, which the kernel's scheduler counts (`/proc/PID/task/*/schedstat`, nanoseconds). The start of a
process does not count: its time begins with the first record.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.broker.kafka import KafkaBroker
from tests.support.processes import Server

__all__ = ["ROOT", "Annotator", "Bench", "Spent", "bench", "cpu_seconds", "program"]

ROOT = Path(__file__).parents[3]
FETCH_BYTES = 8 * 2**20
ENOUGH_SECONDS = 900.0
IN_FLIGHT = 50  # batches sent and not acknowledged yet, at most


def cpu_seconds(pid: int) -> float:
    """The CPU time that a process has used, in all its threads that still run."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):  # the thread has just ended
            continue
    return total / 1e9


async def program(name: str, *arguments: object) -> dict[str, Any]:
    """Run a module of `speed` as a program; the JSON that it prints. Raises RuntimeError if it fails."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"tests.benchmarks.speed.{name}", *map(str, arguments)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{name} failed with exit code {process.returncode}")
    found: dict[str, Any] = json.loads(said)
    return found


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU and wall time, in seconds."""

    cpu: float
    wall: float


class Bench:
    """A broker for benchmarks.

    Attributes:
        bootstrap: The address of the broker.
        directory: A directory for files.
    """

    def __init__(
        self, broker: KafkaBroker, admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer, directory: Path
    ) -> None:
        self.bootstrap = broker.bootstrap
        self.directory = directory
        self.admin = admin
        self._consumer = consumer
        self._number = 0

    async def create(self, topics: dict[str, int], **config: str) -> None:
        """Create topics: name to number of partitions."""
        new = [NewTopic(name, number, 1, topic_configs=config) for name, number in topics.items()]
        await self.admin.create_topics(new)
        while not set(topics) <= set(await self.admin.list_topics()):  # noqa: ASYNC110 - Kafka sends no notice
            await asyncio.sleep(0.05)

    async def fill(self, topic: str, values: Iterable[bytes], partitions: int) -> int:
        """Fill a topic, its partitions in turn; the number of records."""
        return await self.store(topic, ((None, value) for value in values), partitions)

    async def store(self, topic: str, records: Iterable[tuple[bytes | None, bytes]], partitions: int) -> int:
        """Fill a topic with keys and values, its partitions in turn; the number of records."""
        number = 0
        async with AIOKafkaProducer(bootstrap_servers=self.bootstrap, max_batch_size=2**18) as producer:
            batches = [producer.create_batch() for _ in range(partitions)]
            sent: deque[Awaitable[Any]] = deque()
            for number, (key, value) in enumerate(records, 1):
                place = number % partitions
                if batches[place].append(key=key, value=value, timestamp=None) is None:  # it is full
                    sent.append(await producer.send_batch(batches[place], topic, partition=place))
                    batches[place] = producer.create_batch()
                    batches[place].append(key=key, value=value, timestamp=None)
                if len(sent) > IN_FLIGHT:
                    await sent.popleft()
            for place, batch in enumerate(batches):
                if batch.record_count():
                    sent.append(await producer.send_batch(batch, topic, partition=place))
            for ack in sent:
                await ack
        return number

    async def begin(self, name: str, samples: str, partitions: int) -> None:
        """Commit offset 0 for an application: queries without a committed offset look like a loss."""
        tps = [TopicPartition(samples, partition) for partition in range(partitions)]
        async with AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap, group_id=f"{name}.select", enable_auto_commit=False
        ) as consumer:
            consumer.assign(tps)
            await consumer.commit(dict.fromkeys(tps, 0))

    async def ends(self, topics: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """One past the last offset of each."""
        found: dict[TopicPartition, int] = await self._consumer.end_offsets(topics)
        return found

    def settings(self, samples: str, *more: str) -> tuple[str, list[str]]:
        """A new application on a topic of samples: its name and its settings."""
        self._number += 1
        name = f"bench{self._number}"
        own = [
            f"topics.{part}={name}-{part}" for part in ("queries", "labels", "examples", "control", "leases")
        ]
        return name, [
            f"kafka.bootstrap_servers={self.bootstrap}",
            f"application={name}",
            f"topics.samples={samples}",
            *own,
            *more,
        ]

    async def topics(self, name: str, partitions: int) -> None:
        """Create the topics of an application except its samples. All but labels have one partition."""
        compacted = {f"{name}-{part}": 1 for part in ("queries", "control", "leases")}
        await self.create(compacted, **{"cleanup.policy": "compact"})
        rest = {f"{name}-labels": partitions, f"{name}-labels.dlq": 1, f"{name}-examples": 1}
        await self.create(rest)

    @asynccontextmanager
    async def serving(
        self, settings: Sequence[str], name: str, program: Sequence[str] = ("-m", "stream_al", "serve")
    ) -> AsyncIterator[Server]:
        """A `stream-al serve` that has just become ready."""
        server = Server(settings, self.directory, name, program=program)
        try:
            await server.launch()
            until = monotonic() + 120
            while "ready" not in server.said():
                if server.code is not None or monotonic() > until:
                    raise RuntimeError(f"the process does not start:\n{server.tail()}")
                await asyncio.sleep(0.005)
            yield server
        finally:
            await server.close()

    async def decided(self, name: str, samples: str, partitions: int) -> int:
        """How many samples an application has decided and committed."""
        tps = [TopicPartition(samples, partition) for partition in range(partitions)]
        found = await self.admin.list_consumer_group_offsets(f"{name}.select", partitions=tps)
        return sum(max(0, position.offset) for position in found.values())

    async def until_decided(self, name: str, samples: str, partitions: int, number: int) -> None:
        """Wait until an application has decided this number of samples."""
        until = monotonic() + ENOUGH_SECONDS
        while await self.decided(name, samples, partitions) < number:
            if monotonic() > until:
                raise RuntimeError(f"{name} has not decided {number} samples in {ENOUGH_SECONDS:g} s")
            await asyncio.sleep(0.05)

    async def until_learned(self, server: Server, annotator: Annotator, before: int) -> int:
        """Wait until every query has a label and every label is learned; how many labels.

        Args:
            server: The process.
            annotator: Sends the labels.
            before: How many examples it had learned before.
        """
        until, last = monotonic() + ENOUGH_SECONDS, -1
        while True:
            labels = annotator.labels
            if labels == last and await server.metric("model_examples") == before + labels:
                return labels
            if monotonic() > until:
                raise RuntimeError(f"not all labels are learned in {ENOUGH_SECONDS:g} s:\n{server.tail()}")
            last = labels
            await asyncio.sleep(0.5)  # a request costs the process time too


@asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    """Start a broker, and stop it at the end."""
    with tempfile.TemporaryDirectory() as directory:
        broker = await asyncio.to_thread(KafkaBroker.start, Path(directory, "broker"))
        try:
            admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
            await admin.start()
            try:
                async with AIOKafkaConsumer(bootstrap_servers=broker.bootstrap) as consumer:
                    yield Bench(broker, admin, consumer, Path(directory))
            finally:
                await admin.close()
        finally:
            await asyncio.to_thread(broker.stop)


class Annotator:
    """Labels every query at once whose label it has, in a task of the benchmark's own process.

    Attributes:
        labels: How many labels it has sent.
    """

    def __init__(self, bootstrap: str, name: str, messages: dict[bytes, bytes]) -> None:
        self.bootstrap = bootstrap
        self.name = name
        self.messages = messages
        self.labels = 0
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to label."""
        self._task = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """Send no more labels."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _work(self) -> None:
        consumer = AIOKafkaConsumer(
            f"{self.name}-queries",
            bootstrap_servers=self.bootstrap,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=FETCH_BYTES,
        )
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap, linger_ms=5)
        async with consumer, producer:
            while True:
                batches = await consumer.getmany(timeout_ms=200)
                for record in (record for batch in batches.values() for record in batch):
                    message = self.messages.get(record.key)
                    if record.value is not None and message is not None:
                        await producer.send(f"{self.name}-labels", message, key=record.key)
                        self.labels += 1
