"""The whole flow: samples in, queries out, labels back, a model that learns; on both logs."""

from __future__ import annotations

import shutil

import pytest

from tests.support.flow import run
from tests.support.replica import Replica
from tests.support.stream import sample, truth
from tests.support.world import MakeWorld, World


def budget_of(ids_by_partition: list[int], share: float = 0.2) -> tuple[int, int]:
    """Fewest and most queries: one in every stratum of 1/share; the last stratum may be unfinished."""
    length = round(1 / share)
    return sum(n // length for n in ids_by_partition), sum(-(-n // length) for n in ids_by_partition)


async def partition_sizes(world: World) -> list[int]:
    records = await world.records(world.topics.samples)
    return [sum(r.partition == p for r in records) for p in range(world.topics.partitions)]


async def test_every_sample_is_decided_and_queries_keep_to_the_budget(make_world: MakeWorld) -> None:
    world = await make_world()
    await world.start()
    ids = await run(world)
    predictions = await world.messages(str(world.topics.predictions))
    assert sorted(p["id"] for p in predictions) == sorted(ids)  # each of them once
    asked = [q["id"] for q in await world.queries()]
    assert len(asked) == len(set(asked))
    assert {p["id"] for p in predictions if p["queried"]} == set(asked)
    low, high = budget_of(await partition_sizes(world))
    assert low <= len(asked) <= high


async def test_labels_become_examples_and_the_model_learns_the_truth(make_world: MakeWorld) -> None:
    world = await make_world()
    replica = await world.start()
    await run(world)
    examples = await world.examples()
    assert {e["id"]: e["label"] for e in examples} == {e["id"]: truth(e["features"]) for e in examples}
    queries = {q["id"]: q for q in await world.queries()}
    for example in examples:  # what was known at the query goes with the example
        asked = queries[example["id"]]
        for fact in ("features", "propensity", "reason", "prediction", "queried_at"):
            assert example[fact] == asked[fact]
        assert example["annotator"] == "ann"
    model = replica.app.local_model.model
    fresh = [sample(n)["features"] for n in range(1000, 1200)]
    predicted = [model.probabilities(features) for features in fresh]
    right = sum(max(p, key=p.__getitem__) == truth(f) for p, f in zip(predicted, fresh, strict=True))
    assert right > 160
    assert await world.open_queries() == set()


@pytest.mark.parametrize("snapshots", ["kept", "deleted", "torn", "damaged", "foreign"])
async def test_a_restart_restores_the_same_model(make_world: MakeWorld, snapshots: str) -> None:
    world = await make_world()
    replica = await world.start()
    await run(world, 80)
    digest, offset = replica.digest, replica.offset
    await replica.stop()
    spoil(world, snapshots)
    again = await world.start()
    assert (again.digest, again.offset) == (digest, offset)
    await run(world, 40, start=80)
    low, high = budget_of(await partition_sizes(world))
    asked = {q["id"] for q in await world.queries()}
    lost = 0 if world.keeps_metadata else world.topics.partitions  # accounts that begin again
    assert low - lost <= len(asked) <= high + lost


def spoil(world: World, how: str) -> None:
    paths = sorted(world.snapshots("a").iterdir())
    assert paths
    if how == "deleted":
        shutil.rmtree(world.snapshots("a"))
    for path in paths:
        if how == "torn":
            path.write_bytes(path.read_bytes()[:-100])
        elif how == "damaged":  # in the model's numbers, where nothing but the checksum tells
            content = bytearray(path.read_bytes())
            content[content.rindex(b"G?") + 4] ^= 0xFF
            path.write_bytes(content)
        elif how == "foreign":
            path.write_bytes(path.read_bytes().replace(b'"river": "', b'"river": "9', 1))


async def test_the_newest_whole_snapshot_is_used(make_world: MakeWorld) -> None:
    world = await make_world()
    replica = await world.start()
    await run(world, 60)
    await world.until(lambda: list(world.snapshots("a").glob("*.snapshot")), "a snapshot is written")
    await run(world, 60, start=60)
    digest = replica.digest
    await replica.stop()
    newest, *older = sorted(world.snapshots("a").iterdir(), reverse=True)
    assert older
    newest.write_bytes(newest.read_bytes()[:-1])
    again = await world.start()
    assert again.digest == digest


async def test_two_replicas_share_the_work_and_hold_one_model(make_world: MakeWorld) -> None:
    world = await make_world()
    a, b = await world.start("a"), await world.start("b")
    await world.until(lambda: split(a, b), "each replica has a partition")
    ids = await run(world)
    assert (a.offset, a.digest) == (b.offset, b.digest)
    predictions = await world.messages(str(world.topics.predictions))
    assert sorted(p["id"] for p in predictions) == sorted(ids)
    low, high = budget_of(await partition_sizes(world))
    assert low <= len(await world.queries()) <= high
    assert ("select", "committed") in a.passed
    assert ("select", "committed") in b.passed


def split(a: Replica, b: Replica) -> bool:
    return all(
        len(one.app.select.group.assignment()) == 1 and len(one.app.intake.group.assignment()) == 1
        for one in (a, b)
    )


@pytest.mark.parametrize(
    ("loop", "step"),
    [("select", "decided"), ("select", "acknowledged"), ("select", "committed"), ("intake", "acknowledged")],
)
async def test_the_other_replica_takes_over_when_one_dies(
    make_world: MakeWorld, loop: str, step: str
) -> None:
    """No query is lost, no example is learned twice, every sample is decided."""
    world = await make_world()
    a, b = await world.start("a"), await world.start("b")
    await world.until(lambda: split(a, b), "each replica has a partition")
    ids = await run(world, 60)
    a.die_at(loop, step)
    ids += [s["id"] for s in await world.samples(60, start=60)]
    await world.settle(ids)
    await world.until(a.task.done, "the one is dead")
    asked = {q["id"] for q in await world.queries()}
    assert asked == {e["id"] for e in await world.examples()}
    assert b.app.local_model.model.examples == len(asked)
    low, high = budget_of(await partition_sizes(world))
    again = int(world.settings.limits.batch_records * 0.2) + 1  # a batch may be asked about twice
    forgotten = 0 if world.keeps_metadata else 2 * world.topics.partitions
    assert low - forgotten <= len(asked) <= high + again + forgotten
