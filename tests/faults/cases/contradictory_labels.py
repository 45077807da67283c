"""Labels as annotators really send them: twice, contradictory, late, never, or for an unknown id.

All labels of an id lie in one partition here. So the topic shows which label of an id was the first, and what
was learned is compared with it.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from functools import partial
from typing import Any

from tests.faults import oracles
from tests.faults.admin import committed_labels, ends
from tests.faults.fault import Fault
from tests.faults.flow import has_decided, has_learned, wait_until
from tests.faults.testbed import Figures, Testbed
from tests.support.oracles import all_closed
from tests.support.stream import truth
from tests.support.world import World

__all__ = ["FAULTS"]

TIMES = 3
AT_ONCE = 120
LIFE_SECONDS = 4.0
REMEMBERED = 5


async def all_judged(world: World) -> bool:
    """Whether the committed offset has come to the end of the labels."""
    found, last = await committed_labels(world), await ends(world, world.topics.labels)
    return all(p in found and found[p].offset == end for p, end in last.items() if end)


async def label_twice(world: World, draw: random.Random, truths: dict[str, str]) -> None:
    """Two annotators label the same queries, each in another order. The second one is often wrong."""

    async def annotate(name: str, wrong: float) -> None:
        given = [(i, t if draw.random() >= wrong else f"not {t}") for i, t in truths.items()] * TIMES
        draw.shuffle(given)
        for at in range(0, len(given), 10):
            labels = [{"id": i, "label": label, "annotator": name} for i, label in given[at : at + 10]]
            await world.send(world.topics.labels, labels)
            await asyncio.sleep(0.01)

    await asyncio.gather(annotate("ann", 0.0), annotate("bob", 0.4))


async def labels_contradict(testbed: Testbed) -> Figures:
    """All kinds of labels at once, and a SIGKILL of a replica each time."""
    draw = random.Random(testbed.seed)  # noqa: S311 - which labels come, and when
    world = await testbed.world("budget.share=0.5", "kafka.session_timeout_seconds=2")
    servers = [testbed.server(world, name) for name in ("a", "b")]
    await asyncio.gather(*(server.start() for server in servers))
    ids: set[str] = set()
    lost: dict[str, str] = {}
    kills = late = 0
    for turn in range(2 if testbed.quick else 12):
        ids |= {s["id"] for s in await world.samples(AT_ONCE, start=len(ids))}
        await wait_until(partial(has_decided, world, set(ids)), "all samples are decided")
        asked = {q["id"]: truth(q["features"]) for q in await world.queries()}
        fresh = {i: t for i, t in asked.items() if i not in world.labelled}
        world.labelled |= fresh.keys()
        known = sorted(world.labelled - fresh.keys())
        old = {i: asked[i] for i in draw.sample(known, len(known) // 5)}
        late += len(old.keys() & lost.keys())
        lost = {i: t for i, t in lost.items() if i not in old}
        lost |= {i: fresh.pop(i) for i in draw.sample(sorted(fresh), len(fresh) // 10)}
        sending = asyncio.create_task(label_twice(world, draw, fresh | old))
        await asyncio.sleep(0.5)
        await servers[turn % 2].kill()
        kills += 1
        await oracles.check_offsets(world)
        await asyncio.gather(sending, servers[turn % 2].start())
    await wait_until(lambda: all_judged(world), "all labels are judged")
    topic = world.topics.examples
    again = [r.value for r in await world.records(topic)][:5]
    await world.send(topic, again)  # a replica that seemed dead may still send its examples again
    await wait_until(lambda: _folded(world, servers), "all examples are folded")
    figures: Figures = await check_first_label_wins(world, set(lost))
    states: list[Any] = [await server.status() for server in servers]
    assert [s["pending"] for s in states] == [len(lost)] * 2, (
        "the queries without a label are not the pending ones"
    )
    await wait_until(lambda: oracles.has_committed(world, len(ids)), "all is committed")
    figures |= await oracles.check_all(world, servers, torn=True)
    return await oracles.tally(world, ids, kills=kills, never=len(lost), late=late, **figures)


async def check_first_label_wins(world: World, lost: set[str]) -> Figures:
    """The first label in the log is learned, and every contradiction is an example of its own."""
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
        assert set(kept) == set(given), f"{sample_id}: a contradiction is not recorded"
    return {"conflicts": sum(len(set(said)) > 1 for said in labels.values())}


async def labels_unknown(testbed: Testbed) -> Figures:
    """Labels for ids that have no query, that the service has forgotten, or whose query has expired."""
    life = f"queries.life_hours={LIFE_SECONDS / 3600:.6f}"
    world = await testbed.world(life, f"labels.remember={REMEMBERED}", "budget.share=0.5")
    server = testbed.server(world, "a")
    await server.start()
    asked = {f"asked-{n}" for n in range(2 * REMEMBERED)}
    await teach(world, *asked)
    forgotten = [e["id"] for e in await world.examples()][:REMEMBERED]
    ids = {s["id"] for s in await world.samples(60)}
    await wait_until(lambda: has_decided(world, ids), "all samples are decided")
    old = sorted({q["id"] for q in await world.queries()} - asked)
    await asyncio.sleep(LIFE_SECONDS + 1)
    forged = [f"forged-{n}" for n in range(20)]
    before: Any = await server.status()
    for name in (*forged, *old, *forgotten):
        await world.label(name, annotator="mallory")
    await wait_until(lambda: all_judged(world), "the offset advances")
    suffix = world.topics.dead_letter_suffix
    letters = await world.records(world.topics.labels + suffix)
    told = Counter((r.key or b"").decode() for r in letters)
    reasons = {dict(r.headers)["stream_al.errors.exception"] for r in letters}
    expired = await server.metric("labels_total", outcome="expired")
    assert reasons == {b"unknown_id"}
    assert set(told) >= {*forged, *forgotten}, "a label for an unknown id is not a dead letter"
    assert len(old) == expired + sum(told[i] for i in old), (
        "a late label is neither counted nor a dead letter"
    )
    now: Any = await server.status()
    assert now["model"] == before["model"], "a label without an open query was learned"
    await wait_until(lambda: all_closed(world), "expired queries get a tombstone")
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
    """Publish queries that live long, label them, and wait until all of them are learned."""
    await world.ask(*sample_ids)
    for name in sample_ids:
        await world.label(name)
    await wait_until(lambda: has_learned(world, {*sample_ids}), "the labels are learned")


async def _folded(world: World, servers: list[Any]) -> bool:
    end = sum((await ends(world, world.topics.examples)).values())
    states = [await server.status() for server in servers]
    return all(state["examples"]["offset"] == end for state in states)


FAULTS = (
    Fault(
        "labels",
        "labels that are repeated, contradictory, late, lost or out of order, and a SIGKILL in between",
        "each id is learned once, with its first label in the log; a contradiction is recorded",
        labels_contradict,
    ),
    Fault(
        "unknown-labels",
        "labels for ids without a query, forgotten ids, or expired queries",
        "the label is counted, or a dead letter with the reason; the offset advances",
        labels_unknown,
    ),
)
