"""Snapshots: a file gives the learner that was saved, or it is discarded.

Nothing is unpickled, and no more than its header is read, before its signature is known to be right.
"""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import random
import resource
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from stream_al.engine.labels.judge import KnownLabels
from stream_al.engine.labels.learner import Learner
from stream_al.engine.model import pickling
from stream_al.engine.model.model import Model
from stream_al.errors import Misconfigured, Unavailable
from stream_al.messages import Example
from stream_al.service.engine_settings import fresh_learner
from stream_al.service.model.signature import KeyFile
from stream_al.service.model.snapshots import MAX_HEADER_BYTES, SCHEMA
from stream_al.service.model.stores import DirectoryStore, store
from stream_al.service.model.stores.directory import LEFT_BEHIND_SECONDS
from stream_al.settings import load
from tests.support.damage import attack, flipped, opened, sealed, torn
from tests.support.exclusion import taught as taught_world
from tests.support.models import MODELS, examples
from tests.support.snapshots import (
    anchor,
    directory_of,
    key_file,
    key_of,
    offsets,
    save,
    settings,
    taught,
    written,
)
from tests.support.stores import KEY
from tests.support.world import MakeWorld


@pytest.mark.parametrize("key", [None, KEY])
async def test_what_is_saved_is_what_is_loaded(tmp_path: Path, key: str | None) -> None:
    given = settings(tmp_path, *([f"snapshots.key={key}"] if key else []))
    await written(given, 10, 20)
    store = directory_of(given)
    found = [pair async for pair in store.load(store.fingerprint)]
    assert [(learner.offset, at) for learner, at in found] == [(20, anchor(19)), (10, anchor(9))]
    assert found[0][0].model.digest() == taught(given, 20).model.digest()


@pytest.mark.parametrize("definition", MODELS)
async def test_every_kind_of_model_is_restored_and_learns_on_in_the_same_way(
    tmp_path: Path, definition: str
) -> None:
    given = settings(tmp_path, f"model.definition={definition}")
    learner = Learner(Model(definition, seed=0), KnownLabels(1000))
    lessons = list(examples(MODELS[definition]))
    for n, (features, label) in enumerate(lessons[:100]):
        learner.fold(Example(id=str(n), label=label, features=features), n)
    await directory_of(given).save(learner, anchor(99))
    ((restored, _),) = [
        pair async for pair in directory_of(given).load(fresh_learner(given).model.fingerprint)
    ]
    for n, (features, label) in enumerate(lessons[100:], 100):
        for one in (learner, restored):
            one.fold(Example(id=str(n), label=label, features=features), n)
    assert restored.model.digest() == learner.model.digest()


@pytest.mark.parametrize("key", [None, KEY])
async def test_a_damaged_file_is_discarded_and_never_unpickled(
    tmp_path: Path, key: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = settings(tmp_path, *([f"snapshots.key={key}"] if key else []))
    newest, before = await written(given, 50, 60)
    content, draw = newest.read_bytes(), random.Random(1)  # noqa: S311 - where to flip
    unpickled: list[bytes] = []

    def spied(body: bytes) -> Any:
        unpickled.append(body)
        return pickling.loads(body)

    monkeypatch.setattr("stream_al.service.model.snapshots.loads", spied)
    sound = opened(before.read_bytes())[1]
    for how, damaged in [*torn(content), *flipped(content, draw, 400)]:
        newest.write_bytes(damaged)
        assert await offsets(given) == [50], how
        assert unpickled.pop() == sound, how
        assert not unpickled, how
    newest.write_bytes(content)
    assert await offsets(given) == [60, 50]


FOREIGN: list[tuple[dict[str, Any], str]] = [
    ({"river": "0.21.0"}, "its river is '0.21.0'"),
    ({"python": "3.9"}, "its python is '3.9'"),
    ({"stream_al": 99}, "its stream_al is 99"),
    ({"stream_al": 1}, "its stream_al is 1"),
    ({"definition": "0" * 32}, "its definition is"),
    ({"anchor": {"offset": 12, "timestamp_ms": 0, "digest": ""}}, "does not hold the learner"),
    ({"anchor": {"offset": "19", "timestamp_ms": 0, "digest": ""}}, "does not hold the learner"),
    ({"anchor": {"offset": 19}}, "no header of ours"),
    ({"anchor": [1, 2, 3]}, "no header of ours"),
]


@pytest.mark.parametrize(("change", "why"), FOREIGN)
async def test_a_sound_but_foreign_file_is_discarded(
    tmp_path: Path, change: dict[str, Any], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = settings(tmp_path)
    newest, _ = await written(given, 10, 20)
    header, body = opened(newest.read_bytes())
    newest.write_bytes(sealed({**header, **change}, body, key_of(given)))
    assert await offsets(given) == [10]
    assert why in capsys.readouterr().out


async def test_a_snapshot_of_an_older_schema_leads_to_a_replay_and_the_same_model(
    memory_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pickle names classes in modules that are gone, so it is discarded before it is unpickled."""
    world = await memory_world()
    replica = await world.start()
    end = await taught_world(world)
    digest = replica.digest
    await replica.stop()
    paths = list(world.snapshots("a").glob("*.snapshot"))
    assert paths
    key = KeyFile(world.snapshots("a")).read_or_make()
    for path in paths:
        header, body = opened(path.read_bytes())
        older = body.replace(b"engine.labels.learner", b"engine.learner")
        assert (header["stream_al"], older != body) == (SCHEMA, True)
        path.write_bytes(sealed({**header, "stream_al": 4}, older, key))
    monkeypatch.setattr("stream_al.service.model.snapshots.loads", _never)
    with capture_logs() as captured:
        again = await world.start()
    why = {entry["why"] for entry in captured if entry["event"] == "snapshot discarded"}
    assert why == {f"its stream_al is 4, not {SCHEMA}"}
    assert again.metric("examples_total", outcome="learned") == end, "all of them are folded again"
    assert (again.offset, again.digest) == (end, digest)


def _never(body: bytes) -> Any:
    raise AssertionError("this must not be unpickled")


HEADERS = [
    b'{"header":{"length":1e999},"signature":"x"}',
    b'{"header":{},"signature":"x"}',
    b'{"header":[],"signature":"x"}',
    b"[" * 9_000,
    b"null",
    b'"' + b"x" * 20_000 + b'"',
    "{{«".encode(),
    b"\xff\xfe",
]


@pytest.mark.parametrize("line", HEADERS)
async def test_a_header_of_any_kind_does_no_harm(tmp_path: Path, line: bytes) -> None:
    given = settings(tmp_path)
    newest, _ = await written(given, 10, 20)
    newest.write_bytes(line + b"\nbody")
    assert await offsets(given) == [10]


@pytest.mark.parametrize("signature", ["é", "\ud800", "", "hmac-sha256:", "none", None, 1e999])
async def test_a_signature_of_any_kind_does_no_harm(tmp_path: Path, signature: Any) -> None:
    given = settings(tmp_path)
    newest, _ = await written(given, 10, 20)
    line, _, body = newest.read_bytes().partition(b"\n")
    outer = json.loads(line)
    newest.write_bytes(json.dumps({**outer, "signature": signature}).encode() + b"\n" + body)
    assert await offsets(given) == [10]


def attacks(tmp_path: Path) -> Iterator[tuple[str, bytes, Path]]:
    mark = tmp_path / "mark"
    return ((how, body, mark) for how, body in attack(mark))


def test_every_attack_works_on_plain_pickle(tmp_path: Path) -> None:
    """Each of them leaves its mark there, so the tests below test something."""
    for how, body, mark in attacks(tmp_path):
        with suppress(Exception):  # what is left on the stack may be no more than a number
            pickle.loads(body)  # noqa: S301 - our own bytes
        assert mark.exists(), how
        mark.unlink()


@pytest.mark.parametrize("key", [None, KEY])
async def test_a_forger_without_the_key_runs_no_code(tmp_path: Path, key: str | None) -> None:
    given = settings(tmp_path / "s", *([f"snapshots.key={key}"] if key else []))
    newest, _ = await written(given, 10, 20)
    header, sound = opened(newest.read_bytes())
    for how, body, mark in attacks(tmp_path):
        for guess in (b"", b"another key", key_of(given)[:-1]):
            newest.write_bytes(sealed(header, body, guess))
            assert await offsets(given) == [10], how
        newest.write_bytes(sealed(header, sound, key_of(given))[: -len(sound)] + body.ljust(len(sound), b"."))
        assert await offsets(given) == [10], "a right header does not vouch for another content"
        assert not mark.exists(), how
    newest.write_bytes(sealed(header, sound, key_of(given)))
    assert await offsets(given) == [20, 10]


async def test_a_snapshot_is_not_read_without_the_key_that_signed_it(tmp_path: Path) -> None:
    plain, keyed = settings(tmp_path / "s"), settings(tmp_path / "s", f"snapshots.key={KEY}")
    await written(plain, 10)
    assert await offsets(keyed) == []
    await written(keyed, 20)
    assert await offsets(keyed) == [20]
    assert await offsets(plain) == [10]


async def test_only_the_header_of_an_unsigned_file_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sparse file costs its writer nothing; to read it would cost its whole length in memory."""
    given = settings(tmp_path / "s")
    newest, _ = await written(given, 10, 20)
    header, body = opened(newest.read_bytes())
    read: list[int] = []
    whole = DirectoryStore._read

    def spied(self: DirectoryStore, name: str, limit_bytes: int) -> tuple[bytes, int]:
        content, size = whole(self, name, limit_bytes)
        read.append(len(content))
        return content, size

    monkeypatch.setattr(DirectoryStore, "_read", spied)
    for content in (sealed({**header}, body, b"forged")[: -len(body)], b"no header"):
        newest.write_bytes(content)
        os.truncate(newest, 2**30 - 1)
        read.clear()
        assert await offsets(given) == [10]
        assert read[0] <= MAX_HEADER_BYTES
    newest.write_bytes(sealed(header, body, key_of(given)))
    os.truncate(newest, 2**30 - 1)
    read.clear()
    assert await offsets(given) == [10], "longer than its header says"
    assert read[0] <= MAX_HEADER_BYTES


async def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    given = settings(tmp_path / "new" / "s")
    before = os.umask(0)
    try:
        (path,) = await written(given, 10)
    finally:
        os.umask(before)
    modes = [stat.S_IMODE(place.stat().st_mode) for place in (path, key_file(given), path.parent)]
    assert modes == [0o600, 0o600, 0o700]


async def test_a_link_or_a_pipe_is_not_followed(tmp_path: Path) -> None:
    given = settings(tmp_path / "s")
    newest, _ = await written(given, 10, 20)
    moved = newest.rename(tmp_path / "elsewhere")
    newest.symlink_to(moved)
    assert await offsets(given) == [10]
    newest.unlink()
    os.mkfifo(newest)
    async with asyncio.timeout(10):  # nobody writes into the pipe
        assert await offsets(given) == [10]


async def test_a_key_that_others_can_reach_is_refused_with_what_to_do(tmp_path: Path) -> None:
    given = settings(tmp_path / "s")
    await written(given, 10)
    key = key_file(given)
    key.chmod(0o604)
    with pytest.raises(Misconfigured, match=r"others can reach the key .*s\.key.*: delete it"):
        await offsets(given)
    with pytest.raises(Unavailable, match="others can reach the key"):  # while it runs, it costs the snapshot
        await save(given, 20)
    key.unlink()
    assert await offsets(given) == [], "what the old key has signed is not used"
    assert await written(given, 30)
    assert await offsets(given) == [30]


@pytest.mark.parametrize("content", [b"", b"short"])
async def test_a_key_that_is_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    given = settings(tmp_path / "s")
    await written(given, 10)
    key_file(given).write_bytes(content)
    with pytest.raises(Misconfigured, match="holds no key"):
        await offsets(given)


async def test_a_key_behind_a_link_is_refused(tmp_path: Path) -> None:
    given = settings(tmp_path / "s")
    await written(given, 10)
    key_file(given).symlink_to(key_file(given).rename(tmp_path / "chosen"))
    assert await offsets(given) == []
    with pytest.raises(Unavailable, match="cannot be used"):
        await save(given, 20)


def test_replicas_that_start_at_once_take_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as threads:
        found = set(threads.map(lambda _: KeyFile(tmp_path / "a" / "s").read_or_make(), range(64)))
    assert len(found) == 1
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["s.key"]


def test_without_a_directory_snapshots_lie_in_the_state_directory_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = load(overrides=["application=fraud"], environ={})
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert store(given).path == tmp_path / "stream_al/fraud/snapshots"  # type: ignore[attr-defined]
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert store(given).path == tmp_path / ".local/state/stream_al/fraud/snapshots"  # type: ignore[attr-defined]


async def test_a_full_disk_leaves_the_old_snapshots_and_nothing_else(tmp_path: Path) -> None:
    given = settings(tmp_path / "s")
    paths = await written(given, 10)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(Unavailable, match="did not take a snapshot"):
            await directory_of(given).save(taught(given, 20), anchor(19))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert os.listdir(paths[0].parent) == [path.name for path in paths]  # noqa: PTH208 - nothing half written
    assert await offsets(given) == [10]


async def test_a_directory_that_cannot_be_made_costs_only_the_snapshot(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_text("in the way")
    given = settings(place)
    assert await offsets(given) == []
    with pytest.raises(Unavailable, match="did not take a snapshot"):
        await directory_of(given).save(taught(given, 10), anchor(9))


async def test_an_unfinished_file_is_deleted_when_no_process_can_be_writing_it(
    tmp_path: Path,
) -> None:
    given = settings(tmp_path / "s", "snapshots.keep=2")
    await written(given, 10)
    old, fresh = (tmp_path / "s" / f"examples-{number:020}.x.tmp" for number in (7, 8))
    for left in (old, fresh):
        left.write_bytes(b"half")
    os.utime(old, (0, old.stat().st_mtime - LEFT_BEHIND_SECONDS - 60))
    await written(given, 20, 30)
    assert (old.exists(), fresh.exists()) == (False, True)
    assert await offsets(given) == [30, 20]
