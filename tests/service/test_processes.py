"""The service as it is run: processes of their own, on a broker that speaks Kafka."""

from __future__ import annotations

import asyncio
import shutil
import zlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from signal import SIGKILL, SIGTERM
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from tests.broker.address import KafkaAddress
from tests.broker.kafka import foreign_produce
from tests.support.processes import Server, run
from tests.support.world import MakeWorld, World

Serve = Callable[[World, str], Server]


@pytest.fixture
async def serve(tmp_path: Path, kafka: KafkaAddress) -> AsyncIterator[Serve]:
    servers: list[Server] = []

    def make(world: World, name: str) -> Server:
        servers.append(Server(world.written, tmp_path, name))
        return servers[-1]

    yield make
    for server in servers:
        await server.close()


async def partitions(server: Server) -> list[int]:
    status = await server.status()
    return [len(status[stage]["partitions"]) for stage in ("select", "intake")]


async def settled(world: World, servers: list[Server], ids: set[str]) -> bool:
    """Label the queries; return whether all samples are decided, and all labels learned by all replicas."""
    if not await world.decided() >= ids:
        return False
    await world.label_queries()
    asked = {q["id"] for q in await world.queries()}
    learned = {e["id"] for e in await world.examples()}
    end = len(await world.records(world.topics.examples))
    states = [await server.status() for server in servers]
    return asked <= learned and all(s["examples"]["offset"] == end and not s["pending"] for s in states)


def fold(status: dict[str, Any]) -> tuple[int, str]:
    assert status["model"]["offset"] == status["examples"]["offset"]
    return status["model"]["offset"], status["model"]["digest"]


async def test_a_process_takes_over_from_one_that_is_killed(kafka_world: MakeWorld, serve: Serve) -> None:
    """Models are equal at equal offsets. After kill -9 no query is lost, and no example is learned twice."""
    world = await kafka_world()
    a, b = serve(world, "a"), serve(world, "b")
    await asyncio.gather(a.start(), b.start())

    async def shared() -> bool:
        return await partitions(a) == [1, 1] == await partitions(b)

    await world.until(shared, "each process has a partition")
    ids = {s["id"] for s in await world.samples(150)}
    await world.until(lambda: settled(world, [a, b], ids), "all is decided, labelled and learned")
    assert fold(await a.status()) == fold(await b.status())

    killed = asyncio.Event()
    stream = asyncio.create_task(trickle(world, 150, killed))

    async def in_midstream() -> bool:
        await world.label_queries()
        return len(await world.decided()) > 220

    await world.until(in_midstream, "the stream flows")
    await a.signal(SIGKILL)
    killed.set()
    ids |= await stream
    await world.until(lambda: settled(world, [b], ids), "the other one has taken over")
    assert await partitions(b) == [2, 2]
    status = await b.status()
    asked = {q["id"] for q in await world.queries()}
    assert status["model"]["examples"] == len(asked) == len({e["id"] for e in await world.examples()})
    assert await world.open_queries() == set()
    share, batch = world.settings.budget.share, world.settings.limits.batch_records
    spare = len(ids) * share + share * batch + 4  # a batch asked about twice, and strata that had just begun
    assert len(ids) * share - 4 <= len(asked) <= spare + (0 if world.keeps_metadata else 4)
    assert "Traceback" not in a.said() + b.said()


async def trickle(world: World, start: int, over: asyncio.Event) -> set[str]:
    """Send samples until it is over, and some more; their ids."""
    ids, left = set[str](), 20
    while left:
        ids |= {s["id"] for s in await world.samples(10, start=start + len(ids))}
        left -= over.is_set()
        await asyncio.sleep(0.02)
    return ids


async def test_a_restart_without_snapshots_gives_the_same_model(kafka_world: MakeWorld, serve: Serve) -> None:
    world = await kafka_world()
    server = serve(world, "a")
    await server.start()
    ids = {s["id"] for s in await world.samples(100)}
    await world.until(lambda: settled(world, [server], ids), "all is decided, labelled and learned")
    before = fold(await server.status())
    assert await server.signal(SIGTERM) == 0
    assert list(server.snapshots.glob("*.snapshot"))
    shutil.rmtree(server.snapshots)
    await server.start()
    assert fold(await server.status()) == before
    assert await server.signal(SIGTERM) == 0
    assert "Traceback" not in server.said()


async def test_a_wrong_setting_gives_one_line_and_exit_code_2(kafka_world: MakeWorld) -> None:
    code, said = await run("serve", "--set", "budget.share=7")
    assert code == 2
    (line,) = said.strip().splitlines()
    assert line.startswith("stream-al: budget.share: ")


async def test_missing_topics_give_one_line_and_exit_code_2(kafka: KafkaAddress) -> None:
    given = [*kafka.settings, "topics.samples=no.such.topic", "http.port=0", "log.level=error"]
    code, said = await run("serve", *(part for setting in given for part in ("--set", setting)))
    assert code == 2
    (line,) = said.strip().splitlines()
    assert "no.such.topic" in line
    assert "stream-al topics create" in line


async def produce_elsewhere(bootstrap: str, topic: str, records: list[tuple[bytes, bytes]]) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        partitioner=lambda key, every, available: every[zlib.crc32(key) % len(every)],
        max_batch_size=1,
    )
    await producer.start()
    try:
        for key, value in records:
            await producer.send_and_wait(topic, value, key=key)
    finally:
        await producer.stop()


async def test_labels_of_another_client_are_joined(kafka_world: MakeWorld, kafka: KafkaAddress) -> None:
    """Another client puts keys into other partitions; the replica that reads a label joins it."""
    world = await kafka_world()
    a, b = await world.start("a"), await world.start("b")
    ids = [f"q{number}" for number in range(12)]
    await world.ask(*ids)
    labels = [(i.encode(), b'{"id":"%s","label":"up"}' % i.encode()) for i in ids]
    if shutil.which("kcat") or shutil.which("java"):
        await asyncio.to_thread(foreign_produce, kafka.bootstrap, world.topics.labels, labels)
    else:  # no other program is here: then another partitioner at least
        await produce_elsewhere(kafka.bootstrap, world.topics.labels, labels)
    await world.until(lambda: a.offset == b.offset == len(ids), "all are learned by both")
    assert {e["id"] for e in await world.examples()} == set(ids)
    assert a.digest == b.digest
