"""What other programs may do on the same Kafka: transactions, deletions, odd timestamps, moved offsets."""

from __future__ import annotations

import asyncio
from time import time

import msgspec

from stream_al.service.broker.protocols import Position
from tests.broker.transactions import producing, transact
from tests.faults import oracles
from tests.faults.admin import committed_labels, committed_samples, create, delete_topic, ends
from tests.faults.fault import Fault
from tests.faults.flow import drain, has_decided, labelling, wait_until
from tests.faults.testbed import Figures, Testbed
from tests.support.flow import joined
from tests.support.stream import sample

__all__ = ["FAULTS"]


async def transactions(testbed: Testbed) -> Figures:
    """Samples and labels come in transactions; half of them are aborted."""
    world = await testbed.world("budget.share=1.0")
    server = testbed.server(world, "a")
    await server.start()
    good, topics = [sample(n) for n in range(20)], world.topics
    void = [{"id": f"void{n}", "features": sample(n)["features"]} for n in range(20)]
    for part in range(0, 20, 5):
        await transact(world, topics.samples, void[part : part + 5], commit=False)
        await transact(world, topics.samples, good[part : part + 5], commit=True)
    ids = {s["id"] for s in good}
    await wait_until(lambda: has_decided(world, ids), "what was committed is decided")
    labels = [{"id": one["id"], "label": "up"} for one in good[:10]]
    await transact(world, topics.labels, [{**one, "label": "WRONG"} for one in labels], commit=False)
    await transact(world, topics.labels, labels, commit=True)
    await wait_until(lambda: joined(world, 10), "what was committed is learned")

    async def at_the_ends() -> bool:
        samples, labels = await committed_samples(world), await committed_labels(world)
        return all(
            samples[p].offset == end for p, end in (await ends(world, topics.samples)).items() if end
        ) and all(labels[p].offset == end for p, end in (await ends(world, topics.labels)).items() if end)

    await wait_until(at_the_ends, "the markers are committed")

    await world.ask(*(f"short{n}" for n in range(10)), life_ms=1000)

    async def expired() -> bool:
        await world.samples(1, start=1000)  # log time passes
        return await server.metric("expired_queries_total") >= 10

    await wait_until(expired, "queries of a short life expire")
    assert {q["id"] for q in await world.queries()} >= ids
    assert not {v["id"] for v in void} & {q["id"] for q in await world.queries()}
    assert {e["label"] for e in await world.examples()} == {"up"}
    return {"samples": len(ids), "aborted": len(void) + len(labels), "kills": 0}


async def odd_timestamps(testbed: Testbed) -> Figures:
    """Producers stamp samples and labels in microseconds, in seconds, and at the end of time."""
    world = await testbed.world("budget.share=0.5", "budget.per_hour=1000")
    for topic in (world.topics.samples, world.topics.labels):
        await delete_topic(world, topic)
        await create(
            world,
            topic,
            {"message.timestamp.type": "CreateTime", "message.timestamp.after.max.ms": str(2**63 - 1)},
        )
    server = testbed.server(world, "a")
    await server.start()
    ids = {s["id"] for s in await world.samples(40)}
    await wait_until(lambda: has_decided(world, ids), "all is decided")
    odd = [int(time() * 1e6), int(time()), 2**63 - 1, 0]
    async with producing(world) as producer:
        for number, stamp in enumerate(odd * 5):
            one = sample(100 + number)
            ids.add(one["id"])
            raw, key = msgspec.json.encode(one), one["id"].encode()
            await producer.send_and_wait(world.topics.samples, raw, key=key, timestamp_ms=stamp)
        await wait_until(lambda: has_decided(world, ids), "all is decided")
        for stamp, query in zip(odd, await world.queries(), strict=False):
            world.labelled.add(query["id"])
            raw = msgspec.json.encode({"id": query["id"], "label": "up"})
            await producer.send_and_wait(world.topics.labels, raw, timestamp_ms=stamp)
    await asyncio.sleep(2.5)  # the search for expired queries runs once a second
    ids |= {s["id"] for s in await world.samples(40, start=1000)}
    await drain(world, ids, [server])
    assert (
        await server.metric("expired_queries_total")
        == await server.metric("labels_total", outcome="expired")
        == 0
    )
    ahead = await server.metric("problems_total", kind="clock", reason="timestamp_ahead")
    assert ahead >= 10, "they are counted"
    figures = await oracles.tally(world, ids, ahead=int(ahead), kills=0)
    assert figures["lost"] == 0
    return figures


async def deletions(testbed: Testbed) -> Figures:
    """Rows of the table behind the stream are deleted: each gives a delete event and a tombstone."""
    world = await testbed.world(
        "input.id=payload.after.id", "input.features=payload.after", "limits.bad_records=10"
    )
    server = testbed.server(world, "a")
    await server.start()
    rows = [sample(n)["features"] | {"id": f"s{n}"} for n in range(60)]
    topic, ids = world.topics.samples, {row["id"] for row in rows}
    deleted = {"payload": {"op": "d", "before": rows[0], "after": None}}
    async with labelling(world):
        for part in range(0, 60, 20):
            inserts = [
                {"payload": {"op": "c", "before": None, "after": row}} for row in rows[part : part + 20]
            ]
            await world.send(topic, inserts, [row["id"].encode() for row in rows[part : part + 20]])
            await world.send(topic, [deleted, None] * 30, [b"s0"] * 60)
        await drain(world, ids, [server])
    assert not await world.records(topic + world.topics.dead_letter_suffix)
    for reason in ("deleted", "tombstone"):
        assert await server.metric("skipped_records_total", stage="select", reason=reason) == 90
    figures = await oracles.tally(world, ids, skipped=180, kills=0)
    assert figures["lost"] == 0
    return figures


async def offsets_moved(testbed: Testbed) -> Figures:
    """Another tool moves the offsets of the samples, without the states that were committed with them."""
    world = await testbed.world("budget.share=0.5", "budget.total=11")
    group, topic = f"{world.settings.application}.select", world.topics.samples
    server, ids = testbed.server(world, "a"), set[str]()
    for turn in range(2 if testbed.quick else 5):
        await server.start()
        ids |= {s["id"] for s in await world.samples(60, start=len(ids))}
        await drain(world, ids, [server])
        await server.terminate()
        bare = {p: Position(0) for p in await committed_samples(world)}
        await world.client.keep_positions(group, topic, bare)
        assert len({q["id"] for q in await world.queries()}) == 11, f"turn {turn}: the total is bought once"
    return {"samples": len(ids), "queries": 11, "kills": 0}


async def topic_recreated_live(testbed: Testbed) -> Figures:
    """The topic of samples is created anew under the running service."""
    world = await testbed.world()
    server = testbed.server(world, "a", "log.level=error")
    await server.start()
    ids = {s["id"] for s in await world.samples(40)}
    await drain(world, ids, [server])
    topic = world.topics.samples
    await delete_topic(world, topic)
    await create(world, topic)
    assert await server.ended() == 1
    line = server.said().strip().splitlines()[-1]
    assert topic in line, line
    figures = await oracles.tally(world, set(), kills=0)
    return {**figures, "samples": len(ids)}


FAULTS = (
    Fault(
        "transactions",
        "samples and labels come in transactions, and half of them are aborted",
        "what is aborted never happened; the markers count as read: no lag is left, queries expire",
        transactions,
    ),
    Fault(
        "odd-timestamps",
        "producers stamp samples and labels in microseconds, in seconds or at the end of time",
        "one further ahead of the broker's time than `limits.ahead_seconds` does not count, and is reported",
        odd_timestamps,
    ),
    Fault(
        "deletions",
        "rows of the table behind the stream are deleted: delete events and tombstones",
        "they are skipped and counted; they are no dead letters and stop no partition",
        deletions,
    ),
    Fault(
        "offsets-moved",
        "another tool moves the offsets of the samples, which drops the states committed with them",
        "the accounts are found in their copy: `budget.total` is bought once",
        offsets_moved,
    ),
    Fault(
        "topic-recreated-live",
        "the topic of samples is created again under the running service",
        "the process ends within seconds and says why; started again, it says what to do",
        topic_recreated_live,
    ),
)
