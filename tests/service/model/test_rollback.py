"""Rollback of the model to an offset, by all replicas alike, with and without snapshots; on both brokers."""

from __future__ import annotations

import asyncio

import pytest

from stream_al.engine.labels.exclusions import Exclusions
from stream_al.errors import Misconfigured
from stream_al.service.http.operators import changes
from stream_al.service.http.operators.changes import restore, roll_back
from tests.support.exclusion import agree, digest_of, restarted, taught
from tests.support.world import MakeWorld


@pytest.mark.parametrize("snapshots", [True, False])
async def test_a_rollback_reaches_all_replicas_and_survives_restarts(
    make_world: MakeWorld, snapshots: bool
) -> None:
    """The model is the fold over the examples that count; undoing the rollback restores what was learned."""
    world = await make_world("snapshots.every_examples=3")
    a, b = await world.start("a"), await world.start("b")
    end = await taught(world)
    before = a.digest
    result = await roll_back(a.app, 5, "ann", dry_run=True)
    assert result == {
        "from_offset": 5,
        "to_offset": end,
        "examples": end - 5,
        "dry_run": True,
        "rebuilt": False,
    }
    assert a.digest == before
    result = await roll_back(a.app, 5, "ann")
    assert (result["examples"], result["rebuilt"]) == (end - 5, True)
    excluded = Exclusions(((5, end),))
    assert a.digest == await digest_of(world, excluded) != before
    await agree(world, [a, b], excluded)
    more = await taught(world, start=60)
    await agree(world, [a, b], excluded)
    a, b = await restarted(world, "a", "b", snapshots=snapshots)
    await agree(world, [a, b], excluded)
    again = await restore(b.app, 0, end, None)
    assert again["examples"] == end - 5
    await agree(world, [a, b], Exclusions())
    assert a.app.local_model.learner.model.examples == more
    a, b = await restarted(world, "a", "b", snapshots=snapshots)
    await agree(world, [a, b], Exclusions())


async def test_simultaneous_rollbacks_by_two_replicas_all_count(make_world: MakeWorld) -> None:
    world = await make_world()
    a, b = await world.start("a"), await world.start("b")
    end = await taught(world)
    await roll_back(a.app, end - 2, None)
    await asyncio.gather(restore(a.app, end - 2, end - 1, None), roll_back(b.app, end - 6, None))
    await agree(world, [a, b], a.app.control.exclusions)
    assert a.app.control.exclusions.covers(end - 6, end - 2)


async def test_a_replica_that_was_away_reaches_the_same_model(make_world: MakeWorld) -> None:
    """Its snapshots were made while other examples counted, so it skips them."""
    world = await make_world("snapshots.every_examples=3")
    a, b = await world.start("a"), await world.start("b")
    end = await taught(world)
    await b.stop()
    await roll_back(a.app, 4, None)
    b, new = await world.start("b"), await world.start("new")
    await agree(world, [a, b, new], Exclusions(((4, end),)))


async def test_a_label_that_was_excluded_may_be_sent_again(make_world: MakeWorld) -> None:
    """Its query is closed, so it brings its features. It counts from its new place, also if it differs."""
    world = await make_world()
    a, b = await world.start("a"), await world.start("b")
    for name in ("q1", "q2", "q3"):
        await world.ask(name)
        await world.label(name, "up")
    await world.until(lambda: a.offset == b.offset == 3, "all are learned")
    await roll_back(a.app, 1, None)
    for name in ("q1", "q2", "q3"):
        await world.label(name, "down", features={"x": 0.75, "y": 0.5})
    await world.until(lambda: a.offset == b.offset == 6, "all are joined")
    await agree(world, [a, b], Exclusions(((1, 3),)))
    assert a.app.local_model.model.classes == {"up": 1, "down": 2}, (
        "q1 still counts: its new label contradicts"
    )
    await restore(b.app, 1, 3, None)
    await agree(world, [a, b], Exclusions())
    assert a.app.local_model.model.classes == {"up": 3}, "the first label in the log wins, as ever"


async def test_a_rollback_resets_accuracy_and_drift(make_world: MakeWorld) -> None:
    world = await make_world()
    a = await world.start()
    await taught(world)
    await taught(world, start=60)  # now with a model that says something
    assert a.metric("accuracy_ratio", span="all", bound="estimate") > 0
    await roll_back(a.app, 0, None)
    learner = a.app.local_model.learner
    assert (learner.model.examples, dict(learner.known), learner.evaluation.current.overall.estimate()) == (
        0,
        {},
        None,
    )
    assert a.app.metrics.registry.get_sample_value("stream_al_accuracy_ratio") is None
    assert a.metric("accuracy_ratio", span="all", bound="estimate") == 0


@pytest.mark.parametrize("offset", [7, 10**15])
async def test_an_offset_that_does_not_exist_is_refused(make_world: MakeWorld, offset: int) -> None:
    world = await make_world()
    a = await world.start()
    with pytest.raises(Misconfigured, match="to_offset: write 0 to 0, where the examples end"):
        await roll_back(a.app, offset, None)
    with pytest.raises(Misconfigured, match="snapshot: write one that this replica has"):
        await changes.snapshot_offset(a.app, "examples-7.snapshot")
    assert (await roll_back(a.app, 0, None))["examples"] == 0
    assert await world.changes() == []
