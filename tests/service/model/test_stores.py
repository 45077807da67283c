"""Stores: what holds of snapshots wherever their bytes are."""

from __future__ import annotations

import pytest

from stream_al.errors import StateLost, Unavailable
from stream_al.service import maintenance
from tests.support.damage import opened, sealed
from tests.support.flow import run
from tests.support.oracles import broker_of
from tests.support.snapshots import anchor, at, at_url, directory_of, offsets, save, taught
from tests.support.stores import KEY, Place
from tests.support.world import MakeWorld


async def test_what_is_saved_is_what_is_loaded_newest_first(place: Place) -> None:
    given = at(place)
    assert await offsets(given) == []
    await save(given, 10, 20)
    snapshots = directory_of(given)
    found = [pair async for pair in snapshots.load(snapshots.fingerprint)]
    assert [(learner.offset, last) for learner, last in found] == [(20, anchor(19)), (10, anchor(9))]
    assert found[0][0].model.digest() == taught(given, 20).model.digest()


async def test_no_more_snapshots_are_kept_than_configured(place: Place) -> None:
    given = at(place, "snapshots.keep=2")
    await save(given, 10, 20, 30, 40)
    assert await offsets(given) == [40, 30]
    assert len(place.files()) == 2


async def test_a_torn_snapshot_is_discarded_and_the_one_before_is_used(place: Place) -> None:
    given = at(place)
    await save(given, 10, 20)
    newest = place.files()[-1]
    content = place.get(newest)
    for length in (0, 1, content.index(b"\n"), content.index(b"\n") + 1, len(content) // 2, len(content) - 1):
        place.put(newest, content[:length])
        assert await offsets(given) == [10], length
    place.put(newest, content)
    assert await offsets(given) == [20, 10]


async def test_a_sound_but_foreign_snapshot_is_discarded(place: Place) -> None:
    given = at(place)
    await save(given, 10, 20)
    newest = place.files()[-1]
    header, body = opened(place.get(newest))
    for change in ({"river": "0.21.0"}, {"definition": "0" * 32}, {"stream_al": 1}):
        place.put(newest, sealed({**header, **change}, body, KEY.encode()))
        assert await offsets(given) == [10], change
    place.put(newest, sealed(header, body, b"another key"))
    assert await offsets(given) == [10]


async def test_foreign_files_are_neither_read_nor_touched(place: Place) -> None:
    given = at(place, "snapshots.keep=1")
    foreign = ["examples-1.snapshot", "examples.snapshot", "notes.txt", f"x-examples-{1:020}.snapshot"]
    for name in foreign:
        place.put(name, b"of somebody else")
    await save(given, 10, 20)
    assert await offsets(given) == [20]
    assert await directory_of(given).clear() == 1
    assert place.files() == sorted(foreign)


async def test_a_snapshot_that_is_too_large_is_neither_written_nor_read(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    await save(at(place), 10)
    size = len(place.get(place.files()[-1]))
    exact, smaller = (at(place, f"snapshots.max_bytes={limit}") for limit in (size, size - 1))
    assert await offsets(exact) == [10]
    assert await offsets(smaller) == []
    assert "larger than snapshots.max_bytes" in capsys.readouterr().out
    with pytest.raises(Unavailable, match=r"raise snapshots\.max_bytes"):
        await save(smaller, 10)
    await save(exact, 10)


async def test_a_newer_snapshot_is_found_when_others_delete_the_one_being_read(place: Place) -> None:
    given = at(place)
    await save(given, 10, 20)
    snapshots, found = directory_of(given), []
    async for learner, _ in snapshots.load(snapshots.fingerprint):
        found.append(learner.offset)
        if learner.offset == 20:
            for name in place.files():
                place.delete(name)
            await save(given, 30)
    assert found == [20, 30]


async def test_a_rebuild_deletes_the_snapshots_and_writes_a_new_one(
    place: Place, memory_world: MakeWorld
) -> None:
    world = await memory_world()
    replica = await at_url(world, place)
    await run(world, 60)
    await replica.stop()
    digest, before = replica.digest, place.files()
    place.put(f"examples-{9:020}.snapshot", b"rubbish")
    learner = await maintenance.load_model(
        replica.app.settings, world.connect(world.settings), rebuild=True, progress=lambda done, end: None
    )
    assert learner.model.digest() == digest
    assert place.files() == [before[-1]]


async def test_a_restart_continues_from_a_snapshot_to_the_same_digest(
    place: Place, memory_world: MakeWorld
) -> None:
    """The topic has lost the examples that the snapshot stands for, so a replay alone could not do it."""
    world = await memory_world()
    replica = await at_url(world, place)
    await run(world, 80)
    await replica.stop()
    broker_of(world).truncate(world.topics.examples, 0, replica.offset - 1)
    again = await at_url(world, place)
    assert (again.digest, again.offset) == (replica.digest, replica.offset)
    await again.stop()
    for name in place.files():
        place.delete(name)
    with pytest.raises(StateLost):
        await at_url(world, place)
    world.replicas.clear()


async def test_replicas_that_share_a_place_start_from_any_snapshot_there(
    place: Place, memory_world: MakeWorld
) -> None:
    world = await memory_world()
    first = await at_url(world, place)
    await run(world, 60)
    await world.until(place.files, "a snapshot is written")
    broker_of(world).truncate(world.topics.examples, 0, first.offset - 6)  # not enough without a snapshot
    second = await at_url(world, place)
    assert second.digest == first.digest


async def test_two_model_definitions_in_one_place_do_not_disturb_each_other(place: Place) -> None:
    """One replaces the other; a rollback of the definition finds the snapshots of the old one."""
    old, new = at(place, "snapshots.keep=2"), at(place, "snapshots.keep=2", "model.definition=BernoulliNB()")
    for number in (10, 20, 30, 40):
        await save(old, number)
        await save(new, number)
    assert await offsets(old) == await offsets(new) == [40, 30]
    assert len(place.files()) == 4
