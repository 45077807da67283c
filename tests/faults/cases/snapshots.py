"""Snapshots that are damaged or forged, and a disk that is full.

A snapshot is a cache. Whatever happens to it, the model at the end of the log is the same.
"""

from __future__ import annotations

import random
import resource
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from stream_al.service import maintenance
from stream_al.service.engine_settings import fresh_learner
from stream_al.service.model.signature import KeyFile
from stream_al.service.model.snapshots import Snapshots
from stream_al.settings import Settings
from tests.faults import oracles
from tests.faults.fault import Fault
from tests.faults.flow import drain, wait_until
from tests.faults.testbed import Figures, Testbed
from tests.support.damage import attack, flipped, opened, sealed, torn
from tests.support.processes import Server
from tests.support.world import World

__all__ = ["FAULTS"]

KEY = "only the service knows this, all of it"
ROOM = 20_000
STEP = 2500


def damages(content: bytes, testbed: Testbed, mark: Path, key: bytes) -> Iterator[tuple[str, bytes]]:
    """All kinds of damage to a snapshot, each with a description."""
    draw, (header, body) = random.Random(testbed.seed), opened(content)  # noqa: S311 - which bits to flip
    yield from torn(content)
    yield from flipped(content, draw, 100 if testbed.quick else 1000)
    for name, value in (("river", "0.21.0"), ("stream_al", 99), ("definition", "0" * 32)):
        yield f"{name} is {value}", sealed({**header, name: value}, body, key)
    for how, evil in attack(mark):
        yield f"forged, with the header of another: {how}", sealed(header, body, key)[: -len(body)] + evil
        yield f"forged: {how}", sealed(header, evil, b"a guess")
    yield "intact, signed with another key", sealed(header, body, b"another key")


def settings_of(world: World, server: Server, key: str | None) -> Settings:
    """The settings of a world, with the snapshots of a server."""
    own: dict[str, Any] = {"directory": server.snapshots, "key": None}
    changed = world.settings.snapshots.model_validate({**own, "key": key})
    return world.settings.model_copy(update={"snapshots": changed})


async def snapshots_damaged(testbed: Testbed) -> Figures:
    """Every damaged snapshot is discarded. The previous one, or none, leads to the same model."""
    world, mark = await testbed.world(), testbed.directory / "mark"
    plain, signed = testbed.server(world, "plain"), testbed.server(world, "signed", f"snapshots.key={KEY}")
    await plain.start()
    ids = {s["id"] for s in await world.samples(150)}
    await drain(world, ids, [plain])
    await signed.start()
    await drain(world, ids, [plain, signed])
    states = await oracles.statuses([plain, signed])
    await oracles.check_digests(states)
    digest, tried, restored = states[0]["model"]["digest"], 0, 0
    for server, key in ((plain, None), (signed, KEY)):
        await server.terminate()
        settings = settings_of(world, server, key)
        store = Snapshots(settings, fresh_learner(settings).model.fingerprint)
        newest, *older = [server.snapshots / name for name in await store.names()]
        content, offsets = newest.read_bytes(), [int(path.name[9:29]) for path in older]
        secret = key.encode() if key else KeyFile(server.snapshots).read_or_make()
        for number, (how, damaged) in enumerate(damages(content, testbed, mark, secret)):
            newest.write_bytes(damaged)
            found = [learner.offset async for learner, _ in store.load(store.fingerprint)]
            assert found == offsets, f"{how}: the snapshot was used"
            assert not mark.exists(), f"{how}: code of the snapshot ran"
            tried += 1
            if number % (100 if testbed.quick else 5) == 0:
                learner = await maintenance.load_model(
                    settings, world.connect(settings), rebuild=False, progress=_ignore
                )
                assert learner.model.digest() == digest, f"{how}: the model is another one"
                restored += 1
        discarded = await _damage_all(server, newest, older, content, mark, secret)
        await server.start()
        assert (await oracles.statuses([server]))[0]["model"]["digest"] == digest
        assert server.said().count("snapshot discarded") == discarded
        assert not mark.exists(), "a process ran the code of a forged snapshot"
        assert "Traceback" not in server.said()
    await oracles.check_learned_once(world, await oracles.statuses([plain, signed]))
    return {"samples": len(ids), "damages": tried, "restored": restored, "restarts": 2, "ran": 0}


async def _damage_all(
    server: Server, newest: Path, older: list[Path], content: bytes, mark: Path, key: bytes
) -> int:
    """Replace every snapshot of a process by forged or torn ones, or one of an old River; how many."""
    header, body = opened(content)
    forgeries = [sealed(header, evil, b"a guess") for _, evil in attack(mark)]
    paths = [newest, *older]
    last = int(newest.name[9:29])
    damaged = [content[: len(content) // 2], sealed({**header, "river": "0.21.0"}, body, key), *forgeries]
    for number, file in enumerate(damaged):
        path = (
            paths[number]
            if number < len(paths)
            else newest.with_name(f"examples-{last + number:020}.snapshot")
        )
        path.write_bytes(file)
    return max(len(damaged), len(paths))


async def disk_full(testbed: Testbed) -> Figures:
    """No file can grow beyond a limit: first no snapshot, in the end not even the log file."""
    world = await testbed.world(
        "model.definition=AMFClassifier(n_estimators=3)", "snapshots.every_examples=5"
    )
    server = testbed.server(world, "a")
    await server.start()
    ids = {s["id"] for s in await world.samples(100)}
    await drain(world, ids, [server])
    await wait_until(lambda: _counted(server, "written", 1), "a snapshot is written")
    intact = sorted(server.snapshots.iterdir())
    assert intact[-1].stat().st_size > ROOM // 4, "the snapshot is too small for the limit to matter"
    failed = 0.0
    for room in (intact[-1].stat().st_size // 2, 0):
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
        ids |= {s["id"] for s in await world.samples(100, start=len(ids))}
        await drain(world, ids, [server])
        await wait_until(partial(_counted, server, "failed", failed + 1), "the failure is counted")
        failed = await server.metric("snapshots_total", outcome="failed")
        assert await server.probe("/livez") == await server.probe("/readyz") == httpx.codes.OK
        assert sorted(server.snapshots.iterdir()) == intact, (
            "an old snapshot is gone, or a half-written one is left"
        )
    assert "snapshot failed" in server.said(), "the failure is not logged"
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    written = await server.metric("snapshots_total", outcome="written")
    ids |= {s["id"] for s in await world.samples(100, start=len(ids))}
    await drain(world, ids, [server])
    await wait_until(lambda: _counted(server, "written", written + 1), "snapshots are written again")
    await server.kill()
    await server.start()
    figures = await oracles.check_all(world, [server])
    return await oracles.tally(world, ids, failed=failed, kills=1, **figures)


async def _counted(server: Server, outcome: str, least: float) -> bool:
    return await server.metric("snapshots_total", outcome=outcome) >= least


def _ignore(done: int, total: int) -> None:
    """Ignore progress."""


FAULTS = (
    Fault(
        "snapshots",
        "a snapshot is torn, has a flipped bit, is forged, or belongs to another model or River version",
        "it is discarded for the previous one or a full replay; it is unpickled only if it has a valid HMAC",
        snapshots_damaged,
    ),
    Fault(
        "disk-full",
        "the disk is full",
        "the snapshot is not written; this is counted and logged; the service goes on",
        disk_full,
    ),
)
