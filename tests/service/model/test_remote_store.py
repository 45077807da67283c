"""The store behind a URL: S3, any other filesystem of fsspec, and what goes wrong there."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from threading import Event
from threading import enumerate as enumerate_threads
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import _registry

from stream_al.errors import Misconfigured, Unavailable
from stream_al.service.model.stores import store
from stream_al.settings import load
from tests.support.flow import run
from tests.support.replica import DEADLINE_SECONDS
from tests.support.snapshots import at, at_url, directory_of, offsets, save, settings
from tests.support.stores import KEY, SECRET, S3Place, S3Server, point_at
from tests.support.world import MakeWorld

KEYED = f"snapshots.key={KEY}"


async def test_a_file_url_is_its_path(tmp_path: Path) -> None:
    await save(settings(Path("unused"), f"snapshots.directory=file://{tmp_path}/a%20b"), 10)
    assert await offsets(settings(tmp_path / "a b")) == [10]


async def test_any_filesystem_of_fsspec_can_be_used() -> None:
    """A filesystem that blocks and has directories works as S3 does."""
    given = settings(Path("unused"), KEYED, "snapshots.directory=memory://a/b/c", "snapshots.keep=1")
    assert await offsets(given) == []
    await save(given, 10, 20)
    assert await offsets(given) == [20]
    assert await directory_of(given).clear() == 1
    assert await offsets(given) == []


async def test_a_call_to_a_filesystem_without_timeouts_ends_at_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No second call is made while one hangs; when that has ended, the store works again."""
    over = Event()

    def ls(*arguments: Any, **more: Any) -> list[str]:
        over.wait()
        return []

    monkeypatch.setattr(MemoryFileSystem, "ls", ls)
    given = settings(Path("unused"), KEYED, "snapshots.directory=memory://d", "limits.deadline_seconds=0.2")
    snapshots = directory_of(given)
    with pytest.raises(Unavailable, match=r"longer than 0\.2 s"):
        await snapshots.names()
    with pytest.raises(Unavailable, match="an earlier call still hangs"):
        await snapshots.names()
    (hanging,) = [thread for thread in enumerate_threads() if thread.name == "run_in_thread"]
    assert hanging.daemon
    over.set()
    await asyncio.to_thread(hanging.join)
    assert await snapshots.names() == []


async def test_a_large_snapshot_is_uploaded_in_parts_and_read_back(
    s3: S3Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = bytes(range(256)) * 4 * 2**10 * 12  # 12 MiB
    there = store(at(s3))
    from s3fs import S3FileSystem  # noqa: PLC0415 - slow

    monkeypatch.setattr(S3FileSystem._pipe_file, "__defaults__", (5 * 2**20, None, "overwrite"))
    await there.write("large", content)
    assert await there.read("large", len(content)) == content == s3.get("large")


async def test_a_store_that_hangs_delays_no_call_beyond_its_deadline(s3: S3Place, server: S3Server) -> None:
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


async def test_a_start_waits_for_a_store_that_is_away(
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


async def test_a_store_that_is_away_later_costs_only_the_snapshot(
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
    samples = 60

    async def written() -> bool:
        nonlocal samples
        await run(world, 20, start=samples)  # each save has the deadline of half a second
        samples += 20
        return bool(replica.metric("snapshots_total", outcome="written"))

    await world.until(written, "and written again")


async def test_the_process_ends_in_time_although_its_store_hangs(
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


async def test_refused_access_is_one_line_without_secrets(
    s3: S3Place, server: S3Server, memory_world: MakeWorld
) -> None:
    world = await memory_world()
    server.ask_for_keys(True)
    try:
        replica = await at_url(world, s3, wait=False)
        with pytest.raises(Misconfigured) as refused:
            await replica.ended()
    finally:
        server.ask_for_keys(False)
    (line,) = refused.value.mistakes
    assert line.startswith("snapshots.directory: s3://")
    assert "refuses us" in line
    assert "\n" not in line
    assert SECRET not in line
    world.replicas.clear()


async def test_missing_credentials_are_one_line(s3: S3Place, monkeypatch: pytest.MonkeyPatch) -> None:
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

own = ["snapshots.directory=" + sys.argv[1], "snapshots.key=" + "k" * 32]
given = load(overrides=["log.level=debug", *own], environ={})
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
        [sys.executable, "-c", DEBUGGED, s3.url],
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=True,
    )
    assert done.stderr
    assert SECRET not in done.stderr + done.stdout


async def test_a_missing_bucket_is_reported_and_not_created(s3: S3Place) -> None:
    given = settings(Path("unused"), KEYED, "snapshots.directory=s3://nobodys/x")
    for _ in range(2):
        with pytest.raises(Misconfigured, match="there is no bucket for s3://nobodys/x"):
            await offsets(given)
        with pytest.raises(Unavailable, match="did not take a snapshot"):
            await save(given, 10)


async def test_a_store_where_nothing_listens_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    point_at(None, monkeypatch)
    given = settings(Path("unused"), KEYED, "snapshots.directory=s3://bucket/x", "limits.deadline_seconds=2")
    with pytest.raises(Unavailable):
        await offsets(given)


@pytest.mark.parametrize(("missing", "url"), [("fsspec", "s3://b/p"), ("s3fs", "s3://b/p")])
def test_a_missing_extra_is_one_line_that_says_what_to_run(
    missing: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.delitem(_registry, "s3", raising=False)  # as in a process that just began
    given = settings(Path("unused"), KEYED, f"snapshots.directory={url}")
    with pytest.raises(
        Misconfigured, match=r"^snapshots\.directory: for .*`python -m pip install 'stream_al\[remote\]'`$"
    ):
        store(given)


def test_an_unknown_scheme_is_one_line() -> None:
    with pytest.raises(
        Misconfigured, match=r"^snapshots\.directory: nosuch://b/p/stream_al cannot be opened: .+$"
    ):
        store(settings(Path("unused"), KEYED, "snapshots.directory=nosuch://b/p"))


@pytest.mark.parametrize(
    "url", ["s3://ann:5ecret@bucket/p", "s3://bucket/p?token=5ecret", "s3://bucket/p#5ecret"]
)
def test_a_url_with_credentials_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(Misconfigured, match=r"^snapshots\.directory: .*environment") as refused:
        load(overrides=[f"snapshots.directory={url}"], environ={})
    assert "5ecret" not in str(refused.value)


@pytest.mark.parametrize("url", ["s3://", "://x", "S 3://b", "file://elsewhere/p", "simplecache::s3://b/p"])
def test_a_malformed_url_is_refused(url: str) -> None:
    with pytest.raises(Misconfigured, match=r"^snapshots\.directory: write "):
        load(overrides=[f"snapshots.directory={url}"], environ={})


def test_a_url_needs_a_key_because_others_may_write_there() -> None:
    with pytest.raises(Misconfigured, match=r"^snapshots\.key: .*openssl rand -hex 32"):
        settings(Path("unused"), "snapshots.directory=memory://a")
    assert settings(Path("unused"), "snapshots.directory=file:///a").snapshots.key is None


def test_a_short_key_is_refused() -> None:
    with pytest.raises(Misconfigured, match=r"^snapshots\.key: .*32"):
        settings(Path("unused"), "snapshots.key=" + "k" * 31)
