"""Snapshots that cannot be trusted, and a disk that takes no more.

A snapshot is a cache: whatever becomes of it, the model at the end of the log is the same one.
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
from stream_al.service.model.snapshots import Snapshots
from stream_al.settings import Settings
from tests.faults import oracles
from tests.faults.arena import Arena, Figures, drain, wait_until
from tests.faults.fault import Fault
from tests.faults.server import Server
from tests.support.damage import attack, flipped, opened, sealed, torn
from tests.support.world import World

__all__ = ["FAULTS"]

KEY = "only the service knows this"
ROOM = 20_000
STEP = 2500


def damages(content: bytes, arena: Arena, mark: Path, key: str | None) -> Iterator[tuple[str, bytes]]:
    """All that may have become of a snapshot."""
    draw, (header, body) = random.Random(arena.seed), opened(content)  # noqa: S311 - where to flip
    yield from torn(content)
    yield from flipped(content, draw, 100 if arena.quick else 1000)
    for name, value in (("river", "0.21.0"), ("stream_al", 99), ("definition", "0" * 32)):
        yield f"{name} is {value}", sealed({**header, name: value}, body, key)
    for how, evil in attack(mark):
        yield f"forged, wrong checksum: {how}", sealed(header, body, key)[: -len(body)] + evil
        yield f"forged: {how}", sealed(header, evil)
    if key:
        yield "sound, and not signed", sealed(header, body)
        yield "sound, and signed with another key", sealed(header, body, "another key")


def private(world: World, server: Server, key: str | None) -> Settings:
    """The world's settings with a server's snapshots."""
    own: dict[str, Any] = {"directory": server.snapshots, "key": None}
    changed = world.settings.snapshots.model_validate({**own, "key": key})
    return world.settings.model_copy(update={"snapshots": changed})


async def untrusted(arena: Arena) -> Figures:
    """Every damage is passed over; the previous snapshot, or none, leads to the same model."""
    world, mark = await arena.world(), arena.directory / "mark"
    plain, signed = arena.server(world, "plain"), arena.server(world, "signed", f"snapshots.key={KEY}")
    await plain.start()
    ids = {s["id"] for s in await world.samples(150)}
    await drain(world, ids, [plain])
    await signed.start()
    await drain(world, ids, [plain, signed])
    states = await oracles.statuses([plain, signed])
    await oracles.o4(states)
    digest, tried, whole = states[0]["model"]["digest"], 0, 0
    for server, key in ((plain, None), (signed, KEY)):
        await server.terminate()
        settings = private(world, server, key)
        store = Snapshots(settings, fresh_learner(settings).model.fingerprint)
        newest, *older = [server.snapshots / name for name in await store.names()]
        content, offsets = newest.read_bytes(), [int(path.name[9:29]) for path in older]
        for number, (how, damaged) in enumerate(damages(content, arena, mark, key)):
            newest.write_bytes(damaged)
            found = [learner.offset async for learner, _ in store.load(store.fingerprint)]
            assert found == offsets, f"{how}: it was used"
            assert not mark.exists(), f"{how}: it ran"
            tried += 1
            if number % (100 if arena.quick else 5) == 0:
                learner = await maintenance.load_model(
                    settings, world.connect(settings), rebuild=False, progress=_quiet
                )
                assert learner.model.digest() == digest, f"{how}: another model"
                whole += 1
        discarded = await _nothing_sound(server, newest, older, content, mark)
        await server.start()
        assert (await oracles.statuses([server]))[0]["model"]["digest"] == digest
        assert server.said().count("snapshot discarded") == discarded
        assert not mark.exists(), "a process ran what a forger wrote"
        assert "Traceback" not in server.said()
    await oracles.o3(world, await oracles.statuses([plain, signed]))
    return {"samples": len(ids), "damages": tried, "restored": whole, "restarts": 2, "ran": 0}


async def _nothing_sound(server: Server, newest: Path, older: list[Path], content: bytes, mark: Path) -> int:
    """Leave a process nothing but forgeries, torn files and an old River's; how many."""
    header, body = opened(content)
    forgeries = [sealed(header, evil) for _, evil in attack(mark)]
    paths = [newest, *older]
    last = int(newest.name[9:29])
    spoiled = [content[: len(content) // 2], sealed({**header, "river": "0.21.0"}, body), *forgeries]
    for number, damaged in enumerate(spoiled):
        path = (
            paths[number]
            if number < len(paths)
            else newest.with_name(f"examples-{last + number:020}.snapshot")
        )
        path.write_bytes(damaged)
    return max(len(spoiled), len(paths))


async def disk_full(arena: Arena) -> Figures:
    """No file may grow any more: not the snapshots, and in the end not even the log."""
    world = await arena.world("model.definition=AMFClassifier(n_estimators=3)", "snapshots.every_examples=5")
    server = arena.server(world, "a")
    await server.start()
    ids = {s["id"] for s in await world.samples(100)}
    await drain(world, ids, [server])
    await wait_until(lambda: _counted(server, "written", 1), "a snapshot is written")
    sound = sorted(server.snapshots.iterdir())
    assert sound[-1].stat().st_size > ROOM // 4, "a snapshot has to be larger than the room that is left"
    failed = 0.0
    for room in (sound[-1].stat().st_size // 2, 0):
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
        lot = {s["id"] for s in await world.samples(100, start=len(ids))}
        ids |= lot
        await drain(world, ids, [server])
        await wait_until(partial(_counted, server, "failed", failed + 1), "it is counted")
        failed = await server.metric("snapshots_total", outcome="failed")
        assert await server.probe("/livez") == await server.probe("/readyz") == httpx.codes.OK
        assert sorted(server.snapshots.iterdir()) == sound, (
            "the old ones stay, and nothing is left half written"
        )
    assert "snapshot failed" in server.said(), "it is logged"
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    written = await server.metric("snapshots_total", outcome="written")
    ids |= {s["id"] for s in await world.samples(100, start=len(ids))}
    await drain(world, ids, [server])
    await wait_until(lambda: _counted(server, "written", written + 1), "with room again, it is written again")
    await server.kill()
    await server.start()
    figures = await oracles.all_five(world, [server])
    return await oracles.tally(world, ids, failed=failed, kills=1, **figures)


async def _counted(server: Server, outcome: str, least: float) -> bool:
    return await server.metric("snapshots_total", outcome=outcome) >= least


def _quiet(done: int, total: int) -> None:
    """Take no notice of progress."""


FAULTS = (
    Fault(
        "snapshots",
        "a torn, bit-flipped, foreign, forged or old River's snapshot",
        "discarded for the previous one or a full replay; never unpickled before its checksum, with "
        "`snapshots.key` set never without a valid HMAC",
        untrusted,
    ),
    Fault(
        "disk-full",
        "the disk is full",
        "the snapshot is skipped, counted and logged; the service goes on",
        disk_full,
    ),
)
