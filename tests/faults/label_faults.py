"""Labels as annotators really send them: twice, against each other, too late, never, for nobody's question.

All labels of an id lie in one partition here, so "the first in the log" can be read from the topic, and
what was learned be compared with it.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from functools import partial
from typing import Any

from stream_al.service.broker.kafka import Kafka
from tests.faults import oracles
from tests.faults.admin import ends
from tests.faults.arena import Arena, Figures, truth, wait_until
from tests.faults.fault import Fault
from tests.support.world import World

__all__ = ["FAULTS", "judged"]

TIMES = 3
LOT = 120
LIFE_SECONDS = 4.0
REMEMBERED = 5


async def judged(world: World) -> bool:
    """Whether the committed offset has come to the end of the labels."""
    client, topic = world.client, world.topics.labels
    assert isinstance(client, Kafka)
    found = await client.connection.committed(f"{world.settings.application}.intake", topic, range(2))
    return all(p in found and found[p].offset == end for p, end in (await ends(world, topic)).items() if end)


async def race(world: World, draw: random.Random, truths: dict[str, str]) -> None:
    """Two annotators answer the same queries in orders of their own; the second one is often wrong."""

    async def annotate(name: str, wrong: float) -> None:
        answers = [(i, t if draw.random() >= wrong else f"not {t}") for i, t in truths.items()] * TIMES
        draw.shuffle(answers)
        for at in range(0, len(answers), 10):
            lot = [{"id": i, "label": label, "annotator": name} for i, label in answers[at : at + 10]]
            await world.send(world.topics.labels, lot)
            await asyncio.sleep(0.01)

    await asyncio.gather(annotate("ann", 0.0), annotate("bob", 0.4))


async def contested(arena: Arena) -> Figures:
    """Everything at once, and kill -9 in the middle of it."""
    draw = random.Random(arena.seed)  # noqa: S311 - who says what, and when
    world = await arena.world("budget.share=0.5", "kafka.session_timeout_seconds=2")
    servers = [arena.server(world, name) for name in ("a", "b")]
    await asyncio.gather(*(server.start() for server in servers))
    ids: set[str] = set()
    lost: dict[str, str] = {}
    kills = late = 0
    for turn in range(2 if arena.quick else 12):
        ids |= {s["id"] for s in await world.samples(LOT, start=len(ids))}
        await wait_until(partial(_decided, world, set(ids)), "all samples are decided", 60)
        asked = {q["id"]: truth(q["features"]) for q in await world.queries()}
        fresh = {i: t for i, t in asked.items() if i not in world.answered}
        world.answered |= fresh.keys()
        known = sorted(world.answered - fresh.keys())
        old = {i: asked[i] for i in draw.sample(known, len(known) // 5)}
        late += len(old.keys() & lost.keys())
        lost = {i: t for i, t in lost.items() if i not in old}
        lost |= {i: fresh.pop(i) for i in draw.sample(sorted(fresh), len(fresh) // 10)}
        racing = asyncio.create_task(race(world, draw, fresh | old))
        await asyncio.sleep(0.5)
        await servers[turn % 2].kill()
        kills += 1
        await oracles.o2(world)
        await asyncio.gather(racing, servers[turn % 2].start())
    await wait_until(lambda: judged(world), "all labels are judged", 60)
    topic = world.topics.examples
    again = [r.value for r in await world.records(topic)][:5]
    await world.send(topic, again)  # a writer that was thought dead may still repeat itself
    await wait_until(lambda: _folded(world, servers), "all examples are folded", 60)
    figures: Figures = await first_wins(world, set(lost))
    states: list[Any] = [await server.status() for server in servers]
    assert [s["pending"] for s in states] == [len(lost)] * 2, "a query without a label waits on"
    await wait_until(lambda: _predicted(world, len(ids)), "all is committed")
    figures |= await oracles.all_five(world, servers, torn=True)
    return await oracles.tally(world, ids, kills=kills, never=len(lost), late=late, **figures)


async def first_wins(world: World, lost: set[str]) -> Figures:
    """Learned is the first label in the log; whoever contradicts it is on record."""
    labels: dict[str, list[str]] = {}
    for said in await world.messages(world.topics.labels):
        labels.setdefault(said["id"], []).append(said["label"])
    learned: dict[str, list[str]] = {}
    for example in await world.examples():
        learned.setdefault(example["id"], []).append(example["label"])
    assert learned.keys() == labels.keys(), f"not learned: {sorted(labels.keys() - learned.keys())[:5]}"
    assert not lost & learned.keys()
    for sample_id, given in labels.items():
        kept = learned[sample_id]
        assert kept[0] == given[0], f"{sample_id}: {given} in the log, {kept} learned"
        assert set(kept) == set(given), f"{sample_id}: a conflict is not on record"
    return {"conflicts": sum(len(set(said)) > 1 for said in labels.values())}


async def unknown(arena: Arena) -> Figures:
    """Labels for ids that were never asked, were forgotten, or whose query's life is over."""
    life = f"queries.life_hours={LIFE_SECONDS / 3600:.6f}"
    world = await arena.world(life, f"labels.remember={REMEMBERED}", "budget.share=0.5")
    server = arena.server(world, "a")
    await server.start()
    asked = {f"asked-{n}" for n in range(2 * REMEMBERED)}
    await teach(world, *asked)
    forgotten = [e["id"] for e in await world.examples()][:REMEMBERED]
    ids = {s["id"] for s in await world.samples(60)}
    await wait_until(lambda: _decided(world, ids), "all samples are decided")
    old = sorted({q["id"] for q in await world.queries()} - asked)
    await asyncio.sleep(LIFE_SECONDS + 1)
    forged = [f"forged-{n}" for n in range(20)]
    before: Any = await server.status()
    for name in (*forged, *old, *forgotten):
        await world.label(name, annotator="mallory")
    await wait_until(lambda: judged(world), "the offset advances")
    suffix = world.topics.dead_letter_suffix
    letters = await world.records(world.topics.labels + suffix)
    told = Counter((r.key or b"").decode() for r in letters)
    reasons = {dict(r.headers)["stream_al.errors.exception"] for r in letters}
    expired = await server.metric("labels_total", outcome="expired")
    assert reasons == {b"unknown_id"}
    assert set(told) >= {*forged, *forgotten}, "a label that means nothing is a dead letter"
    assert len(old) == expired + sum(told[i] for i in old), "a late label is counted or a dead letter"
    now: Any = await server.status()
    assert now["model"] == before["model"], "none of them was learned"
    await wait_until(lambda: _closed(world), "expired queries are withdrawn")
    await server.kill()
    await server.start()
    await teach(world, "after all")
    learned = {e["id"] for e in await world.examples()}
    assert learned == {*asked, "after all"}
    after: Any = await server.status()
    assert after["model"]["examples"] == len(learned)
    return {
        "samples": len(ids),
        "queries": len(old) + len(learned),
        "labels": len(forged) + len(old) + len(forgotten) + len(learned),
        "examples": len(learned),
        "forged": len(forged),
        "forgotten": len(forgotten),
        "expired": expired,
        "letters": len(letters),
        "kills": 1,
        "lost": 0,
        "doubled": 0,
    }


async def teach(world: World, *sample_ids: str) -> None:
    """Ask with patience, answer, and wait until all of it is learned."""
    await world.ask(*sample_ids)
    for name in sample_ids:
        await world.label(name)
    await wait_until(lambda: _learned(world, {*sample_ids}), "asked and answered is learned")


async def _learned(world: World, ids: set[str]) -> bool:
    return {e["id"] for e in await world.examples()} >= ids


async def _decided(world: World, ids: set[str]) -> bool:
    return await world.decided() >= ids


async def _closed(world: World) -> bool:
    return not await world.open_queries()


async def _folded(world: World, servers: list[Any]) -> bool:
    end = sum((await ends(world, world.topics.examples)).values())
    states = [await server.status() for server in servers]
    return all(state["examples"]["offset"] == end for state in states)


async def _predicted(world: World, samples: int) -> bool:
    client, topic = world.client, world.topics.samples
    assert isinstance(client, Kafka)
    found = await client.connection.committed(f"{world.settings.application}.select", topic, range(2))
    return sum(position.offset for position in found.values()) == samples


FAULTS = (
    Fault(
        "labels",
        "duplicate, conflicting, late, lost and out-of-order labels, with kill -9 in between",
        "learned once; the first in the log wins; a conflict is recorded",
        contested,
    ),
    Fault(
        "unknown-labels",
        "labels for ids never asked, forgotten or expired",
        "counted, or a dead letter with the reason; the offset advances",
        unknown,
    ),
)
