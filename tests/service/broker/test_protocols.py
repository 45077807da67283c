"""The laws of a broker that the loops rely on; the broker in memory and Kafka both keep them."""

from __future__ import annotations

import asyncio
from collections import defaultdict

import pytest

from stream_al.errors import Superseded, Unavailable
from stream_al.service.broker.protocols import Group, Outgoing, Position, Record, Topic
from tests.support.world import MakeWorld, World


async def joined(world: World, name: str = "g") -> Group:
    """A member of a group on `samples`; each has its own client."""
    log = world.connect(world.settings)
    await log.start()
    group = log.group(name, world.topics.samples, "earliest")
    world.at_end(lambda: group.stop(5.0), lambda: log.stop(5.0))
    await group.start()
    return group


async def read(world: World, group: Group, number: int) -> list[Record]:
    """Poll until a number of records came."""
    found: list[Record] = []

    async def enough() -> bool:
        for records in (await group.poll(100, 0.1)).values():
            found.extend(records)
        return len(found) >= number

    await world.until(enough, f"{number} records are read")
    return found


async def test_an_acknowledgement_names_the_place_of_its_record(make_world: MakeWorld) -> None:
    world = await make_world()
    sent = [Outgoing(world.topics.labels, f"k{n}".encode(), b"v", (("h", b"1"),)) for n in range(5)]
    acks = await world.client.send(sent)
    found = {(r.partition, r.offset): r for r in await world.records(world.topics.labels)}
    for record, ack in zip(sent, acks, strict=True):
        read_back = found[ack.partition, ack.offset]
        assert (read_back.key, read_back.value, read_back.headers) == (
            record.key,
            record.value,
            record.headers,
        )
        assert read_back.timestamp_ms == ack.timestamp_ms


async def test_null_values_and_null_keys_are_kept(make_world: MakeWorld) -> None:
    world = await make_world()
    topic = world.topics.labels
    await world.client.send(
        [Outgoing(topic, b"k", None), Outgoing(topic, None, b"v"), Outgoing(topic, b"", b"")]
    )
    found = {(r.key, r.value) for r in await world.records(topic)}
    assert found == {(b"k", None), (None, b"v"), (b"", b"")}


async def test_a_record_that_is_too_large_is_replaced(make_world: MakeWorld) -> None:
    world = await make_world()
    topic = world.topics.labels
    large, small = Outgoing(topic, b"k", b"x" * 3_000_000), Outgoing(topic, b"k", None)
    await world.client.send([Outgoing(topic, b"k", large.value, (), lambda: small)])
    if not world.limits_size:
        assert [r.value for r in await world.records(topic)] == [large.value]
        return
    assert [r.value for r in await world.records(topic)] == [None]
    with pytest.raises(Unavailable):
        await world.client.send([large])


async def test_many_acknowledgements_name_the_places_of_their_records(make_world: MakeWorld) -> None:
    """Several senders send more than one batch each, to several topics and partitions, at the same time."""
    world = await make_world()
    topics = (world.topics.labels, world.topics.samples, world.topics.examples)

    async def send(sender: int) -> None:
        records = [
            Outgoing(topics[i % 3], f"{sender}-{i % 40}".encode(), f"{sender} {i} ".encode() + b"x" * 3000)
            for i in range(200)
        ]
        for record, ack in zip(records, await world.client.send(records), strict=True):
            acked[record.topic, ack.partition, ack.offset] = record, ack.timestamp_ms

    acked: dict[tuple[str, int, int], tuple[Outgoing, int]] = {}
    await asyncio.gather(*(send(sender) for sender in range(3)))
    assert len(acked) == 600
    for topic in topics:
        read = {(r.topic, r.partition, r.offset): r for r in await world.records(topic)}
        assert read.keys() == {place for place in acked if place[0] == topic}
        order: dict[bytes | None, list[int]] = defaultdict(list)
        for place in sorted(read):
            record, at = acked[place]
            assert (read[place].key, read[place].value, read[place].timestamp_ms) == (
                record.key,
                record.value,
                at,
            )
            order[record.key].append(int((record.value or b"").split()[1]))
        assert all(numbers == sorted(numbers) for numbers in order.values())


async def test_only_the_record_that_is_too_large_is_replaced(make_world: MakeWorld) -> None:
    """What was sent before it and what is sent after it stays as it is."""
    world = await make_world()
    topic, small = world.topics.labels, Outgoing(world.topics.labels, b"k", b"less")
    await world.client.send([Outgoing(topic, b"k", b"before")])
    sizes = [3_000_000 if i == 5 else 60_000 + i for i in range(9)]  # in several batches
    records = [Outgoing(topic, b"k", b"x" * size, (), lambda: small) for size in sizes]
    acks = await world.client.send(records)
    await world.client.send([Outgoing(topic, b"k", b"after")])
    values = {r.offset: r.value for r in await world.records(topic)}
    assert len(values) == 11
    expected = [b"less" if world.limits_size and i == 5 else r.value for i, r in enumerate(records)]
    assert [values[ack.offset] for ack in acks] == expected
    assert [ack.replaced for ack in acks] == [world.limits_size and i == 5 for i in range(9)]


async def test_a_topic_that_takes_less_than_a_batch_gets_all_records(make_world: MakeWorld) -> None:
    """A refused batch leaves a gap in the numbers of its producer, which the broker accepts no more."""
    world = await make_world()
    topic = f"{world.topics.labels}.narrow"
    await world.client.create_topics([Topic(topic, 1, 1, {"max.message.bytes": "20000"})])
    records = [Outgoing(topic, b"k", f"{i} ".encode() + b"x" * 5000) for i in range(30)]
    for _ in range(2):
        acks = await world.client.send(records)
        values = {r.offset: r.value for r in await world.records(topic)}
        assert [values[ack.offset] for ack in acks] == [record.value for record in records]


async def test_a_group_continues_at_its_commit_and_has_the_metadata(make_world: MakeWorld) -> None:
    world = await make_world()
    await world.samples(10)
    group = await joined(world)
    records = await read(world, group, 10)
    last = max(records, key=lambda r: (r.partition, r.offset))
    assert await group.committed(last.partition) is None
    position = Position(last.offset, "x" * 4000)
    await group.commit({last.partition: position})
    found = await group.committed(last.partition)
    assert found == (position if world.keeps_metadata else Position(last.offset))
    await group.stop(5.0)
    again = await read(
        world, await joined(world), len([r for r in records if r.partition != last.partition]) + 1
    )
    assert [r for r in again if r.partition == last.partition] == [last]


async def test_records_are_read_again_after_a_seek(make_world: MakeWorld) -> None:
    world = await make_world()
    await world.samples(10)
    group = await joined(world)
    records = await read(world, group, 10)
    for partition in group.assignment():
        group.seek(partition, 0)
    assert {r.offset for r in await read(world, group, 10)} == {r.offset for r in records}


async def test_records_of_a_paused_partition_are_not_read_and_not_lost(make_world: MakeWorld) -> None:
    world = await make_world()
    group = await joined(world)
    await world.until(group.assignment, "partitions are assigned")
    await group.poll(1, 0.1)
    group.pause(group.assignment())
    await world.samples(10)
    assert await group.poll(100, 0.3) == {}
    group.resume(group.assignment())
    assert len(await read(world, group, 10)) == 10


async def test_a_new_member_gets_partitions_and_the_generation_rises(make_world: MakeWorld) -> None:
    world = await make_world()
    a = await joined(world)
    await world.until(lambda: len(a.assignment()) == 2, "one member has all")
    before = a.generation
    b = await joined(world)
    await world.until(lambda: len(a.assignment()) == len(b.assignment()) == 1, "each has one")
    assert a.assignment() | b.assignment() == {0, 1}
    assert a.generation > before


async def test_a_commit_for_a_partition_that_has_moved_is_refused(make_world: MakeWorld) -> None:
    world = await make_world()
    a = await joined(world)
    await world.until(lambda: len(a.assignment()) == 2, "one member has all")
    b = await joined(world)
    await world.until(lambda: len(a.assignment()) == len(b.assignment()) == 1, "each has one")
    (lost,) = b.assignment()
    with pytest.raises(Superseded):
        await a.commit({lost: Position(1)})
    await b.commit({lost: Position(1)})


async def test_a_group_that_has_read_everything_has_no_lag(make_world: MakeWorld) -> None:
    world = await make_world()
    group = await joined(world)
    await read(world, group, 0)
    await world.samples(10)
    await read(world, group, 10)
    assert set((await group.lag()).values()) == {0}


async def test_a_reader_starts_at_the_first_record_and_can_go_back(make_world: MakeWorld) -> None:
    world = await make_world()
    await world.ask("a", "b", "c")
    reader = world.client.reader(world.topics.queries)
    world.at_end(lambda: reader.stop(5.0))
    await reader.start()
    assert (await reader.beginning_offsets(), await reader.end_offsets()) == ({0: 0}, {0: 3})
    found: list[Record] = []

    async def three() -> bool:
        found.extend(await reader.poll(2, 0.2))
        return len(found) >= 3

    await world.until(three, "three are read")
    assert [r.key for r in found] == [b"a", b"b", b"c"]
    assert await reader.positions() == {0: 3}
    await reader.seek(0, 1)
    again = await reader.poll(1, 5.0)
    assert [r.key for r in again] == [b"b"]


async def test_missing_topics_are_named(make_world: MakeWorld) -> None:
    world = await make_world()
    assert await world.client.missing_topics([world.topics.samples, "not.there"]) == ["not.there"]
