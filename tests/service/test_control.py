"""Pausing, the cap on pending queries, and the order of starting and stopping; on both brokers."""

from __future__ import annotations

import asyncio

import pytest

from stream_al.errors import Misconfigured
from stream_al.service.http.status import status
from tests.support.flow import decided
from tests.support.world import MakeWorld


async def test_no_more_queries_are_pending_than_the_cap_allows(make_world: MakeWorld) -> None:
    """Slow annotators pause selection, never consumption."""
    world = await make_world("budget.pending=4", "budget.share=0.5")
    replica = await world.start()
    await world.samples(60)
    await world.until(lambda: decided(world, 60), "all are decided")
    assert len(await world.queries()) == 4
    predictions = await world.messages(str(world.topics.predictions))
    capped = [p for p in predictions if p["reason"] == "capped"]
    assert capped
    assert not any(p["queried"] or p["propensity"] for p in capped)
    await world.label_queries()
    await world.until(lambda: len(replica.app.pending) == 0, "all are labelled")
    await world.samples(60, start=60)
    await world.until(lambda: decided(world, 120), "all are decided")
    assert len(await world.queries()) > 4


async def test_a_paused_replica_decides_nothing_and_still_learns(make_world: MakeWorld) -> None:
    world = await make_world()
    replica = await world.start()
    replica.app.pause()
    await world.samples(20)
    await world.ask("q")
    await world.label("q")
    await world.until(lambda: replica.offset == 1, "the label is learned")
    assert status(replica.app)["paused"] is True
    assert replica.metric("paused") == 1
    assert await world.decided() == set()
    replica.app.resume()
    await world.until(lambda: decided(world, 20), "all are decided")


async def test_a_pause_survives_a_rebalance(make_world: MakeWorld) -> None:
    world = await make_world()
    a = await world.start("a")
    a.app.pause()
    b = await world.start("b")
    await world.until(lambda: len(a.app.select.group.assignment()) == 1, "b has a share")
    await b.stop()
    await world.until(lambda: len(a.app.select.group.assignment()) == 2, "a has all again")
    await world.samples(20)
    await world.ask("q")
    await world.label("q")
    await world.until(lambda: a.offset == 1, "the label is learned")
    assert await world.decided() == set()
    a.app.resume()
    await world.until(lambda: decided(world, 20), "all are decided")


async def test_a_stop_leaves_nothing_undone(make_world: MakeWorld) -> None:
    """The batch in work is finished, so another replica repeats nothing."""
    world = await make_world()
    replica = await world.start()
    await world.samples(60)
    await world.until(lambda: decided(world, 1), "work has begun")
    await replica.stop()
    await world.start("b")
    await world.until(lambda: decided(world, 60), "all are decided")
    predictions = await world.messages(str(world.topics.predictions))
    assert len(predictions) == 60


async def test_a_cancelled_replica_stops_in_order(make_world: MakeWorld) -> None:
    world = await make_world()
    replica = await world.start()
    await world.ask("q")
    await world.label("q")
    await world.until(lambda: replica.offset == 1, "the label is learned")
    before = asyncio.all_tasks()
    replica.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await replica.task
    names = {task.get_name() for task in before & asyncio.all_tasks() if not task.done()}
    assert not names & {"work", "select", "intake", "learn", "pending", "expiry", "lag", "watchdog"}
    assert list(world.snapshots("a").glob("*.snapshot"))


async def test_missing_topics_are_named(make_world: MakeWorld) -> None:
    world = await make_world()
    missing = world.settings.topics.model_copy(update={"queries": "not.there"})
    world.settings = world.settings.model_copy(update={"topics": missing})
    replica = world.launch()
    with pytest.raises(Misconfigured, match=r"not\.there do not exist.*topics create"):
        await replica.ended()
    world.replicas.remove(replica)
