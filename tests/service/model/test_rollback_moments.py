"""Rollbacks at the worst moments, on the broker in memory, where a test can place them."""

from __future__ import annotations

import asyncio
import io
import shutil
from typing import Any

import pytest

from stream_al.engine.labels.exclusions import Exclusions
from stream_al.errors import Misconfigured, StateLost, Unavailable
from stream_al.messages import Example
from stream_al.service import maintenance
from stream_al.service.app import App
from stream_al.service.http.operators.changes import restore, roll_back
from stream_al.service.model.replay import Replay
from stream_al.service.timing.clock import Clock, Pace
from tests.support.exclusion import agree, digest_of, restarted, taught
from tests.support.flow import decided
from tests.support.memory_client import MemoryClient
from tests.support.replica import Replica
from tests.support.world import MakeWorld, World


async def test_the_old_model_serves_until_the_new_one_is_complete(
    memory_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Meanwhile samples are decided and labels of pending queries are learned; other labels wait."""
    world = await memory_world("limits.batch_records=1")
    world.at_pace(rebuild_seconds=0.0)
    a = await world.start()
    end = await taught(world)
    log, held, seen = a.broker, asyncio.Event(), set[int]()
    assert isinstance(log, MemoryClient)
    plain = a.app.local_model.open_reader

    def slow() -> Any:
        reader = plain()
        poll = reader.poll

        async def polled(most: int, seconds: float) -> Any:
            await held.wait()
            return await poll(most, seconds)

        monkeypatch.setattr(reader, "poll", polled)
        return reader

    a.app.local_model.open_reader = slow
    before = a.digest
    result = await roll_back(a.app, 3, None)
    assert (result["rebuilt"], a.digest) == (False, before)
    await world.until(lambda: a.app.local_model.rebuilding, "it is being built")
    await world.samples(30, start=60)
    await world.until(lambda: decided(world, 90), "samples are decided")
    fresh = next(q["id"] for q in await world.queries() if q["id"] not in world.labelled)
    await world.label(fresh, "up")
    await world.until(lambda: a.offset == end + 1, "the label of a pending query is learned")
    excluded = (await world.examples())[5]
    excluded_id = excluded["id"]
    await world.label(excluded_id, "up", features=excluded["features"])
    await asyncio.sleep(0.2)
    assert a.offset == end + 1, "what is known of it is about to change"
    assert a.app.stalled_seconds() < 1
    held.set()
    await agree_now(world, a, seen)
    await world.until(lambda: a.offset == end + 2, "it is joined")
    assert a.app.local_model.learner.known[excluded_id] == "up"
    await agree(world, [a], Exclusions(((3, end),)))


async def agree_now(world: World, replica: Replica, seen: set[int]) -> None:
    """The number of examples learned falls in one step, and never below the final one."""

    def settled() -> bool:
        seen.add(replica.app.local_model.model.examples)
        return not replica.app.local_model.rebuilding

    await world.until(settled, "it is built")
    assert len(seen) <= 3


async def test_a_label_is_judged_by_what_was_excluded_before_it_was_sent(
    memory_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not matter how late the replica that reads it would have read the exclusion."""

    async def never(app: App) -> None:
        await asyncio.Event().wait()

    world = await memory_world()
    a = await world.start("a")
    monkeypatch.setattr(App, "_follow_control", never)
    deaf = await world.start("b")
    await world.ask("q")
    await world.label("q", "up")
    await world.until(lambda: a.offset == deaf.offset == 1, "it is learned")
    await roll_back(a.app, 0, None)
    await a.stop()
    assert not deaf.app.local_model.excluded.ranges
    await world.label("q", "down", features={"x": 0.1, "y": 0.2})
    await world.until(lambda: deaf.offset == 2, "it is joined again")
    await agree(world, [deaf], Exclusions(((0, 1),)))
    assert deaf.app.local_model.model.classes == {"down": 1}


async def test_exclusions_that_come_while_a_start_restores_the_model_count(memory_world: MakeWorld) -> None:
    world = await memory_world("limits.batch_records=1", "snapshots.every_examples=1000")
    a = await world.start("a")
    end = await taught(world)
    excluded, reads = Exclusions(((2, end),)), 0
    b = world.launch("b")
    log = b.broker
    assert isinstance(log, MemoryClient)

    def hook(step: str, topic: str) -> None:
        nonlocal reads
        reads += (step, topic) == ("read", world.topics.examples)
        if reads == 8:
            b.app.local_model.exclude(excluded)

    log.hook = hook
    await world.until(lambda: b.app.ready, "it is ready")
    await world.until(lambda: b.app.local_model.learner.excluded == excluded, "it has followed")
    assert b.digest == await digest_of(world, excluded) != a.digest


async def test_examples_that_are_read_again_are_folded_once(memory_world: MakeWorld) -> None:
    """The model stays the same, and so does the anchor of the next snapshot."""
    world = await memory_world()
    a = await world.start("a")
    end = await taught(world)
    reader = world.client.reader(world.topics.examples)
    await reader.start()
    fold = Replay(
        reader,
        world.settings,
        a.app.local_model.snapshots,
        a.app.metrics,
        a.app.problems,
        a.app.clock,
        Exclusions(),
    )
    while fold.learner.offset < end:
        await fold.step(0.1, 5)
    anchor = fold.anchor
    await reader.seek(0, 1)
    folded = list[Example]()
    assert len(await fold.step(0.1, 2, lambda example, outcome: folded.append(example))) == 2
    assert not folded
    assert (fold.anchor, fold.learner.offset, fold.learner.model.digest()) == (anchor, end, a.digest)


class HandClock(Clock):
    """A clock whose monotonic time passes only when the test says so."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


async def test_the_watchdog_lets_intake_wait_for_a_rebuild_that_makes_progress(
    memory_world: MakeWorld,
) -> None:
    """Intake counts as stalled no longer than the rebuild that it waits for."""
    world = await memory_world("limits.watchdog_seconds=1000")
    world.clock = clock = HandClock(Pace(rebuild_seconds=0.0, lag_seconds=1000.0))
    a = await world.start()
    await taught(world)
    local_model, intake, tries = a.app.local_model, a.app.intake.progress, 0

    def away() -> Any:
        nonlocal tries
        tries += 1
        raise Unavailable("the broker is away")

    plain = local_model.open_reader
    local_model.open_reader = away
    clock.now += 100.0
    intake.observe(clock.now, records_wait=True)
    assert a.app.stalled_seconds() == 100.0
    await roll_back(a.app, 0, None)
    for _ in range(5):
        clock.now += 100.0
        intake.observe(clock.now, records_wait=True)
        before = tries
        await world.until(lambda: tries > before + 1, "it is tried again")  # noqa: B023 - now
        assert intake.standstill(clock.now) == 0.0, "an attempt that fails is a sign of life too"
    local_model.rebuild_progress.step(clock.now - 50.0)
    assert intake.standstill(clock.now) == 50.0
    local_model.open_reader = plain
    await world.until(lambda: not local_model.rebuilding, "it is built")


async def test_a_kill_between_the_record_and_the_rebuild_loses_nothing(memory_world: MakeWorld) -> None:
    world = await memory_world()
    a = await world.start("a")
    end = await taught(world)
    assert isinstance(a.broker, MemoryClient)
    log = a.broker

    def die(step: str, topic: str) -> None:
        if (step, topic) == ("sent", world.topics.control):
            log.kill()
            raise Unavailable("this client was killed")

    log.hook = die
    with pytest.raises(Unavailable):
        await roll_back(a.app, 4, None)
    a.app.stopping.set()
    b, again = await world.start("b"), await world.start("a")
    await agree(world, [b, again], Exclusions(((4, end),)))


async def test_a_change_during_a_rebuild_starts_it_again(memory_world: MakeWorld) -> None:
    world = await memory_world("limits.batch_records=1")
    a, b = await world.start("a"), await world.start("b")
    end = await taught(world)
    for offset in (5, 4, 3):
        await roll_back(a.app, offset, None)
    await restore(b.app, 3, end, None)
    await roll_back(a.app, 6, None)
    await agree(world, [a, b], Exclusions(((6, end),)))


async def test_a_rebuild_that_fails_is_tried_again(memory_world: MakeWorld) -> None:
    world = await memory_world("limits.batch_records=1")
    a = await world.start()
    end = await taught(world)
    failures = iter([True] * 5)
    assert isinstance(a.broker, MemoryClient)

    def fail(step: str, topic: str) -> None:
        if (step, topic) == ("read", world.topics.examples) and next(failures, False):
            raise Unavailable("the broker is away")

    await roll_back(a.app, end, None)
    a.broker.hook = fail
    with pytest.raises(Unavailable):
        await roll_back(a.app, 2, None)
    for _ in failures:
        pass
    await roll_back(a.app, 2, None)
    await agree(world, [a], Exclusions(((2, end),)))


async def test_a_rollback_that_cannot_be_replayed_is_refused(memory_world: MakeWorld) -> None:
    """The topic has lost its beginning, and no snapshot makes up for it."""
    world = await memory_world("snapshots.every_examples=1000", "snapshots.every_seconds=1000")
    a = await world.start("a")
    end = await taught(world)
    await a.stop()
    assert world.broker is not None
    world.broker.truncate(world.topics.examples, 0, 5)
    a = await world.start("a")
    with pytest.raises(
        Misconfigured, match=r"begins at offset 5, and no snapshot of this replica makes up for"
    ):
        await roll_back(a.app, 7, None)
    with pytest.raises(Misconfigured, match=r"from_offset: write 5 or more"):
        await restore(a.app, 0, 4, None)
    assert await world.changes() == []
    assert (await roll_back(a.app, end, None))["examples"] == 0


async def test_a_rebuild_without_lost_examples_excludes_them_for_all_replicas(
    memory_world: MakeWorld,
) -> None:
    """`model rebuild --from-here` excludes what is gone, also for replicas whose snapshots cover it."""
    world = await memory_world("snapshots.every_examples=3")
    a = await world.start("a")
    await taught(world)
    assert world.broker is not None
    world.broker.truncate(world.topics.examples, 0, 5)
    new = world.launch("new")
    with pytest.raises(StateLost, match=r"begins at offset 5 .* model rebuild --from-here"):
        await new.ended()
    world.replicas.remove(new)
    own = world.settings.snapshots.model_copy(update={"directory": str(world.snapshots("new"))})
    settings = world.settings.model_copy(update={"snapshots": own})
    await maintenance.load_model(
        settings, world.connect(settings), rebuild=True, progress=lambda done, end: None, from_here=True
    )
    new = await world.start("new")
    await agree(world, [a, new], Exclusions(((0, 5),)), begin=5)
    a, new = await restarted(world, "a", "new", snapshots=True)
    await agree(world, [a, new], Exclusions(((0, 5),)), begin=5)


async def test_a_lost_record_of_a_rollback_is_never_ignored_silently(memory_world: MakeWorld) -> None:
    """The topic `control` is gone. A replica with a snapshot made under it says so; a rebuild accepts it."""
    world = await memory_world("snapshots.every_examples=3")
    a = await world.start("a")
    await taught(world)
    await roll_back(a.app, 4, None)
    await taught(world, start=60)
    await a.stop()
    assert world.broker is not None
    del world.broker.topics[world.topics.control]
    await maintenance.create_topics(world.settings, world.connect(world.settings))
    b = world.launch("a")
    with pytest.raises(StateLost, match=r"without the examples 4 to \d+, and the topic .* no longer says so"):
        await b.ended()
    world.replicas.remove(b)
    shutil.rmtree(world.snapshots("a"))
    b = await world.start("a")
    await agree(world, [b], Exclusions())


async def test_exclusions_of_a_topic_that_was_created_anew_are_refused(memory_world: MakeWorld) -> None:
    world = await memory_world()
    a = await world.start("a")
    end = await taught(world)
    await roll_back(a.app, 2, None)
    await a.stop()
    shutil.rmtree(world.snapshots("a"))
    assert world.broker is not None
    world.broker.truncate(world.topics.examples, 0, 0)
    kept = world.broker.topics[world.topics.examples][0]
    kept.records, kept.end = [], 0
    b = world.launch("a")
    with pytest.raises(StateLost, match=rf"holds 0 examples, and those before {end} are excluded"):
        await b.ended()
    world.replicas.remove(b)
    await maintenance.load_model(
        world.settings, world.connect(world.settings), rebuild=True, progress=lambda done, end: None
    )
    b = await world.start("b")
    assert not b.app.local_model.excluded.ranges


async def test_only_examples_that_count_are_exported(memory_world: MakeWorld) -> None:
    world = await memory_world()
    a = await world.start("a")
    await taught(world)
    await roll_back(a.app, 4, None)
    out = io.StringIO()
    log = world.connect(world.settings)
    assert await maintenance.export_examples(world.settings, log, out, "jsonl", lambda done, total: None) == 4
    assert len(await maintenance.known_labels(world.settings, world.connect(world.settings))) == 4
