"""Stores: what holds of snapshots wherever their bytes lie, and what a place behind a URL has to keep."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from threading import enumerate as enumerate_threads
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import _registry

from stream_al.errors import Misconfigured, StateLost, Unavailable
from stream_al.service import maintenance
from stream_al.service.model.stores import store
from stream_al.settings import Settings, load
from tests.support.damage import opened, sealed
from tests.support.flow import run
from tests.support.oracles import broker_of
from tests.support.replica import Replica
from tests.support.snapshots import KEY, anchor, directory_of, offsets, settings, taught
from tests.support.stores import SECRET, DirectoryPlace, Place, S3Place, S3Server, point_at
from tests.support.world import MakeWorld, World


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    made = S3Server()
    yield made
    made.close()


@pytest.fixture
def s3(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Place:
    point_at(server, monkeypatch)
    return S3Place(server)


@pytest.fixture(params=["directory", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "directory":
        return DirectoryPlace(tmp_path / "snapshots")
    found: S3Place = request.getfixturevalue("s3")
    return found


def at(place: Place, *given: str) -> Settings:
    return settings(Path("unused"), f"snapshots.directory={place.url}", *given)


async def at_url(world: World, place: Place, *, wait: bool = True) -> Replica:
    """Start a replica whose snapshots lie at a place."""
    place.belong_to(world.settings.application)
    replica = world.launch(directory=place.url)
    if wait:
        await world.until(lambda: replica.app.ready, "the replica is ready")
    return replica


async def save(given: Settings, *numbers: int) -> None:
    """Snapshots of learners with so many lessons."""
    for number in numbers:
        await directory_of(given).save(taught(given, number), anchor(number - 1))


@pytest.mark.parametrize("key", [None, KEY])
async def test_what_is_saved_is_what_is_loaded_newest_first(place: Place, key: str | None) -> None:
    given = at(place, *([f"snapshots.key={key}"] if key else []))
    assert await offsets(given) == []
    await save(given, 10, 20)
    snapshots = directory_of(given)
    found = [pair async for pair in snapshots.load(snapshots.fingerprint)]
    assert [(learner.offset, last) for learner, last in found] == [(20, anchor(19)), (10, anchor(9))]
    assert found[0][0].model.digest() == taught(given, 20).model.digest()


async def test_no_more_are_kept_than_asked_for(place: Place) -> None:
    given = at(place, "snapshots.keep=2")
    await save(given, 10, 20, 30, 40)
    assert await offsets(given) == [40, 30]
    assert len(place.files()) == 2


async def test_a_torn_one_is_passed_over_for_the_one_before(place: Place) -> None:
    given = at(place)
    await save(given, 10, 20)
    newest = place.files()[-1]
    content = place.get(newest)
    for length in (0, 1, content.index(b"\n"), content.index(b"\n") + 1, len(content) // 2, len(content) - 1):
        place.put(newest, content[:length])
        assert await offsets(given) == [10], length
    place.put(newest, content)
    assert await offsets(given) == [20, 10]


async def test_a_sound_one_of_elsewhere_is_passed_over(place: Place) -> None:
    given = at(place)
    await save(given, 10, 20)
    newest = place.files()[-1]
    header, body = opened(place.get(newest))
    for change in ({"river": "0.21.0"}, {"definition": "0" * 32}, {"stream_al": 1}):
        place.put(newest, sealed({**header, **change}, body))
        assert await offsets(given) == [10], change
    place.put(newest, sealed(header, body, "another key"))
    assert await offsets(given) == [10]


async def test_what_is_not_ours_is_neither_read_nor_touched(place: Place) -> None:
    given = at(place, "snapshots.keep=1")
    foreign = ["examples-1.snapshot", "examples.snapshot", "notes.txt", f"x-examples-{1:020}.snapshot"]
    for name in foreign:
        place.put(name, b"of somebody else")
    await save(given, 10, 20)
    assert await offsets(given) == [20]
    assert await directory_of(given).clear() == 1
    assert place.files() == sorted(foreign)


async def test_one_that_is_too_large_is_neither_written_nor_read(
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


async def test_when_others_prune_what_is_being_read_what_they_pruned_it_for_is_found(place: Place) -> None:
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


async def test_rebuild_forgets_and_writes_anew(place: Place, memory_world: MakeWorld) -> None:
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


async def test_a_restart_goes_on_from_a_snapshot_to_the_same_digest(
    place: Place, memory_world: MakeWorld
) -> None:
    """It is the snapshot that does it: the log has lost what it stands for, and is not enough alone."""
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


async def test_replicas_share_a_url_and_each_starts_from_what_any_has_written(
    s3: S3Place, memory_world: MakeWorld
) -> None:
    world = await memory_world()
    first = await at_url(world, s3)
    await run(world, 60)
    await world.until(s3.files, "a snapshot is written")
    broker_of(world).truncate(world.topics.examples, 0, first.offset - 6)  # not enough without a snapshot
    second = await at_url(world, s3)
    assert second.digest == first.digest


async def test_two_definitions_in_one_place_leave_each_other_alone(s3: S3Place) -> None:
    """As while one takes over from the other; a way back finds the old one's."""
    old, new = at(s3, "snapshots.keep=2"), at(s3, "snapshots.keep=2", "model.definition=BernoulliNB()")
    for number in (10, 20, 30, 40):
        await save(old, number)
        await save(new, number)
    assert await offsets(old) == await offsets(new) == [40, 30]
    assert len(s3.files()) == 4


async def test_a_directory_holds_one_lineage_and_no_more(tmp_path: Path) -> None:
    old = settings(tmp_path, "snapshots.keep=2")
    await save(old, 10, 20)
    await save(settings(tmp_path, "snapshots.keep=2", "model.definition=BernoulliNB()"), 30, 40)
    assert await offsets(old) == []
    assert len(DirectoryPlace(tmp_path).files()) == 2


async def test_a_file_url_is_its_path(tmp_path: Path) -> None:
    await save(settings(Path("unused"), f"snapshots.directory=file://{tmp_path}/a%20b"), 10)
    assert await offsets(settings(tmp_path / "a b")) == [10]


async def test_any_filesystem_of_fsspec_will_do() -> None:
    """One that blocks, and has directories to be made, as well as S3."""
    given = settings(Path("unused"), "snapshots.directory=memory://a/b/c", "snapshots.keep=1")
    assert await offsets(given) == []
    await save(given, 10, 20)
    assert await offsets(given) == [20]
    assert await directory_of(given).clear() == 1
    assert await offsets(given) == []


async def test_a_filesystem_without_timeouts_is_not_waited_for_either(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nor is a second call put beside one that hangs; when that has ended, all is well again."""
    over = Event()

    def ls(*arguments: Any, **more: Any) -> list[str]:
        over.wait(20)
        return []

    monkeypatch.setattr(MemoryFileSystem, "ls", ls)
    given = settings(Path("unused"), "snapshots.directory=memory://d", "limits.deadline_seconds=0.2")
    snapshots = directory_of(given)
    with pytest.raises(Unavailable, match=r"longer than 0\.2 s"):
        await snapshots.names()
    with pytest.raises(Unavailable, match="an earlier call still hangs"):
        await snapshots.names()
    (hanging,) = [thread for thread in enumerate_threads() if thread.name == "apart"]
    assert hanging.daemon
    over.set()
    await asyncio.to_thread(hanging.join)
    assert await snapshots.names() == []


async def test_a_large_one_goes_up_in_parts_and_comes_back(
    s3: S3Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = bytes(range(256)) * 4 * 2**10 * 12  # 12 MiB
    there = store(at(s3))
    from s3fs import S3FileSystem  # noqa: PLC0415 - slow

    monkeypatch.setattr(S3FileSystem._pipe_file, "__defaults__", (5 * 2**20, None, "overwrite"))
    await there.write("large", content)
    assert await there.read("large", len(content)) == content == s3.get("large")


async def test_a_store_that_hangs_holds_up_neither_the_loop_nor_the_call_for_longer_than_its_deadline(
    s3: S3Place, server: S3Server
) -> None:
    patient, given = at(s3), at(s3, "limits.deadline_seconds=0.5")
    await save(patient, 10)
    time_slices = 0

    async def others() -> None:
        nonlocal time_slices
        while True:
            time_slices += 1
            await asyncio.sleep(0.01)

    beside = asyncio.create_task(others())
    server.freeze()
    try:
        with pytest.raises(Unavailable, match=r"longer than|failed"):
            await save(given, 20)
        with pytest.raises(Unavailable, match=r"point snapshots\.directory elsewhere"):
            await offsets(given)
    finally:
        server.thaw()
        beside.cancel()
    assert time_slices > 10, "the loop went round meanwhile"
    assert await offsets(patient) == [10]


async def test_a_store_that_is_away_at_a_start_is_waited_for_and_not_taken_as_empty(
    s3: S3Place, server: S3Server, memory_world: MakeWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    world = await memory_world("limits.deadline_seconds=0.5")
    before = await at_url(world, s3)
    await run(world, 60)
    await before.stop()
    server.freeze()
    try:
        again = await at_url(world, s3, wait=False)
        await world.until(lambda: not again.app.reachable(), "it has tried and waits")
        assert not again.app.ready
        assert again.app.live()
    finally:
        server.thaw()
    await world.until(lambda: again.app.ready, "it starts when the store is back")
    assert again.digest == before.digest
    assert "unavailable" in capsys.readouterr().out


async def test_a_store_that_is_away_later_costs_a_snapshot_and_nothing_else(
    s3: S3Place, server: S3Server, memory_world: MakeWorld
) -> None:
    world = await memory_world("limits.deadline_seconds=0.5")
    replica = await at_url(world, s3)
    server.freeze()
    try:
        await run(world, 60)
        await world.until(lambda: replica.metric("snapshots_total", outcome="failed"), "it is counted")
        assert replica.app.ready
    finally:
        server.thaw()
    await run(world, 60, start=60)
    await world.until(lambda: replica.metric("snapshots_total", outcome="written"), "and written again")


async def test_the_process_ends_in_time_though_its_store_hangs(
    s3: S3Place, server: S3Server, memory_world: MakeWorld
) -> None:
    world = await memory_world("limits.stop_seconds=2", "snapshots.every_examples=100000")
    replica = await at_url(world, s3)
    await run(world, 30)
    server.freeze()
    try:
        async with asyncio.timeout(world.settings.limits.deadline_seconds / 2):
            await replica.stop()
    finally:
        server.thaw()


async def test_whom_the_store_refuses_gets_one_line_and_no_secret(
    s3: S3Place, server: S3Server, memory_world: MakeWorld
) -> None:
    world = await memory_world()
    server.ask_for_keys(True)
    try:
        replica = await at_url(world, s3, wait=False)
        with pytest.raises(Misconfigured) as refused:
            await asyncio.wait_for(replica.task, 20)
    finally:
        server.ask_for_keys(False)
    (line,) = refused.value.mistakes
    assert line.startswith("snapshots.directory: s3://")
    assert "refuses us" in line
    assert "\n" not in line
    assert SECRET not in line
    world.replicas.clear()


async def test_without_credentials_one_line_says_so(s3: S3Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(Misconfigured, match=r"^snapshots\.directory: .* refuses us: .*credentials"):
        await offsets(at(s3))
    with pytest.raises(Unavailable, match="credentials"):  # later it would cost the snapshot alone
        await save(at(s3), 10)


DEBUGGED = """
import asyncio, sys
from stream_al.logs import configure
from stream_al.service.model.stores import store
from stream_al.settings import load

given = load(overrides=["log.level=debug", "snapshots.directory=" + sys.argv[1]], environ={})
configure(given)

async def use():
    there = store(given)
    await there.write("name", b"content")
    assert await there.names() == ["name"]

asyncio.run(use())
"""


def test_the_log_holds_no_secret_at_any_level(s3: S3Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", f"token-{SECRET}")
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", DEBUGGED, s3.url], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr
    assert SECRET not in done.stderr + done.stdout


async def test_a_bucket_that_does_not_exist_is_said_and_not_made(s3: S3Place) -> None:
    given = settings(Path("unused"), "snapshots.directory=s3://nobodys/x")
    for _ in range(2):
        with pytest.raises(Misconfigured, match="there is no bucket for s3://nobodys/x"):
            await offsets(given)
        with pytest.raises(Unavailable, match="did not take a snapshot"):
            await save(given, 10)


async def test_where_nobody_listens_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    point_at(None, monkeypatch)
    given = settings(Path("unused"), "snapshots.directory=s3://bucket/x", "limits.deadline_seconds=2")
    with pytest.raises(Unavailable):
        await offsets(given)


@pytest.mark.parametrize(("missing", "url"), [("fsspec", "s3://b/p"), ("s3fs", "s3://b/p")])
def test_without_the_extra_one_line_says_what_to_run(
    missing: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.delitem(_registry, "s3", raising=False)  # as in a process that just began
    given = settings(Path("unused"), f"snapshots.directory={url}")
    with pytest.raises(
        Misconfigured, match=r"^snapshots\.directory: for .*`python -m pip install 'stream_al\[remote\]'`$"
    ):
        store(given)


def test_an_unknown_scheme_is_one_line() -> None:
    with pytest.raises(
        Misconfigured, match=r"^snapshots\.directory: nosuch://b/p/stream_al cannot be opened: .+$"
    ):
        store(settings(Path("unused"), "snapshots.directory=nosuch://b/p"))


@pytest.mark.parametrize(
    "url", ["s3://ann:5ecret@bucket/p", "s3://bucket/p?token=5ecret", "s3://bucket/p#5ecret"]
)
def test_a_url_with_credentials_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(Misconfigured, match=r"^snapshots\.directory: .*environment") as refused:
        load(overrides=[f"snapshots.directory={url}"], environ={})
    assert "5ecret" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["", "s3://", "://x", "S 3://b", "file://elsewhere/p", "simplecache::s3://b/p"]
)
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(Misconfigured, match=r"^snapshots\.directory: write "):
        load(overrides=[f"snapshots.directory={url}"], environ={})
