"""Poison records, which can never be used: some, nothing else, and without a topic of dead letters."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from functools import partial
from typing import Any

import httpx
import msgspec

from stream_al.errors import BadMessage
from stream_al.messages import decode_json
from stream_al.service.broker.protocols import Outgoing, Record
from tests.faults import oracles
from tests.faults.admin import committed_samples, create, delete_topic
from tests.faults.fault import Fault
from tests.faults.flow import drain, has_decided, has_learned, labelling, wait_until
from tests.faults.testbed import Figures, Testbed
from tests.support.processes import Server
from tests.support.replica import DEADLINE_SECONDS
from tests.support.stream import sample
from tests.support.world import World

__all__ = ["FAULTS"]

LIMIT = 50
HEADERS = (("trace", b"\x00\xff"),)
FACTS = "stream_al.errors."
HELD_SECONDS = 6.0


def poison(draw: random.Random, number: int) -> bytes | None:
    """A value that is not a sample."""
    kind = number % 5
    if kind == 0:
        return b'{"id":"n"}'
    if kind == 1:
        return b'{"id":"n","features":{"x":NaN}}'
    if kind == 2:
        return msgspec.json.encode({"id": "m", "features": {"t": "a" * 2_000_000}})
    if kind == 3:
        return fuzzed(draw)
    return draw.randbytes(draw.randrange(1, 200))


def fuzzed(draw: random.Random) -> bytes:
    """A sample whose bytes are changed until it is not JSON."""
    value = bytearray(msgspec.json.encode(sample(draw.randrange(1000))))
    while True:
        value[draw.randrange(len(value))] = draw.randrange(256)
        try:
            decode_json(bytes(value), max_bytes=1000)
        except BadMessage:
            return bytes(value)


def check_letters(letters: Iterable[Record], bad: dict[bytes, Record]) -> int:
    """Every bad record is an unchanged dead letter with its origin and a reason; how many came twice."""
    found: dict[bytes, int] = {}
    for letter in letters:
        assert letter.key in bad, f"a good record is a dead letter: {letter.key!r}"
        origin, facts = bad[letter.key], dict(letter.headers)
        assert letter.value == origin.value
        assert facts["trace"] == HEADERS[0][1]
        said = [(facts[FACTS + name] or b"").decode() for name in ("topic", "partition", "offset", "stage")]
        assert said == [origin.topic, str(origin.partition), str(origin.offset), "select"]
        assert facts[FACTS + "exception"]
        assert facts[FACTS + "message"]
        found[letter.key] = found.get(letter.key, 0) + 1
    assert found.keys() == bad.keys(), f"lost: {sorted(bad.keys() - found.keys())[:5]}"
    return sum(found.values()) - len(found)


async def poison_among_samples(testbed: Testbed) -> Figures:
    """One record in a hundred is poison. The process is killed once in between."""
    draw = random.Random(testbed.seed)  # noqa: S311 - which records are poison
    world = await testbed.world("input.id=id", "kafka.session_timeout_seconds=2")
    server = testbed.server(world, "a")
    await server.start()
    number = 600 if testbed.quick else 20_000
    at = set(draw.sample(range(number), number // 100))
    values: list[Any] = [poison(draw, n) if n in at else sample(n) for n in range(number)]
    # Every kind in turn, wherever the records lie.
    for turn, n in enumerate(sorted(at)):
        values[n] = poison(draw, turn)
    keys = [f"k{n}".encode() if n in at else f"s{n}".encode() for n in range(number)]
    ids = {f"s{n}" for n in range(number)} - {f"s{n}" for n in at}
    async with labelling(world):
        for start in range(0, number, 100):
            part = slice(start, start + 100)
            await world.send(world.topics.samples, values[part], keys[part], HEADERS)
            if start == number // 2:
                await server.kill()
                await server.start()
    await drain(world, ids, [server], 60 if testbed.quick else 600)
    topic = world.topics.samples
    bad = {r.key: r for r in await world.records(topic) if r.key and r.key.startswith(b"k")}
    repeated = check_letters(await world.records(topic + world.topics.dead_letter_suffix), bad)
    await oracles.check_offsets(world)
    figures = await oracles.tally(world, ids, poison=len(bad), letters_repeated=repeated, kills=1)
    assert figures["lost"] == 0
    return figures


async def only_poison(testbed: Testbed) -> Figures:
    """One partition gets only poison, and a few good samples behind it."""
    draw = random.Random(testbed.seed)  # noqa: S311 - which bytes
    world = await testbed.world("input.id=id", f"limits.bad_records={LIMIT}")
    server = testbed.server(world, "a")
    await server.start()
    number = 2 * LIMIT + 20
    bad = [poison(draw, 3 + n % 2) for n in range(number)]
    topic = world.topics.samples
    stopped = (await world.client.send([Outgoing(topic, b"stopped", value, HEADERS) for value in bad]))[
        0
    ].partition
    await world.send(topic, [sample(n) for n in range(10)], [b"stopped"] * 10)  # behind the poison
    await wait_until(lambda: _has_stopped(server), "the partition is stopped")
    ids = {s["id"] for s in await world.samples(200, start=10)}
    others = {(r.key or b"").decode() for r in await world.records(topic) if r.partition != stopped} & ids
    await wait_until(lambda: has_decided(world, others), "the other partition goes on")
    status: Any = await server.status()
    assert list(status["select"]["stopped"]) == [str(stopped)]
    resumes = 0
    letters = topic + world.topics.dead_letter_suffix
    for stops in (1, 2):
        assert await _committed(world, stopped) == stops * LIMIT, (
            "the offset is not where the limit was reached"
        )
        assert len(await world.records(letters)) == stops * LIMIT
        assert not await world.decided() & ({f"s{n}" for n in range(10)} | ids - others)
        async with httpx.AsyncClient(
            base_url=server.url, timeout=DEADLINE_SECONDS, trust_env=False
        ) as client:
            (await client.post("/v1/resume")).raise_for_status()
        resumes += 1
        due = min(number, (stops + 1) * LIMIT)
        await wait_until(partial(_dead, world, letters, due), "it goes on from there")
        if stops == 1:
            await wait_until(lambda: _has_stopped(server), "it stops again")
    await drain(world, {*ids, *(f"s{n}" for n in range(10))}, [server])
    values = [r.value for r in await world.records(letters)]
    assert values == bad, "the dead letters are not the bad records, once and in order"
    figures = await oracles.tally(world, ids, poison=number, resumes=resumes, kills=0)
    assert figures["lost"] == 0
    return figures


async def no_dead_letters(testbed: Testbed) -> Figures:
    """The topic of dead letters is gone, and then a bad record comes."""
    world = await testbed.world("input.id=id", "limits.deadline_seconds=2")
    server = testbed.server(world, "a")
    await server.start()
    ids = {s["id"] for s in await world.samples(40)}
    await drain(world, ids, [server])
    topic = world.topics.samples
    letters = topic + world.topics.dead_letter_suffix
    await delete_topic(world, letters)
    await world.send(topic, [b"poison"], [b"k0"], HEADERS)
    (bad,) = [r for r in await world.records(topic) if r.key == b"k0"]
    ids |= {s["id"] for s in await world.samples(60, start=40)}
    await world.ask("elsewhere")
    await world.label("elsewhere", "up")
    world.labelled.add("elsewhere")
    held = 0
    for _ in range(int(HELD_SECONDS if testbed.quick else 30 * HELD_SECONDS)):
        await asyncio.sleep(1)
        offset = await _committed(world, bad.partition)
        assert offset <= bad.offset, f"the offset {offset} passed the bad record at {bad.offset}"
        assert server.code is None, server.tail()
        held += 1
    assert await server.probe("/livez") == httpx.codes.OK
    await wait_until(lambda: has_learned(world, {"elsewhere"}), "labels are learned meanwhile")
    await create(world, letters)
    back = await wait_until(lambda: has_decided(world, ids), "it goes on")
    await drain(world, ids, [server])
    repeated = check_letters(await world.records(letters), {b"k0": bad})
    await oracles.check_offsets(world)
    figures = await oracles.tally(world, ids, poison=1, held_seconds=held, kills=0)
    assert figures["lost"] == 0
    return {**figures, "letters_repeated": repeated, "back_seconds": round(back, 1)}


async def _committed(world: World, partition: int) -> int:
    return (await committed_samples(world))[partition].offset


async def _has_stopped(server: Server) -> bool:
    status: Any = await server.status()
    return bool(status["select"]["stopped"])


async def _dead(world: World, letters: str, number: int) -> bool:
    return len(await world.records(letters)) >= number


FAULTS = (
    Fault(
        "poison-1-percent",
        "1% of the records are poison: random bytes, NaN, 2 MB, no features",
        "each is an unchanged dead letter with its origin and the reason; the stream goes on",
        poison_among_samples,
    ),
    Fault(
        "poison-100-percent",
        "one partition holds only poison",
        "a limit stops this partition and no other; after a resume it goes on where it stopped",
        only_poison,
    ),
    Fault(
        "no-dead-letters",
        "the topic of dead letters is missing",
        "the offset does not advance and no record is skipped; it goes on when the topic is back",
        no_dead_letters,
    ),
)
