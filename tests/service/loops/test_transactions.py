"""Other producers use transactions: what is aborted never happened, and a marker is no record."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from stream_al.service.maintenance import read_topic
from tests.broker.transactions import transact, transaction
from tests.support.oracles import broker_of
from tests.support.replica import DEADLINE_SECONDS, Replica
from tests.support.stream import sample
from tests.support.world import MakeWorld, World


async def real(make: MakeWorld, *settings: str) -> World:
    """A world on Apache Kafka: the embedded broker knows no transactions."""
    world = await make("topics.partitions=1", *settings)
    if not world.keeps_metadata:
        pytest.skip("transactions are tested on Apache Kafka: install Java 17 and Maven")
    return world


async def committed_all(world: World, replica: Replica) -> bool:
    """Whether both groups have committed up to the ends of their topics, and no lag is left."""
    for consumer in replica.app.consumers:
        await consumer.measure_lag()
        ends = await consumer.group.end_offsets()
        if any(consumer.lag.values()) or await consumer.group.has_uncommitted(ends):
            return False
    return True


async def test_aborted_samples_and_labels_never_happened(kafka_world: MakeWorld) -> None:
    world = await real(kafka_world, "budget.share=1.0")
    replica = await world.start()
    good, void = [sample(n) for n in range(5)], [sample(n) for n in range(5, 10)]
    await transact(world, world.topics.samples, void, commit=False)
    await transact(world, world.topics.samples, good, commit=True)
    await world.until(lambda: len(replica.app.pending) == 5, "the committed samples are queried")
    await transact(world, world.topics.labels, [{"id": "s0", "label": "WRONG"}], commit=False)
    await transact(world, world.topics.labels, [{"id": "s0", "label": "up"}], commit=True)
    await world.until(lambda: replica.offset == 1, "the committed label is learned")
    await world.until(lambda: committed_all(world, replica), "the markers count as read")
    assert {q["id"] for q in await world.queries()} == {s["id"] for s in good}
    assert [e["label"] for e in await world.examples()] == ["up"]
    async with asyncio.timeout(DEADLINE_SECONDS):
        read = [r.key async for r in read_topic(world.client, world.topics.samples, lambda done, total: None)]
    assert read == [s["id"].encode() for s in good], "the commands read what is committed, and end"


async def test_a_label_in_an_open_transaction_finds_its_query(kafka_world: MakeWorld) -> None:
    """It came in time, and is read late: until then its query must not be closed."""
    world = await real(kafka_world)
    replica = await world.start()
    await world.ask("q", life_ms=1500)
    await world.until(lambda: "q" in replica.app.pending, "the query is known")
    async with transaction(world) as producer:
        await producer.send_and_wait(world.topics.labels, msgspec.json.encode({"id": "q", "label": "up"}))
        await asyncio.sleep(2)
        await world.samples(3)
        await world.until(replica.app.pending.overdue, "the life of the query is over")
        await asyncio.sleep(2.5)
        assert "q" in replica.app.pending
        await producer.commit_transaction()
    await world.until(lambda: replica.offset == 1, "its label is learned")


async def test_queries_expire_though_the_labels_end_with_a_marker(memory_world: MakeWorld) -> None:
    world = await memory_world()
    broker = broker_of(world)
    world.at_pace(expiry_seconds=0.05)
    replica = await world.start()
    await world.ask("q", life_ms=1000)
    await world.until(lambda: len(replica.app.pending) == 1, "the query is known")
    for partition in range(world.topics.partitions):
        broker.mark(world.topics.labels, partition)
    broker.now_ms += 2000
    await world.samples(5)
    await world.until(lambda: replica.metric("expired_queries_total") == 1, "it is expired")


async def test_a_marker_at_the_end_is_committed_with_the_state(memory_world: MakeWorld) -> None:
    """So retention may remove it: the next start finds its offset, and loses no state."""
    world = await memory_world("topics.partitions=1")
    broker, topic = broker_of(world), world.topics.samples
    replica = await world.start()
    await world.settle([s["id"] for s in await world.samples(20)])
    position = await replica.app.select.group.committed(0)
    broker.mark(topic, 0)
    await world.until(lambda: committed_all(world, replica), "it counts as read")
    after = await replica.app.select.group.committed(0)
    assert position
    assert after
    assert (after.offset, after.metadata) == (21, position.metadata)
    await replica.stop()
    broker.truncate(topic, 0, 21)
    await world.start("b")
    await world.settle([s["id"] for s in await world.samples(20, start=20)])


async def test_a_partition_that_holds_only_markers_has_no_lag(memory_world: MakeWorld) -> None:
    world = await memory_world()
    for topic in (world.topics.samples, world.topics.labels, world.topics.examples, world.topics.control):
        for partition in range(len(broker_of(world).topics[topic])):
            broker_of(world).mark(topic, partition)
    replica = await world.start()
    await world.until(lambda: committed_all(world, replica), "nothing is left to read")
    await replica.app.lag.measure()
    assert replica.metric("model_offset_lag") == 0
