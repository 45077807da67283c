"""Whatever Kafka carries is read: every compression, and headers that are no text or have no value."""

from __future__ import annotations

import asyncio
import shutil
import subprocess

import aiokafka.codec
import pytest

from stream_al.errors import Misconfigured
from tests.broker.transactions import producing
from tests.support.replica import DEADLINE_SECONDS
from tests.support.world import MakeWorld, World

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


async def read(world: World, topic: str) -> list[bytes | None]:
    return sorted([record.value for record in await world.records(topic)], key=str)


@pytest.mark.parametrize("codec", CODECS)
async def test_every_compression_is_written_and_read(kafka_world: MakeWorld, codec: str) -> None:
    world = await kafka_world(f"kafka.compression={codec}")
    sent: list[bytes | None] = [b"%03d " % n + b"text " * 200 for n in range(100)]
    await world.send(world.topics.labels, sent)
    assert await read(world, world.topics.labels) == sent
    async with producing(world, compression_type=None if codec == "none" else codec) as producer:
        for value in sent:
            await producer.send(world.topics.samples, value)
        await producer.flush()
    assert await read(world, world.topics.samples) == sent


async def test_a_compression_that_cannot_be_read_is_named(
    kafka_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no reason to wait for the broker."""
    world = await kafka_world("kafka.compression=zstd")
    await world.send(world.topics.labels, [b"text " * 200])
    reader = world.client.reader(world.topics.labels)
    await reader.start()
    world.at_end(lambda: reader.stop(5.0))
    monkeypatch.setattr(aiokafka.codec, "has_zstd", lambda: False)

    async def poll_on() -> None:
        while True:
            await reader.poll(10, 0.1)

    with pytest.raises(Misconfigured, match=r"zstd.*cramjam"):
        await asyncio.wait_for(poll_on(), DEADLINE_SECONDS)


@pytest.mark.parametrize("codec", ["none", "lz4"])
async def test_headers_that_are_no_text_are_read_and_sent_on(kafka_world: MakeWorld, codec: str) -> None:
    """Names too: they are written as escapes. The records around them are read once and in order."""
    world = await kafka_world("topics.partitions=1", "input.id=id")
    replica, topic = await world.start(), world.topics.samples
    if shutil.which("kcat") is None:
        pytest.skip("only kcat writes such names: install kcat")
    before, after = [s["id"] for s in await world.samples(5)], []
    command = ["kcat", "-P", "-b", world.settings.kafka.bootstrap_servers, "-t", topic, "-z", codec]
    for header in (b"h", b"\xff\xfe=1", b"\xc3\xa9=2"):
        records = b"".join(b'{"bad": %d}\n' % n for n in range(20))
        await asyncio.to_thread(
            subprocess.run, [*command, "-H", header], input=records, check=True, timeout=DEADLINE_SECONDS
        )
        after = [s["id"] for s in await world.samples(5, start=100)]
    await world.settle(before + after)
    names = [r.headers for r in await world.records(topic) if r.headers]
    assert names == [(("h", None),)] * 20 + [(("\\xff\\xfe", b"1"),)] * 20 + [(("é", b"2"),)] * 20
    letters = [r.headers[0] for r in await world.records(topic + ".dlq")]
    assert letters == [one for (one,) in names], "dead letters keep them"
    assert not replica.app.select.stopped()
