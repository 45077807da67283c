"""Snapshots: a file gives the learner that was saved, or it is discarded.

Nothing is unpickled before its checksum is known to be right, and then only what models are made of.
"""

from __future__ import annotations

import json
import os
import pickle
import random
import resource
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from stream_al.engine.labels.judge import KnownLabels
from stream_al.engine.labels.learner import Learner
from stream_al.engine.model.model import Model
from stream_al.errors import Unavailable
from stream_al.messages import Example
from stream_al.service.engine_settings import fresh_learner
from stream_al.service.model import unpickling
from stream_al.service.model.snapshots import SCHEMA
from tests.support.damage import attack, flipped, opened, sealed, torn
from tests.support.exclusion import taught as taught_world
from tests.support.models import MODELS, examples
from tests.support.snapshots import KEY, anchor, directory_of, offsets, settings, taught, written
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

    def spied(body: bytes, factory: str | None) -> Any:
        unpickled.append(body)
        return unpickling.loads(body, factory)

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
    newest.write_bytes(sealed({**header, **change}, body))
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
    for path in paths:
        header, body = opened(path.read_bytes())
        older = body.replace(b"engine.labels.learner", b"engine.learner")
        assert (header["stream_al"], older != body) == (SCHEMA, True)
        path.write_bytes(sealed({**header, "stream_al": 4}, older))
    monkeypatch.setattr("stream_al.service.model.snapshots.loads", _never)
    with capture_logs() as captured:
        again = await world.start()
    why = {entry["why"] for entry in captured if entry["event"] == "snapshot discarded"}
    assert why == {f"its stream_al is 4, not {SCHEMA}"}
    assert again.metric("examples_total", outcome="learned") == end, "all of them are folded again"
    assert (again.offset, again.digest) == (end, digest)


def _never(body: bytes, factory: str | None) -> Any:
    raise AssertionError("this must not be unpickled")


HEADERS = [
    b'{"header":{"length":1e999},"check":"x"}',
    b'{"header":{},"check":"x"}',
    b'{"header":[],"check":"x"}',
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


@pytest.mark.parametrize("check", ["é", "\ud800", "", "sha256:", "none"])
async def test_a_checksum_of_any_kind_does_no_harm(tmp_path: Path, check: str) -> None:
    given = settings(tmp_path)
    newest, _ = await written(given, 10, 20)
    line, _, body = newest.read_bytes().partition(b"\n")
    outer = json.loads(line)
    newest.write_bytes(json.dumps({**outer, "check": check}).encode() + b"\n" + body)
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


async def test_a_forger_with_a_checksum_runs_no_code(tmp_path: Path) -> None:
    given = settings(tmp_path)
    newest, _ = await written(given, 10, 20)
    header, _ = opened(newest.read_bytes())
    for how, body, mark in attacks(tmp_path):
        newest.write_bytes(sealed(header, body))
        assert await offsets(given) == [10], how
        assert not mark.exists(), how


async def test_with_a_key_only_files_with_its_signature_are_read(tmp_path: Path) -> None:
    """A plain checksum is refused, and so is another key, even around a sound learner."""
    given = settings(tmp_path, f"snapshots.key={KEY}")
    newest, _ = await written(given, 10, 20)
    header, body = opened(newest.read_bytes())
    for key in (None, "", "another key"):
        newest.write_bytes(sealed(header, body, key))
        assert await offsets(given) == [10], key
    newest.write_bytes(sealed(header, body, KEY))
    assert await offsets(given) == [20, 10]
    assert await offsets(settings(tmp_path)) == []  # nor is a signed one read without its key


async def test_a_full_disk_leaves_the_old_snapshots_and_nothing_else(tmp_path: Path) -> None:
    given = settings(tmp_path)
    paths = await written(given, 10)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(Unavailable, match="did not take a snapshot"):
            await directory_of(given).save(taught(given, 20), anchor(19))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert os.listdir(tmp_path) == [path.name for path in paths]  # noqa: PTH208 - nothing half written
    assert await offsets(given) == [10]


async def test_a_directory_that_cannot_be_made_costs_only_the_snapshot(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_text("in the way")
    given = settings(place)
    assert await offsets(given) == []
    with pytest.raises(Unavailable, match="did not take a snapshot"):
        await directory_of(given).save(taught(given, 10), anchor(9))


async def test_an_unfinished_file_of_a_killed_process_is_deleted(tmp_path: Path) -> None:
    given = settings(tmp_path, "snapshots.keep=2")
    left = tmp_path / f"examples-{7:020}.{os.getpid() + 1}.tmp"
    left.write_bytes(b"half")
    os.utime(left, (0, 0))  # long ago: another replica may be writing a newer one
    await written(given, 10, 20, 30)
    assert not left.exists()
    assert await offsets(given) == [30, 20]
