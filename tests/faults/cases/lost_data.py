"""Examples, offsets or topics that are gone.

The service refuses to start, with one line that says what to do. Every fault here does what the
line says, and then the service works. It never starts from nothing by itself.

One case cannot be noticed: a broker that keeps the offsets of a deleted topic, where the topic of samples was
deleted and created again and has grown past these offsets. Apache Kafka deletes the offsets with the topic.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from stream_al.engine.labels.exclusions import Exclusions
from tests.faults import oracles
from tests.faults.admin import create, delete_group, delete_records, delete_topic, ends
from tests.faults.fault import Fault
from tests.faults.flow import drain, wait_until
from tests.faults.testbed import Figures, Testbed
from tests.support.exclusion import digest_of
from tests.support.processes import Server, options, run
from tests.support.world import World

__all__ = ["FAULTS"]

QUIET = "log.level=error"
REFUSES = "the service refuses to start and says what to do, which works; it never resets itself silently"


async def refusal(server: Server, *words: str) -> str:
    """Start a process that refuses to work: exit code 1, and one line with these words; the line."""
    before, kept = len(server.said()), sorted(server.snapshots.glob("*"))
    await server.launch()
    code = await server.ended()
    (line,) = server.said()[before:].strip().splitlines()
    assert code == 1, f"exit code {code}: {line}"
    assert line.startswith("stream-al: "), line
    for word in words:
        assert word in line, f"{word!r} is not in: {line}"
    assert sorted(server.snapshots.glob("*")) == kept, (
        "a process that refused to start has changed a snapshot"
    )
    return line


async def follow(world: World, server: Server, line: str, *chosen: str) -> None:
    """Run the command that a line names, with these options of it."""
    commands = [found.split() for found in re.findall(r"`stream-al ([^`]*)`", line)]
    said = next(command for command in commands if command[0] in ("model", "offsets"))
    assert all(option in line for option in chosen), f"{chosen} are not in: {line}"
    known = [part for part in said if not part.startswith("--") and part not in ("earliest", "latest")]
    topic = ["--topic", known.pop()] if "--topic" in said else []
    given = [*world.written, QUIET, f"snapshots.directory={server.snapshots}"]
    code, errors = await run(*known, *topic, *chosen, *options(given))
    assert code == 0, f"{known}: {errors}"


async def stopped_servers(testbed: Testbed, *names: str) -> tuple[World, list[Server], set[str]]:
    """Servers that have learned something, each after the other, and are stopped."""
    world = await testbed.world()
    servers, ids = [testbed.server(world, name, QUIET) for name in names], set[str]()
    for server in servers:
        await server.start()
        ids |= {s["id"] for s in await world.samples(60, start=len(ids))}
        await drain(world, ids, [server])
        await server.terminate()
    return world, servers, ids


async def digest_from(world: World, begin: int = 0) -> str:
    """The digest of a model that has learned the examples from an offset on."""
    return await digest_of(world, Exclusions(), begin)


async def examples_cut(testbed: Testbed) -> Figures:
    """The topic of examples loses its beginning, further than the snapshot covers."""
    world, (early, *later), ids = await stopped_servers(
        testbed, "early", *([] if testbed.quick else ["later"])
    )
    topic = world.topics.examples
    if testbed.quick:  # as if another replica had written them
        await world.send(topic, [{**e, "id": f"more {e['id']}"} for e in await world.examples()])
    whole, end = await digest_from(world), (await ends(world, topic))[0]
    begin = end - 5
    await delete_records(world, topic, begin)
    line = await refusal(early, topic, f"{begin} to {end}", "model rebuild", "--from-here")
    refused = [(early, line)]
    if not testbed.quick:
        await refusal(early, "model rebuild")  # also the second time
        new = testbed.server(world, "new", QUIET)
        begins = await refusal(new, topic, f"begins at offset {begin}", "model rebuild --from-here")
        refused.append((new, begins))
    for server in later:  # their snapshots cover the deleted examples
        await server.start()
        assert await server.digest() == whole
        await server.terminate()
    for server, said in refused:
        await follow(world, server, said, "--from-here")
        await server.start()
        assert await server.digest() == await digest_from(world, begin)
        await server.terminate()
    await delete_records(world, topic, end)  # no example is left
    empty = testbed.server(world, "empty", QUIET)
    await follow(world, empty, await refusal(empty, f"begins at offset {end}", "--from-here"), "--from-here")
    await empty.start()
    await world.ask("new")
    await world.label("new")
    await wait_until(lambda: _offset(empty, end + 1), "it learns again")
    assert await empty.digest() == await digest_from(world, end)
    await empty.kill()
    if not testbed.quick:
        await empty.start()
        assert await empty.digest() == await digest_from(world, end)
    return {"samples": len(ids), "examples": end, "cut": end, "mended": len(refused) + 1, "kills": 1}


async def examples_recreated(testbed: Testbed) -> Figures:
    """The topic of examples is created again, first shorter than the snapshot, then longer."""
    world, (a,), ids = await stopped_servers(testbed, "a")
    topic = world.topics.examples
    old = [r.value for r in await world.records(topic)]
    await delete_topic(world, topic)
    await create(world, topic)
    await world.send(topic, [old[0]])
    shorter = await refusal(a, topic, "holds 0 to 1", "model rebuild")
    await world.send(topic, [*old[1:], *old])  # as from a backup: the timestamps differ, so it is another log
    longer = await refusal(a, topic, f"example {len(old) - 1}", "model rebuild")
    await follow(world, a, longer)
    await a.start()
    assert await a.digest() == await digest_from(world)
    await oracles.check_learned_once(world, await oracles.statuses([a]))
    assert shorter != longer
    return {"samples": len(ids), "examples": len(old), "refusals": 2, "mended": 1, "kills": 0}


async def offsets_expired(testbed: Testbed) -> Figures:
    """The offsets of the consumer groups expire while the service is down."""
    world, (a,), ids = await stopped_servers(testbed, "a")
    ways = ("earliest",) if testbed.quick else ("latest", "earliest")
    for to in ways:
        before = len(await world.messages(str(world.topics.predictions)))
        examples = len(await world.examples())
        for stage in ("select", "intake"):
            await delete_group(world, stage)
        line = await refusal(a, f"{world.settings.application}.select", "offsets reset", to)
        assert len(await world.messages(str(world.topics.predictions))) == before, (
            "it decided samples before it refused to start"
        )
        await follow(world, a, line, "--to", to)
        await a.start()
        old = ids if to == "earliest" else set[str]()
        ids = ids | {s["id"] for s in await world.samples(30, start=len(ids))}
        await drain(world, ids, [a])
        due = before + 30 + len(old)
        await wait_until(partial(_predicted, world, due), "all samples are decided")
        assert len(await world.messages(str(world.topics.predictions))) == due, "a sample was decided again"
        assert len(await world.examples()) >= examples
        await oracles.check_learned_once(world, await oracles.statuses([a]))
        assert await _reset_while_running(world, a) == 2, "the offsets of a running service were reset"
        await a.terminate()
    figures = await oracles.tally(world, ids, refusals=len(ways), mended=len(ways), kills=0)
    assert figures["lost"] == 0
    return figures


async def samples_recreated(testbed: Testbed) -> Figures:
    """The topic of samples is created again, longer than before. Later its records are deleted unread."""
    world, (a,), ids = await stopped_servers(testbed, "a")
    topic = world.topics.samples
    await delete_topic(world, topic)
    await create(world, topic)
    new = {s["id"] for s in await world.samples(3 * len(ids), start=len(ids))}
    line = await refusal(a, topic, "offsets reset --to earliest")
    await follow(world, a, line, "--to", "earliest")
    first = len(ids | new)
    if not testbed.quick:
        await a.start()
        ids |= new
        await drain(world, ids, [a])
        await a.terminate()
    await world.samples(60, start=first)
    for partition, end in (await ends(world, topic)).items():
        await delete_records(world, topic, end, partition)  # before any of them is decided
    line = await refusal(a, topic, f"offsets reset --topic {topic} --to earliest")
    await follow(world, a, line, "--to", "earliest")
    await a.start()
    ids |= {s["id"] for s in await world.samples(60, start=first + 60)}
    await drain(world, ids, [a])
    await oracles.check_learned_once(world, await oracles.statuses([a]))
    figures = await oracles.tally(world, ids, refusals=2, mended=2, kills=0)
    assert figures["lost"] == 0
    return figures


async def _reset_while_running(world: World, server: Server) -> int:
    code, _ = await run("offsets", "reset", "--to", "earliest", *options([*world.written, QUIET]))
    assert server.code is None
    return code


async def _offset(server: Server, offset: int) -> bool:
    status: Any = await server.status()
    return bool(status["examples"]["offset"] >= offset)


async def _predicted(world: World, number: int) -> bool:
    return len(await world.messages(str(world.topics.predictions))) >= number


FAULTS = (
    Fault(
        "examples-cut",
        "examples are deleted that the snapshot does not cover",
        REFUSES,
        examples_cut,
    ),
    Fault(
        "examples-recreated",
        "the topic of examples is created again, shorter or longer than the snapshot",
        REFUSES,
        examples_recreated,
    ),
    Fault(
        "offsets-expired",
        "the offsets of the consumer groups have expired",
        REFUSES,
        offsets_expired,
    ),
    Fault(
        "samples-recreated",
        "the topic of samples is created again, or its records are deleted unread",
        REFUSES,
        samples_recreated,
    ),
)
