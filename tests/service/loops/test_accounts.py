"""An operator moves the offsets of the samples: what was bought stays bought."""

from __future__ import annotations

import pytest

from stream_al.errors import StateLost
from stream_al.service.broker.protocols import Position
from stream_al.service.maintenance import reset_offsets
from tests.faults.admin import create, delete_topic
from tests.service.hands import Hands
from tests.support.oracles import broker_of
from tests.support.world import MakeWorld, World

TOTAL = 6


async def moved_by_another_tool(world: World) -> None:
    """As kafka-consumer-groups --reset-offsets does: offsets without a state."""
    group, topic = f"{world.settings.application}.select", world.topics.samples
    partitions = range(world.topics.partitions)
    kept = await world.client.kept_positions(group, topic, partitions)
    bare = {partition: Position(position.offset - 1) for partition, position in kept.items()}
    await world.client.keep_positions(group, topic, bare)


async def moved_by_ours(world: World) -> None:
    """As `stream-al offsets reset --to earliest` does; here even the copy is gone."""
    group, partitions = f"{world.settings.application}.accounts", range(world.topics.partitions)
    await world.client.keep_positions(group, world.topics.samples, dict.fromkeys(partitions, Position(0)))
    await reset_offsets(world.settings, world.connect(world.settings), world.topics.samples, "earliest")


@pytest.mark.parametrize("move", [moved_by_another_tool, moved_by_ours])
async def test_the_total_holds_whoever_moves_the_offsets(make_world: MakeWorld, move: object) -> None:
    world = await make_world("budget.share=0.5", f"budget.total={TOTAL}", "topics.partitions=2")
    if not world.keeps_metadata:
        pytest.skip("the embedded broker drops the metadata of commits")
    replica = await world.start()
    await world.settle([s["id"] for s in await world.samples(60)])
    bought = {p: one.state for p, one in replica.app.select.partitions.items()}
    assert sum(state.spent.bought for state in bought.values()) == TOTAL
    await replica.stop()
    await move(world)  # type: ignore[operator]  # one of the two above
    after = await world.start("b")
    await world.settle([s["id"] for s in await world.samples(60, start=60)])
    assert len({q["id"] for q in await world.queries()}) == TOTAL
    for number, state in bought.items():
        assert after.app.select.partitions[number].state.spent.bought == state.spent.bought


async def test_a_replica_keeps_the_accounts_of_a_topic_that_is_created_anew(memory_world: MakeWorld) -> None:
    """Kafka deletes all offsets on a topic with it, and so the states in them and their copies."""
    world = await memory_world("budget.share=0.5", f"budget.total={TOTAL}", "topics.partitions=1")
    world.at_pace(accounts_seconds=0.01)
    replica = await world.start()
    await world.settle([s["id"] for s in await world.samples(60)])
    accounts, select, topic = replica.app.accounts, replica.app.select, world.topics.samples
    await world.until(lambda: accounts.saved(0), "the copy is saved")
    copy = await accounts.saved(0)
    for group in (accounts._group, f"{world.settings.application}.select"):
        broker_of(world).groups[group, topic].committed.clear()
    select.partitions.clear()
    await world.settle([s["id"] for s in await world.samples(60, start=60)])
    assert len({q["id"] for q in await world.queries()}) == TOTAL, (
        "the new partition begins with what was bought"
    )
    await replica.stop()
    for known in ({}, {0: Position(60, copy)}):
        broker_of(world).groups[accounts._group, topic].committed.clear()
        select.partitions.clear()  # they were revoked with the old topic
        select.committed = dict(known)
        accounts.lost()
        await accounts.save(select)
        assert (await accounts.saved(0) == copy) == bool(known)


async def test_the_total_holds_when_kafka_deletes_the_topic_at_once(kafka_world: MakeWorld) -> None:
    """Before the first copy of the accounts: what was committed is known all the same."""
    world = await kafka_world("budget.share=0.5", f"budget.total={TOTAL}", "topics.partitions=2")
    if not world.keeps_metadata:
        pytest.skip("the embedded broker drops the metadata of commits")
    world.at_pace(accounts_seconds=3600, topics_seconds=0.1)
    replica, topic = await world.start(), world.topics.samples
    await world.settle([s["id"] for s in await world.samples(60)])
    await delete_topic(world, topic)
    await create(world, topic)
    with pytest.raises(StateLost, match="was deleted and created anew"):
        await replica.ended()
    world.replicas.remove(replica)
    await reset_offsets(world.settings, world.connect(world.settings), topic, "earliest")
    await world.start("b")
    await world.settle([s["id"] for s in await world.samples(60, start=60)])
    assert len({q["id"] for q in await world.queries()}) == TOTAL


async def test_the_accounts_of_a_quiet_stream_outlive_its_topic(memory_world: MakeWorld) -> None:
    """A replica that has read no sample since its start knows what was bought before, too."""
    world = await memory_world("budget.share=0.5", f"budget.total={TOTAL}", "topics.partitions=2")
    world.at_pace(accounts_seconds=0.01)
    replica = await world.start()
    await world.settle([s["id"] for s in await world.samples(60)])
    bought = {p: one.state for p, one in replica.app.select.partitions.items()}
    await replica.stop()
    after = await world.start("b")
    accounts, select, topic = after.app.accounts, after.app.select, world.topics.samples
    await world.until(lambda: len(select.partitions) == 2, "it has taken over both partitions")
    await after.stop()
    for group in (accounts._group, f"{world.settings.application}.select"):
        broker_of(world).groups[group, topic].committed.clear()  # as Kafka does
    select.partitions.clear()  # they were revoked with the old topic
    accounts.lost()
    await accounts.save(select)
    for number, state in bought.items():
        assert select.stage.decode(number, await accounts.saved(number)) == state


async def test_a_later_account_of_another_replica_stays_when_the_topic_is_created_anew(
    memory_world: MakeWorld,
) -> None:
    """A partition may have moved on since a replica held it, and its new owner has bought more."""
    world = await memory_world("budget.share=0.5", "budget.total=20", "topics.partitions=1")
    world.at_pace(accounts_seconds=3600)
    replica = await world.start()
    accounts, select, topic = replica.app.accounts, replica.app.select, world.topics.samples
    await world.settle([s["id"] for s in await world.samples(8)])
    await accounts.save(select)
    early = dict(select.committed)
    await world.settle([s["id"] for s in await world.samples(8, start=8)])
    late = dict(select.committed)
    for mine, theirs, left in ((early, late, late), (late, early, late), (early, {}, early)):
        broker_of(world).groups[accounts._group, topic].committed.clear()
        await world.client.keep_positions(accounts._group, topic, theirs)
        select.partitions.clear()  # it holds none: they were revoked with the old topic
        select.committed = dict(mine)
        accounts.lost()
        await accounts.save(select)
        kept = await world.client.kept_positions(accounts._group, topic, [0])
        assert kept[0].metadata == left[0].metadata


async def test_the_state_in_a_commit_counts_and_not_its_copy(memory_world: MakeWorld) -> None:
    world = await memory_world("topics.partitions=1", "budget.share=0.5", "budget.total=8")
    world.at_pace(accounts_seconds=0.01)
    replica = await world.start()
    await world.settle([s["id"] for s in await world.samples(4)])
    kept = await world.client.kept_positions(replica.app.accounts._group, world.topics.samples, [0])
    await world.settle([s["id"] for s in await world.samples(8, start=4)])
    state = replica.app.select.partitions[0].state
    await replica.stop()
    await world.client.keep_positions(replica.app.accounts._group, world.topics.samples, kept)
    after = await world.start("b")
    await world.until(lambda: after.app.select.partitions, "the partition is loaded")
    assert after.app.select.partitions[0].state == state


async def test_a_copy_is_written_once_a_day_though_nothing_changes(memory_world: MakeWorld) -> None:
    """Kafka would delete it after a week."""
    world = await memory_world("topics.partitions=1")
    world.at_pace(accounts_seconds=3600)
    replica = await world.start()
    await world.settle([s["id"] for s in await world.samples(4)])
    accounts, group = replica.app.accounts, f"{world.settings.application}.accounts"
    clock = accounts._clock = Hands()
    begun, written = accounts._refreshed_at, []
    for hours in (0, 1, 23, 25, 26, 50):
        clock.seconds = begun + 3600 * hours
        broker_of(world).groups.pop((group, world.topics.samples), None)
        await accounts.save(replica.app.select)
        written.append(bool(await world.client.kept_positions(group, world.topics.samples, [0])))
    assert written == [True, False, False, True, False, True]
