"""Corrections reach the models of all replicas alike: with restarts, snapshots, crashes and rollbacks."""

from __future__ import annotations

import pytest

from stream_al.engine.labels.exclusions import Exclusions
from stream_al.service.http.operators.changes import restore, roll_back
from stream_al.service.model.scout import Scout
from tests.service.corrections import agree, corrected, right_at_once
from tests.support.exclusion import restarted, taught
from tests.support.world import MakeWorld, World

QUICK = 0.05


async def made(make: MakeWorld, *given: str) -> World:
    """A world whose replicas do not wait long for more corrections."""
    world = await make(*given)
    world.at_pace(correction_seconds=QUICK)
    return world


async def wrong(world: World, number: int, begin: int = 0) -> dict[str, str]:
    """Other labels for some samples that have one."""
    flipped = {"up": "down", "down": "up"}
    learned = [e for e in await world.examples() if "features" in e][begin : begin + number]
    return {e["id"]: flipped[e["label"]] for e in learned}


@pytest.mark.parametrize("snapshots", [True, False])
async def test_a_correction_reaches_all_replicas_and_survives_restarts(
    make_world: MakeWorld, snapshots: bool
) -> None:
    world = await made(make_world, "snapshots.every_examples=3")
    a, b = await world.start("a"), await world.start("b")
    await taught(world)
    before = a.digest
    await corrected(world, await wrong(world, 2, 4))
    await agree(world, [a, b])
    assert a.digest != before
    await taught(world, start=60)
    await agree(world, [a, b])
    a, b = await restarted(world, "a", "b", snapshots=snapshots)
    await agree(world, [a, b])
    assert a.app.local_model.rebuilds == 0, "a start knows all corrections before it learns"
    new = await world.start("new")
    await agree(world, [new])


async def test_a_replica_that_was_away_reaches_the_same_model(make_world: MakeWorld) -> None:
    """Its snapshots were made before the correction, so those behind the corrected example are skipped."""
    world = await made(make_world, "snapshots.every_examples=3")
    a, b = await world.start("a"), await world.start("b")
    await taught(world)
    await b.stop()
    await corrected(world, await wrong(world, 1, 8))
    b = await world.start("b")
    await agree(world, [a, b])
    assert b.app.local_model.rebuilds == 0


async def test_the_last_correction_wins_also_across_restarts(make_world: MakeWorld) -> None:
    world = await made(make_world)
    a = await world.start("a")
    await taught(world)
    before = a.digest
    there = await wrong(world, 1)
    back = {name: {"up": "down", "down": "up"}[label] for name, label in there.items()}
    await corrected(world, there)
    await agree(world, [a])
    await corrected(world, back)
    await agree(world, [a])
    assert a.digest == before
    (a,) = await restarted(world, "a", snapshots=True)
    await agree(world, [a])
    assert a.digest == before


async def test_corrections_close_together_cause_one_rebuild(memory_world: MakeWorld) -> None:
    world = await memory_world()
    world.at_pace(correction_seconds=1.0)
    a = await world.start()
    await taught(world)
    for name, label in (await wrong(world, 5)).items():
        await corrected(world, {name: label})
    await agree(world, [a])
    assert a.app.local_model.rebuilds == 1
    assert a.metric("model_rebuilds_total") == 1
    assert a.metric("examples_total", outcome="corrected") == 5


async def test_rollback_and_restore_hold_together_with_corrections(make_world: MakeWorld) -> None:
    """Excluded corrections and corrections of excluded examples count again after a restore."""
    world = await made(make_world, "snapshots.every_examples=3")
    a, b = await world.start("a"), await world.start("b")
    end = await taught(world)
    await corrected(world, await wrong(world, 2, 1))
    await corrected(world, await wrong(world, 1, 7))
    await agree(world, [a, b])
    await roll_back(b.app, end + 1, None)  # the last correction of the first two, and the third
    await agree(world, [a, b], Exclusions(((end + 1, end + 3),)))
    await roll_back(a.app, 5, None)
    await agree(world, [a, b], Exclusions(((5, end + 3),)))
    await taught(world, start=60)
    await corrected(world, await wrong(world, 1, 2))
    await agree(world, [a, b], Exclusions(((5, end + 3),)))
    a, b = await restarted(world, "a", "b", snapshots=True)
    await agree(world, [a, b], Exclusions(((5, end + 3),)))
    await restore(b.app, 0, end + 3, None)
    await agree(world, [a, b])


async def test_a_replica_that_dies_before_its_rebuild_follows_after_it(make_world: MakeWorld) -> None:
    """And it has written no snapshot of the model that is overdue."""
    world = await make_world("snapshots.every_examples=3")
    world.at_pace(correction_seconds=3_600.0)
    a = await world.start("a")
    await taught(world)
    await corrected(world, await wrong(world, 1, 4))
    await world.until(lambda: a.app.local_model.rebuilding, "the correction is read")
    begun = a.offset
    for name in ("q0", "q1", "q2", "q3"):
        await world.ask(name)
        await world.label(name, "up")
    await world.until(lambda: a.offset == begun + 4, "more is learned")
    assert not a.app.local_model.snapshot_due()
    a.die_at("intake", "decided")
    await world.ask("q4")
    await world.label("q4", "up")
    await world.until(a.task.done, "it has died")
    b = await world.start("a")
    await world.until(lambda: b.app.local_model.learner.known.get("q4") == "up", "it goes on")
    await agree(world, [b])


async def test_labels_are_judged_by_the_correction_before_the_model_is_rebuilt(
    memory_world: MakeWorld,
) -> None:
    """A label without a query does not wait for the rebuild. A plain second label is still a conflict."""
    world = await memory_world()
    world.at_pace(correction_seconds=3_600.0)
    a = await world.start()
    await world.ask("q")
    await world.label("q", "up")
    await world.until(lambda: a.offset == 1, "it is learned")
    await world.label("q", "down")
    await world.until(lambda: a.metric("labels_total", outcome="conflict") == 1, "it is a conflict")
    assert not a.app.local_model.rebuilding
    await corrected(world, {"q": "down"})
    await world.until(lambda: a.app.local_model.rebuilding, "the correction is read")
    await world.label("q", "down")
    await world.label("q", "up")
    await world.until(lambda: a.metric("labels_total", outcome="conflict") == 2, "another conflict")
    assert a.metric("labels_total", outcome="duplicate") == 1


async def test_from_a_correction_on_the_model_passes_for_one_that_is_rebuilt(
    memory_world: MakeWorld,
) -> None:
    """Also while the rest of its batch is folded, which may take long."""
    world = await memory_world()
    world.at_pace(correction_seconds=3_600.0)
    a = await world.start()
    await taught(world)
    model, seen = a.app.local_model, list[bool]()
    model.on_example = lambda example: seen.append(model.rebuilding)
    await corrected(world, await wrong(world, 1))
    await world.until(lambda: seen, "it is folded")
    assert seen == [True]


async def test_a_correction_without_effect_is_reported(memory_world: MakeWorld) -> None:
    world = await made(memory_world)
    a = await world.start()
    await corrected(world, {"nobody": "up"})
    await world.until(lambda: a.offset == 1, "it is read")
    assert a.metric("problems_total", kind="label_refused", reason="uncorrected") == 1
    assert not a.app.local_model.rebuilding


async def test_a_log_without_corrections_is_not_decoded_ahead(
    memory_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The search for corrections costs a start no more than the reading."""
    world = await made(memory_world)
    await world.start("a")
    await taught(world)
    entered: list[object] = []
    monkeypatch.setattr(Scout, "_enter", lambda *record: entered.append(record))
    await world.start("b")
    assert entered == []


async def test_a_correction_whose_name_is_written_with_escapes_counts(memory_world: MakeWorld) -> None:
    """JSON allows that, and the search for corrections must see what the fold sees."""
    world = await made(memory_world)
    a = await world.start("a")
    await taught(world)
    ((name, label),) = (await wrong(world, 1, 3)).items()
    escaped = f'{{"id": "{name}", "label": "{label}", "\\u0063orrects": true}}'.encode()
    await world.send(world.topics.examples, [escaped], [name.encode()])
    await agree(world, [a])
    (a,) = await restarted(world, "a", snapshots=False)
    await agree(world, [a])
    assert a.digest == (await right_at_once(world)).model.digest()
