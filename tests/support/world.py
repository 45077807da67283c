"""The world around the service in a test: a stream, annotators, replicas, and a view of every topic.

A world is one application on one broker.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

import msgspec
from pydantic import SecretStr

from stream_al.errors import Unavailable
from stream_al.service import maintenance
from stream_al.service.broker.kafka import Kafka
from stream_al.service.broker.protocols import Broker, Headers, Outgoing, Reader, Record, Topic
from stream_al.service.broker.readers import is_behind
from stream_al.service.broker.topics import required_topics
from stream_al.service.control import TIME
from stream_al.service.timing.clock import Clock
from stream_al.settings import Settings, load
from tests.support.memory_broker import MemoryBroker
from tests.support.memory_client import MemoryClient
from tests.support.replica import DEADLINE_SECONDS, Replica
from tests.support.stream import query, sample, truth

HOSTILE = ("hostile", b"")
"""The header of records that a test writes to do harm."""
MakeWorld = Callable[..., Awaitable["World"]]
STOP_SECONDS = 5.0
LARGEST_SAMPLE = 4_000_000

BASICS = [
    "model.definition=GaussianNB()",
    "budget.share=0.2",
    "snapshots.every_examples=7",
    "kafka.session_timeout_seconds=6",
    "limits.poll_seconds=0.05",
    "limits.backoff_seconds=0.01",
    "limits.backoff_max_seconds=0.05",
    "limits.batch_records=20",
    "http.enabled=false",
]


class Address(Protocol):
    """The address of a broker, and what kind of broker it is."""

    @property
    def real(self) -> bool:
        """Whether it is Apache Kafka."""

    @property
    def settings(self) -> list[str]:
        """The settings of a client of this broker."""


class World:
    """One application on one broker.

    Attributes:
        clock: The clock of every replica that starts from now on.
    """

    def __init__(self, settings: Settings, connect: Callable[[Settings], Broker], directory: Path) -> None:
        self.settings = settings
        self.topics = settings.topics
        self.connect = connect
        self.directory = directory
        self.clock = Clock()
        self.broker: MemoryBroker | None = None
        self.written: list[str] = []
        self.keeps_metadata = self.limits_size = True
        self.client = connect(settings)
        self.replicas: list[Replica] = []
        self.labelled: set[str] = set()
        self._endings: list[Callable[[], Awaitable[None]]] = []
        self._readers: dict[str, tuple[Reader, list[Record]]] = {}
        self._one_at_a_time = asyncio.Lock()  # two readings at once could keep records out of order

    def at_pace(self, **pace: float) -> None:
        """Let replicas that start from now on work at another pace."""
        self.clock = Clock(replace(self.clock.pace, **pace))  # type: ignore[arg-type]  # whole numbers too

    async def start(self, name: str = "a") -> Replica:
        """Start a replica with its own snapshot directory, and wait until it is ready."""
        replica = self.launch(name)
        await self.until(lambda: replica.app.ready, f"replica {name} is ready")
        return replica

    def launch(self, name: str = "a", directory: str | None = None, key: str | None = None) -> Replica:
        """Start a replica, with its own snapshot directory unless another one is given."""
        place = {"directory": directory or str(self.snapshots(name)), "key": key and SecretStr(key)}
        own = self.settings.snapshots.model_copy(update=place)
        settings = self.settings.model_copy(update={"snapshots": own})
        replica = Replica(settings, self.connect(settings), self.clock)
        self.replicas.append(replica)
        return replica

    def snapshots(self, name: str) -> Path:
        """The snapshot directory of a replica."""
        return self.directory / f"snapshots-{name}"

    async def until(self, condition: Callable[[], Any], what: str) -> None:
        """Wait until a condition holds; fail after a deadline, or with the error that has ended a replica."""
        end = monotonic() + DEADLINE_SECONDS
        while True:
            found = condition()
            if found if not isinstance(found, Awaitable) else await found:
                return
            for replica in self.replicas:
                replica.check()
            assert monotonic() < end, f"not within {DEADLINE_SECONDS:g} s: {what}"
            await asyncio.sleep(0.02)

    async def send(
        self,
        topic: str,
        values: Iterable[Any],
        keys: Sequence[bytes | None] | None = None,
        headers: Headers = (),
    ) -> None:
        """Send values, as JSON unless they are bytes or None, under their ids unless keys are given."""
        out = []
        for number, value in enumerate(values):
            raw = value if isinstance(value, bytes | None) else msgspec.json.encode(value)
            named = str(value["id"]).encode() if isinstance(value, dict) and "id" in value else None
            out.append(Outgoing(topic, keys[number] if keys else named, raw, headers))
        await self.client.send(out)

    async def samples(self, number: int, start: int = 0) -> list[dict[str, Any]]:
        """Send samples s<start>, s<start + 1>, ...; return them."""
        made = [sample(n) for n in range(start, start + number)]
        await self.send(self.topics.samples, made)
        return made

    async def ask(self, *sample_ids: str, life_ms: int = 3_600_000) -> None:
        """Publish queries, as another replica would."""
        await self.send(self.topics.queries, [query(i, life_ms) for i in sample_ids])

    async def label(self, sample_id: str, label: Any = "up", **more: Any) -> None:
        """Send one label."""
        await self.send(self.topics.labels, [{"id": sample_id, "label": label, **more}])

    async def label_queries(self) -> None:
        """Send the true label of every query that has none yet."""
        asked = {q["id"]: q for q in await self.queries() if q["id"] not in self.labelled}
        self.labelled |= asked.keys()
        truths = [{"id": i, "label": truth(q["features"]), "annotator": "ann"} for i, q in asked.items()]
        await self.send(self.topics.labels, truths)

    async def records(self, topic: str) -> list[Record]:
        """All that a topic holds now, in order within a partition."""
        async with self._one_at_a_time:
            if topic not in self._readers:
                self._readers[topic] = (await self._reader(topic), [])
            reader, seen = self._readers[topic]
            end = await reader.end_offsets()
            while await is_behind(reader, end):
                seen += await reader.poll(1000, 0.2)
            return list(seen)

    async def changes(self) -> list[Record]:
        """What operators have changed: the records of `control`, without those that ask for the time."""
        return [record for record in await self.records(self.topics.control) if record.key != TIME]

    async def _reader(self, topic: str) -> Reader:
        end = monotonic() + DEADLINE_SECONDS
        while True:
            reader = self.client.reader(topic, expiring=True)
            try:
                await reader.start()
            except Unavailable:  # a topic is not everywhere at once
                await reader.stop(STOP_SECONDS)
                assert monotonic() < end, f"{topic} cannot be read"
                await asyncio.sleep(0.1)
            else:
                return reader

    async def messages(self, topic: str) -> list[dict[str, Any]]:
        """The values of a topic, without tombstones and hostile records."""
        records = [r for r in await self.records(topic) if r.value is not None and HOSTILE not in r.headers]
        return [msgspec.json.decode(r.value or b"") for r in records]

    async def queries(self) -> list[dict[str, Any]]:
        return await self.messages(self.topics.queries)

    async def examples(self) -> list[dict[str, Any]]:
        return await self.messages(self.topics.examples)

    async def decided(self) -> set[str]:
        """Ids of the samples that have a prediction."""
        return {p["id"] for p in await self.messages(str(self.topics.predictions))}

    async def open_queries(self) -> set[str]:
        """The ids in `queries` whose last record is not a tombstone."""
        last = {r.key: r.value for r in await self.records(self.topics.queries)}
        return {key.decode() for key, value in last.items() if key and value is not None}

    async def settle(self, ids: Iterable[str]) -> None:
        """Label queries until all samples are decided, all queries labelled, all examples learned."""
        wanted = set(ids)

        async def settled() -> bool:
            if not await self.decided() >= wanted or not await self.all_applied():
                return False
            await self.label_queries()
            asked = {q["id"] for q in await self.queries()}
            learned = {e["id"] for e in await self.examples()}
            end = len(await self.records(self.topics.examples))
            return asked <= learned and all(r.offset == end and not r.app.pending for r in self.running)

        await self.until(settled, "all is decided, labelled and learned")

    @property
    def running(self) -> list[Replica]:
        """The replicas that have not ended."""
        return [replica for replica in self.replicas if not replica.task.done()]

    async def all_applied(self) -> bool:
        """Whether every batch of samples and labels is committed and counted.

        What a batch has sent is in the topics a moment before its commit, and is counted a moment after it.
        A batch that was sent and not committed is decided again, and may ask about other samples.
        """
        return await self._applied("select", self.topics.samples) and await self._applied(
            "intake", self.topics.labels
        )

    async def _applied(self, stage: str, topic: str) -> bool:
        await self.records(topic)
        async with self._one_at_a_time:
            reader, _ = self._readers[topic]
            ends, first = await reader.end_offsets(), await reader.beginning_offsets()
        committed = await self.client.kept_positions(f"{self.settings.application}.{stage}", topic, ends)
        if any(max(committed[p].offset if p in committed else 0, first[p]) < end for p, end in ends.items()):
            return False
        consumers = [c for one in self.running for c in one.app.consumers if c.stage.name == stage]
        return all(
            state.offset >= ends[p]
            for consumer in consumers
            for p, state in consumer.partitions.items()
            if p in consumer.group.assignment()
        )

    def at_end(self, *endings: Callable[[], Awaitable[None]]) -> None:
        """End something together with this world."""
        self._endings += endings

    async def close(self) -> None:
        """End everything that was started."""
        for ending in self._endings:
            await ending()
        for replica in self.replicas:
            replica.app.stopping.set()
        await asyncio.gather(*(replica.task for replica in self.replicas), return_exceptions=True)
        for reader, _ in self._readers.values():
            await reader.stop(STOP_SECONDS)
        await self.client.stop(STOP_SECONDS)


def settings_of(directory: Path, address: Address | None, given: Sequence[str]) -> list[str]:
    """The settings of an application with its own name and topics, as they are written."""
    name = f"t{uuid.uuid4().hex[:10]}"
    kinds = ("samples", "queries", "labels", "examples", "control", "leases", "predictions")
    names = [f"application={name}", *(f"topics.{kind}={name}.{kind}" for kind in kinds)]
    snapshots = f"snapshots.directory={directory / 'snapshots'}"
    return [*BASICS, *names, snapshots, *(address.settings if address else []), *given]


async def open_world(directory: Path, address: Address | None, given: Sequence[str]) -> World:
    """An application of which only the topics exist."""
    written = settings_of(directory, address, given)
    settings = load(overrides=written, environ={})
    broker = MemoryBroker() if address is None else None
    connect: Callable[[Settings], Broker] = (lambda _: MemoryClient(broker)) if broker else Kafka
    world = World(settings, connect, directory)
    world.broker, world.written = broker, written
    world.keeps_metadata = world.limits_size = address is None or address.real
    await world.client.start()
    large = {
        "max.message.bytes": str(LARGEST_SAMPLE)
    }  # the stream was there before, and takes more than we do
    await world.client.create_topics([Topic(settings.topics.samples, settings.topics.partitions, 1, large)])
    await maintenance.create_topics(settings, connect(settings))

    async def there() -> bool:  # brokers learn of new topics one by one
        return not await world.client.missing_topics(topic.name for topic in required_topics(settings))

    await world.until(there, "the topics are there")
    return world
