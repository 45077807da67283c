"""An operator moves the offsets of the samples: what was bought stays bought."""

from __future__ import annotations

import pytest

from stream_al.service.broker.protocols import Position
from stream_al.service.maintenance import reset_offsets
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
    accounts, topic = replica.app.accounts, world.topics.samples
    await world.until(lambda: accounts.saved(0), "the copy is saved")
    copy = await accounts.saved(0)
    broker_of(world).groups[accounts._group, topic].committed.clear()
    assert await accounts.saved(0) == copy, "the partition of the new topic is loaded with it"
    await accounts.save(replica.app.select)
    assert not await world.client.kept_positions(accounts._group, topic, [0]), "it is saved already"
    accounts.lost()
    await accounts.save(replica.app.select)
    assert (await world.client.kept_positions(accounts._group, topic, [0]))[0].metadata == copy


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
