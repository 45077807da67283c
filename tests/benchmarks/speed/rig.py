"""The rig: a real Kafka, topics filled beforehand, and the CPU time of a process, seen from outside.

Wall time on a machine that does other things says little, so what is compared is the CPU time of the process
itself, all threads, out of the kernel's scheduler (`/proc/PID/task/*/schedstat`, nanoseconds). What a process
needs to start is not counted: everyone counts from the first record on.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.broker.kafka import KafkaBroker
from tests.faults.server import Server

__all__ = ["Annotator", "Rig", "cpu_seconds", "rig"]

FETCH_BYTES = 8 * 2**20
ENOUGH_SECONDS = 900.0


def cpu_seconds(pid: int) -> float:
    """The CPU time that a process has used, in all its threads that still run."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):  # it has just ended
            continue
    return total / 1e9


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU and wall time, in seconds."""

    cpu: float
    wall: float


class Rig:
    """A broker for benchmarks, and what is done with it.

    Attributes:
        bootstrap: Its address.
        directory: A place for files.
    """

    def __init__(self, broker: KafkaBroker, admin: AIOKafkaAdminClient, directory: Path) -> None:
        self.bootstrap = broker.bootstrap
        self.directory = directory
        self.admin = admin
        self._number = 0

    async def create(self, topics: dict[str, int], **config: str) -> None:
        """Create topics, each with so many partitions."""
        new = [NewTopic(name, number, 1, topic_configs=config) for name, number in topics.items()]
        await self.admin.create_topics(new)
        while not set(topics) <= set(await self.admin.list_topics()):  # noqa: ASYNC110 - Kafka tells nobody
            await asyncio.sleep(0.05)

    async def fill(self, topic: str, values: Iterable[bytes], partitions: int) -> int:
        """Fill a topic, its partitions in turn; the number of records."""
        number = 0
        async with AIOKafkaProducer(
            bootstrap_servers=self.bootstrap, linger_ms=20, max_batch_size=2**18
        ) as producer:
            sent = None
            for number, value in enumerate(values, 1):
                sent = await producer.send(topic, value, partition=number % partitions)
            await producer.flush()
            if sent is not None:
                await sent
        return number

    def settings(self, samples: str, *more: str) -> tuple[str, list[str]]:
        """An application of its own over a topic of samples, and its settings."""
        self._number += 1
        name = f"bench{self._number}"
        own = [f"topics.{part}={name}-{part}" for part in ("queries", "labels", "examples", "control")[:3]]
        return name, [
            f"kafka.bootstrap_servers={self.bootstrap}",
            f"application={name}",
            f"topics.samples={samples}",
            *own,
            *more,
        ]

    async def topics(self, name: str, partitions: int) -> None:
        """The topics of an application, but for its samples."""
        await self.create({f"{name}-queries": partitions}, **{"cleanup.policy": "compact,delete"})
        rest = {f"{name}-labels": partitions, f"{name}-labels.dlq": 1, f"{name}-examples": 1}
        await self.create(rest)

    @asynccontextmanager
    async def serving(
        self, settings: Sequence[str], name: str, program: Sequence[str] = ("-m", "stream_al", "serve")
    ) -> AsyncIterator[Server]:
        """A `stream-al serve` that is ready and has read nothing, as far as can be."""
        server = Server(settings, self.directory, name, program=program)
        try:
            await server.launch()
            until = monotonic() + 120
            while "ready" not in server.said():
                if server.code is not None or monotonic() > until:
                    raise RuntimeError(f"it does not start:\n{server.tail()}")
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
        """Wait until an application has decided so many samples."""
        until = monotonic() + ENOUGH_SECONDS
        while await self.decided(name, samples, partitions) < number:
            if monotonic() > until:
                raise RuntimeError(f"{name} has not decided {number} samples in {ENOUGH_SECONDS:g} s")
            await asyncio.sleep(0.05)


@asynccontextmanager
async def rig() -> AsyncIterator[Rig]:
    """A broker that is started and ended."""
    with tempfile.TemporaryDirectory() as directory:
        broker = await asyncio.to_thread(KafkaBroker.start, Path(directory, "broker"))
        try:
            admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
            await admin.start()
            try:
                yield Rig(broker, admin, Path(directory))
            finally:
                await admin.close()
        finally:
            await asyncio.to_thread(broker.stop)


class Annotator:
    """Answers every query at once, in a task of the benchmark's own process.

    Attributes:
        answers: How many labels it has sent.
    """

    def __init__(self, bootstrap: str, name: str, answer: dict[bytes, bytes]) -> None:
        self.bootstrap = bootstrap
        self.name = name
        self.answer = answer
        self.answers = 0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Annotator:
        self._task = asyncio.create_task(self._work())
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._task is not None
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
                    if record.value is not None:
                        await producer.send(f"{self.name}-labels", self.answer[record.key], key=record.key)
                        self.answers += 1
