"""Topics change under the running service: partitions are added, a topic is created anew."""

from __future__ import annotations

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions

from stream_al.errors import Misconfigured, StateLost, Unavailable
from stream_al.messages import Example, encode
from stream_al.service.broker.protocols import Outgoing
from stream_al.service.loops.topic_identity import TopicIdentity
from tests.support.oracles import broker_of
from tests.support.stream import query
from tests.support.world import MakeWorld, World


async def add_partitions(world: World, topic: str, total: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=world.settings.kafka.bootstrap_servers)
    await admin.start()
    await admin.create_partitions({topic: NewPartitions(total)})

    async def there() -> bool:
        (found,) = await admin.describe_topics([topic])
        return len(found["partitions"]) == total

    await world.until(there, "the partitions are there")
    await admin.close()


async def test_an_added_partition_is_read_from_its_beginning(kafka_world: MakeWorld) -> None:
    """Whatever `input.start` says of a group that is new; and soon."""
    world = await kafka_world("input.start=latest", "topics.partitions=1")
    if not world.keeps_metadata:
        pytest.skip("partitions are added to Apache Kafka: install Java 17 and Maven")
    early = {s["id"] for s in await world.samples(5)}
    replica = await world.start()
    await world.until(lambda: replica.app.select.partitions, "its first position is committed")
    await add_partitions(world, world.topics.samples, 3)
    other = world.connect(world.settings)  # a producer that knows the new partitions at once
    await other.start()
    world.at_end(lambda: other.stop(5.0))
    sent = {f"n{n}" for n in range(60)}
    value = b'{"id": "%s", "features": {"x": 0.5, "y": 0.5}}'
    acks = await other.send(
        [Outgoing(world.topics.samples, i.encode(), value % i.encode()) for i in sorted(sent)]
    )
    assert {ack.partition for ack in acks} == {0, 1, 2}
    await world.until(lambda: decided(world, sent), "every sample of the new partitions is decided")
    assert not early & await world.decided(), "a new group begins at the end"


async def decided(world: World, ids: set[str]) -> bool:
    return await world.decided() >= ids


async def test_a_new_group_begins_where_the_settings_say_on_all_partitions(make_world: MakeWorld) -> None:
    """Also after a restart before the first sample: the beginning is committed at once."""
    world = await make_world("input.start=latest", "topics.partitions=2")
    early = {s["id"] for s in await world.samples(20)}
    replica = await world.start()
    await world.until(lambda: len(replica.app.select.partitions) == 2, "both positions are known")
    await replica.stop()
    late = {s["id"] for s in await world.samples(20, start=20)}
    await world.start("b")
    await world.until(lambda: decided(world, late), "what came since is decided")
    assert not early & await world.decided()


async def test_what_comes_before_the_first_poll_is_read(make_world: MakeWorld) -> None:
    """A new group that begins at the end begins at the end of the moment in which it joined.

    The service is ready then, so a sample that is sent now must not be passed over.
    """
    world = await make_world("topics.partitions=1")
    await world.samples(3)
    client = world.connect(world.settings)
    await client.start()
    world.at_end(lambda: client.stop(5.0))
    group = client.group("begins", world.topics.samples, "latest")
    world.at_end(lambda: group.stop(5.0))

    async def joined() -> bool:
        try:
            await group.start()
        except Unavailable:  # a new broker has no coordinator yet
            return False
        return True

    await world.until(joined, "the group is joined")
    await world.samples(2, start=3)

    found: list[int] = []

    async def read() -> bool:
        found.extend(one.offset for records in (await group.poll(10, 0.2)).values() for one in records)
        return bool(found)

    await world.until(read, "a record is read")
    assert found[0] == 3


async def test_queries_on_an_added_partition_are_known(kafka_world: MakeWorld) -> None:
    world = await kafka_world()
    if not world.keeps_metadata:
        pytest.skip("partitions are added to Apache Kafka: install Java 17 and Maven")
    replica = await world.start()
    await world.ask("before")
    await add_partitions(world, world.topics.queries, 3)
    other = world.connect(world.settings)
    await other.start()
    world.at_end(lambda: other.stop(5.0))
    ids = {f"q{n}" for n in range(30)}
    asked = [Outgoing(world.topics.queries, i.encode(), encode(query(i, 3_600_000))) for i in ids]
    assert {ack.partition for ack in await other.send(asked)} == {0, 1, 2}
    await world.until(lambda: len(replica.app.pending) == 31, "all are pending")


async def test_examples_have_one_order(memory_world: MakeWorld) -> None:
    """Another partition would have an order of its own, and replicas would learn in different ones."""
    world = await memory_world()
    broker_of(world).create(world.topics.examples, 2, {})
    with pytest.raises(Misconfigured, match="in the order of one"):
        await world.start()


@pytest.mark.parametrize("noticed", ["by looking", "by a record"])
async def test_a_partition_added_to_the_examples_ends_the_process(
    kafka_world: MakeWorld, noticed: str
) -> None:
    """At once, before labels on the other partition are passed over in silence."""
    world = await kafka_world()
    if not world.keeps_metadata:
        pytest.skip("partitions are added to Apache Kafka: install Java 17 and Maven")
    if noticed == "by a record":
        world.at_pace(topics_seconds=3600)
    replica = await world.start()
    await world.settle([s["id"] for s in await world.samples(20)])
    await add_partitions(world, world.topics.examples, 2)
    if noticed == "by a record":
        other = world.connect(world.settings)
        await other.start()
        world.at_end(lambda: other.stop(5.0))
        example = encode(Example("x", "up", {"x": 0.5, "y": 0.5}))
        sent = [Outgoing(world.topics.examples, b"%d" % n, example) for n in range(20)]
        assert {ack.partition for ack in await other.send(sent)} == {0, 1}
    with pytest.raises(Misconfigured, match="in the order of one"):
        await replica.ended()


@pytest.mark.parametrize("kind", ["samples", "labels", "queries", "examples", "control", "leases"])
async def test_a_topic_that_is_created_anew_ends_the_process(memory_world: MakeWorld, kind: str) -> None:
    """Though it holds the next offset already, so that reading could go on, with other records."""
    world = await memory_world()
    world.at_pace(topics_seconds=0.05)
    replica = await world.start()
    await world.settle([s["id"] for s in await world.samples(20)])
    topic, broker = getattr(world.topics, kind), broker_of(world)
    before = broker.topics[topic]
    broker.create(topic, len(before), broker.config[topic])
    broker.topics[topic] = before
    with pytest.raises(StateLost, match=f"{topic} was deleted and created anew"):
        await replica.ended()


async def test_the_broker_tells_the_ids_of_topics(kafka_world: MakeWorld) -> None:
    world = await kafka_world()
    ids = await world.client.topic_ids([world.topics.samples, world.topics.labels, "missing"])
    if world.keeps_metadata:
        assert ids.keys() == {world.topics.samples, world.topics.labels}
        assert len(set(ids.values())) == 2
    identity = TopicIdentity(world.client, world.topics)
    for _ in range(2):
        await identity.check()
