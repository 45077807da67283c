"""What the service had counted on is gone: examples, offsets, topics. It refuses to start, with one line.

The line says what to do, and each time it is done here, and works. Nothing is ever begun anew unasked.

What cannot be told: samples deleted and created anew on a broker that keeps the offsets of a topic it
deletes, once the new topic has grown past them. Apache Kafka forgets them with the topic.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import Any

from stream_al.messages import Example, decode
from stream_al.service.engine_settings import fresh_learner
from tests.faults import oracles
from tests.faults.admin import create, cut, delete_group, delete_topic, ends
from tests.faults.arena import Arena, Figures, drain, wait_until
from tests.faults.fault import Fault
from tests.faults.server import Server
from tests.support.processes import run
from tests.support.world import World

__all__ = ["FAULTS"]

QUIET = "log.level=error"


async def refusal(server: Server, *words: str) -> str:
    """Start a process that refuses to: exit code 1 and one line, which has these words; the line."""
    before, kept = len(server.said()), sorted(server.snapshots.glob("*"))
    await server.launch()
    code = await server.ended(60)
    (line,) = server.said()[before:].strip().splitlines()
    assert code == 1, f"exit code {code}: {line}"
    assert line.startswith("stream-al: "), line
    for word in words:
        assert word in line, f"{word!r} is not in: {line}"
    assert sorted(server.snapshots.glob("*")) == kept, "a refusal touches nothing"
    return line


async def do(world: World, server: Server, line: str, *options: str) -> None:
    """Do what a line says, with these options out of it."""
    commands = [found.split() for found in re.findall(r"`stream-al ([^`]*)`", line)]
    said = next(command for command in commands if command[0] in ("model", "offsets"))
    assert all(option in line for option in options), f"{options} are not in: {line}"
    known = [part for part in said if not part.startswith("--") and part not in ("earliest", "latest")]
    topic = ["--topic", known.pop()] if "--topic" in said else []
    given = [*world.written, QUIET, f"snapshots.directory={server.snapshots}"]
    sets = [part for setting in given for part in ("--set", setting)]
    code, told = await run(*known, *topic, *options, *sets)
    assert code == 0, f"{known}: {told}"


async def begun(arena: Arena, *names: str) -> tuple[World, list[Server], set[str]]:
    """Servers that have all learned something and were stopped, one after the other."""
    world = await arena.world()
    servers, ids = [arena.server(world, name, QUIET) for name in names], set[str]()
    for server in servers:
        await server.start()
        ids |= {s["id"] for s in await world.samples(60, start=len(ids))}
        await drain(world, ids, [server])
        await server.terminate()
    return world, servers, ids


async def digest_from(world: World, begin: int = 0, *, values: Sequence[bytes] | None = None) -> str:
    """What the pure engine makes of the examples from an offset on."""
    learner = fresh_learner(world.settings)
    for record in await world.records(world.topics.examples):
        if record.offset >= begin:
            learner.fold(decode(Example, record.value, max_bytes=10**9), record.offset)
    return learner.model.digest()


async def digest_of(server: Server) -> str:
    """Of the model that a server has now."""
    status: Any = await server.status()
    found: str = status["model"]["digest"]
    return found


async def examples_cut(arena: Arena) -> Figures:
    """The log of examples loses its beginning, and more than the snapshot covers."""
    world, (early, *later), ids = await begun(arena, "early", *([] if arena.quick else ["later"]))
    topic = world.topics.examples
    if arena.quick:  # as if another replica had written them
        await world.send(topic, [{**e, "id": f"more {e['id']}"} for e in await world.examples()])
    whole, end = await digest_from(world), (await ends(world, topic))[0]
    begin = end - 5
    await cut(world, topic, begin)
    line = await refusal(early, topic, f"{begin} to {end}", "model rebuild", "--from-here")
    refused = [(early, line)]
    if not arena.quick:
        await refusal(early, "model rebuild")  # however often
        new = arena.server(world, "new", QUIET)
        begins = await refusal(new, topic, f"begins at offset {begin}", "model rebuild --from-here")
        refused.append((new, begins))
    for server in later:  # its snapshot covers what is gone
        await server.start()
        assert await digest_of(server) == whole
        await server.terminate()
    for server, said in refused:
        await do(world, server, said, "--from-here")
        await server.start()
        assert await digest_of(server) == await digest_from(world, begin)
        await server.terminate()
    await cut(world, topic, end)  # nothing is left at all
    empty = arena.server(world, "empty", QUIET)
    await do(world, empty, await refusal(empty, f"begins at offset {end}", "--from-here"), "--from-here")
    await empty.start()
    await world.ask("after all")
    await world.label("after all")
    await wait_until(lambda: _offset(empty, end + 1), "it learns on")
    assert await digest_of(empty) == await digest_from(world, end)
    await empty.kill()
    if not arena.quick:
        await empty.start()
        assert await digest_of(empty) == await digest_from(world, end)
    return {"samples": len(ids), "examples": end, "cut": end, "mended": len(refused) + 1, "kills": 1}


async def examples_recreated(arena: Arena) -> Figures:
    """The topic of examples is deleted and created anew, shorter than the snapshot, then longer."""
    world, (a,), ids = await begun(arena, "a")
    topic = world.topics.examples
    old = [r.value for r in await world.records(topic)]
    await delete_topic(world, topic)
    await create(world, topic)
    await world.send(topic, [old[0]])
    shorter = await refusal(a, topic, "holds 0 to 1", "model rebuild")
    await world.send(topic, [*old[1:], *old])  # as if from a backup: other timestamps, so another log
    longer = await refusal(a, topic, f"example {len(old) - 1}", "model rebuild")
    await do(world, a, longer)
    await a.start()
    assert await digest_of(a) == await digest_from(world)
    await oracles.o3(world, await oracles.statuses([a]))
    assert shorter != longer
    return {"samples": len(ids), "examples": len(old), "refusals": 2, "mended": 1, "kills": 0}


async def offsets_expired(arena: Arena) -> Figures:
    """The group's offsets are gone while the service was away."""
    world, (a,), ids = await begun(arena, "a")
    ways = ("earliest",) if arena.quick else ("latest", "earliest")
    for to in ways:
        said = len(await world.messages(str(world.topics.predictions)))
        examples = len(await world.examples())
        for stage in ("select", "intake"):
            await delete_group(world, stage)
        line = await refusal(a, f"{world.settings.application}.select", "offsets reset", to)
        assert len(await world.messages(str(world.topics.predictions))) == said, (
            "it decides before it refuses"
        )
        await do(world, a, line, "--to", to)
        await a.start()
        old = ids if to == "earliest" else set[str]()
        ids = ids | {s["id"] for s in await world.samples(30, start=len(ids))}
        await drain(world, ids, [a])
        due = said + 30 + len(old)
        await wait_until(partial(_said, world, due), "all is decided that was asked for")
        assert len(await world.messages(str(world.topics.predictions))) == due, "and nothing else"
        assert len(await world.examples()) >= examples
        await oracles.o3(world, await oracles.statuses([a]))
        assert await _reset_while_running(world, a) == 2, "offsets of a running service cannot be moved"
        await a.terminate()
    figures = await oracles.tally(world, ids, refusals=len(ways), mended=len(ways), kills=0)
    assert figures["lost"] == 0
    return figures


async def samples_recreated(arena: Arena) -> Figures:
    """The stream is deleted and created anew, and longer than it was; then it is cut while nobody reads."""
    world, (a,), ids = await begun(arena, "a")
    topic = world.topics.samples
    await delete_topic(world, topic)
    await create(world, topic)
    new = {s["id"] for s in await world.samples(3 * len(ids), start=len(ids))}
    line = await refusal(a, topic, "offsets reset --to earliest")
    await do(world, a, line, "--to", "earliest")
    first = len(ids | new)
    if not arena.quick:
        await a.start()
        ids |= new
        await drain(world, ids, [a])
        await a.terminate()
    await world.samples(60, start=first)
    for partition, end in (await ends(world, topic)).items():
        await cut(world, topic, end, partition)  # before anybody has decided
    line = await refusal(a, topic, f"offsets reset --topic {topic} --to earliest")
    await do(world, a, line, "--to", "earliest")
    await a.start()
    ids |= {s["id"] for s in await world.samples(60, start=first + 60)}
    await drain(world, ids, [a])
    await oracles.o3(world, await oracles.statuses([a]))
    figures = await oracles.tally(world, ids, refusals=2, mended=2, kills=0)
    assert figures["lost"] == 0
    return figures


async def _reset_while_running(world: World, server: Server) -> int:
    sets = [part for setting in (*world.written, QUIET) for part in ("--set", setting)]
    code, _ = await run("offsets", "reset", "--to", "earliest", *sets)
    assert server.code is None
    return code


async def _offset(server: Server, offset: int) -> bool:
    status: Any = await server.status()
    return bool(status["examples"]["offset"] >= offset)


async def _said(world: World, number: int) -> bool:
    return len(await world.messages(str(world.topics.predictions))) >= number


FAULTS = (
    Fault(
        "examples-cut",
        "examples deleted below the snapshot",
        "refuses to start and says what to do, which works; never a silent reset",
        examples_cut,
    ),
    Fault(
        "examples-recreated",
        "the topic of examples created anew, shorter or longer than the snapshot",
        "refuses to start and says what to do, which works; never a silent reset",
        examples_recreated,
    ),
    Fault(
        "offsets-expired",
        "the group's offsets expired",
        "refuses to start and says what to do, which works; never a silent reset",
        offsets_expired,
    ),
    Fault(
        "samples-recreated",
        "the topic of samples created anew, or cut before it was read",
        "refuses to start and says what to do, which works; never a silent reset",
        samples_recreated,
    ),
)
