"""Whom the service cannot trust: senders that use one id for many samples, and writers of any record."""

from __future__ import annotations

from collections import defaultdict
from signal import SIGCONT, SIGSTOP
from typing import Any

from tests.faults import oracles
from tests.faults.cases.rebalances import each_has_one
from tests.faults.fault import Fault
from tests.faults.flow import drain, labelling, wait_until
from tests.faults.testbed import Figures, Testbed
from tests.support.processes import Server
from tests.support.world import HOSTILE, World

__all__ = ["FAULTS", "same_digests"]

CUSTOMERS, PAYMENTS = 8, 64
PAIRS, FEWEST_SHARED = 40, 10
SIDES = {0: b"0", 1: b"1"}  # keys, each of another partition


async def repeated_ids(testbed: Testbed) -> Figures:
    """Every record carries the id of its customer. A process is killed before the labels come."""
    world = await testbed.world("budget.share=1.0")
    servers = [testbed.server(world, name) for name in "ab"]
    for server in servers:
        await server.start()
    rows = [
        {"id": f"customer-{n % CUSTOMERS}", "features": {"x": n / PAYMENTS, "y": float(n)}}
        for n in range(PAYMENTS)
    ]
    await world.send(world.topics.samples, rows)

    async def asked() -> int:
        return len({query["version"] for query in await world.queries()})

    async def all_asked() -> bool:
        return await asked() == PAYMENTS

    await wait_until(all_asked, "a label is asked for each of them")
    await servers[0].kill()
    queries = {query["version"]: query for query in await world.queries()}
    assert len({query["id"] for query in queries.values()}) == PAYMENTS, "two samples have one id"
    labels = [_label(query, with_version=number % 2 == 0) for number, query in enumerate(queries.values())]
    await world.send(world.topics.labels, labels * 2)  # at least once
    await servers[0].start()

    async def learned() -> bool:
        return len({example["id"] for example in await world.examples()}) == PAYMENTS

    await wait_until(learned, "all labels are joined")
    wrong = [one["id"] for one in await world.examples() if one["label"] != _truth(one["features"])]
    assert not wrong, f"these have the label of another sample: {wrong}"
    await wait_until(lambda: same_digests(world, servers), "both have learned all")
    counted = [
        await server.metric("problems_total", kind="identity", reason="repeated_id") for server in servers
    ]
    assert sum(counted), "nothing says that ids are repeated"
    return {"samples": PAYMENTS, "ids": CUSTOMERS, "wrong": len(wrong), "kills": 1}


def _truth(features: dict[str, Any]) -> str:
    return "up" if int(features["y"]) // CUSTOMERS % 2 else "down"  # differs within each customer


def _label(query: dict[str, Any], *, with_version: bool) -> dict[str, Any]:
    version = {"version": query["version"]} if with_version else {}
    return {"id": query["id"], "label": _truth(query["features"]), **version}


async def shared_ids(testbed: Testbed) -> Figures:
    """Two replicas ask at once about two samples of one id, again and again; then one of them is killed."""
    world = await testbed.world("budget.share=1.0", "kafka.session_timeout_seconds=2", "input.id=name")
    servers = [testbed.server(world, name) for name in "ab"]
    for server in servers:
        await server.start()
    await wait_until(lambda: each_has_one(*servers), "each has a partition")
    rounds, sent = 0, 0

    async def has_asked() -> bool:
        return len({query["version"] for query in await world.queries()}) == 2 * sent

    while len(await _versions_of_shared(world)) < (FEWEST_SHARED if testbed.quick else 10 * FEWEST_SHARED):
        await _ask_at_once(world, servers, sent)
        sent, rounds = sent + PAIRS, rounds + 1
        await wait_until(has_asked, "all samples are asked about")
    await servers[0].kill()
    shared = await _versions_of_shared(world)

    async def each_has_its_own() -> bool:
        return len(await _open(world)) == 2 * sent

    await wait_until(each_has_its_own, "each sample has a query of its own in the topic")
    opened = await _open(world)
    bare = [{"id": sample_id, "label": "WRONG"} for sample_id in shared]
    labels = [
        {"id": query["id"], "label": _side(query["features"]), "version": version}
        for version, query in opened.items()
    ]
    await world.send(world.topics.labels, bare)
    await world.send(world.topics.labels, labels * 2)
    await servers[0].start()

    async def learned() -> bool:
        return len({example["id"] for example in await world.examples()}) == 2 * sent

    await wait_until(learned, "all labels are joined")
    wrong = [one["id"] for one in await world.examples() if one["label"] != _side(one["features"])]
    assert not wrong, f"these have the label of another sample: {wrong}"
    letters = await world.records(world.topics.labels + world.topics.dead_letter_suffix)
    assert {letter.key.decode() for letter in letters if letter.key} == shared.keys(), (
        "each bare one is refused"
    )
    await wait_until(lambda: same_digests(world, servers), "both have learned all")
    return {"samples": 2 * sent, "rounds": rounds, "shared": len(shared), "wrong": 0, "kills": 1}


async def _ask_at_once(world: World, servers: list[Server], start: int) -> None:
    """Give both replicas samples of the same ids while neither can read what the other asks."""
    for server in servers:
        server.send(SIGSTOP)
    names = [f"customer-{number}" for number in range(start, start + PAIRS)]
    for side, key in SIDES.items():
        rows = [
            {"name": name, "features": {"x": float(side), "y": float(place)}}
            for place, name in enumerate(names, start)
        ]
        await world.send(world.topics.samples, rows, [key] * PAIRS)
    assert len({record.partition for record in await world.records(world.topics.samples)}) == len(SIDES)
    for server in servers:
        server.send(SIGCONT)


def _side(features: dict[str, Any]) -> str:
    return "up" if features["x"] else "down"


async def _versions_of_shared(world: World) -> dict[str, set[str]]:
    """The ids under which queries of several versions were published, and these versions."""
    found = defaultdict[str, set[str]](set)
    for query in await world.queries():
        found[query["id"]].add(query["version"])
    return {sample_id: versions for sample_id, versions in found.items() if len(versions) > 1}


async def _open(world: World) -> dict[str, dict[str, Any]]:
    """The queries that a reader of the compacted topic finds, by version."""
    last = {query["id"]: query for query in await world.queries()}
    return {query["version"]: query for query in last.values()}


async def same_digests(world: World, servers: list[Any]) -> bool:
    end = len(await world.records(world.topics.examples))
    states = await oracles.statuses(servers)
    if any(state["examples"]["offset"] != end for state in states):
        return False
    await oracles.check_digests(states)
    return True


async def hostile_records(testbed: Testbed) -> Figures:
    """Somebody writes records of any kind to every topic that the service reads."""
    world = await testbed.world("limits.bad_records=1000")
    servers = [testbed.server(world, name) for name in "ab"]
    for server in servers:
        await server.start()
    ids = {made["id"] for made in await world.samples(30)}
    await drain(world, ids, servers)
    query = next(iter(await world.queries()))
    deep = b'{"id":"deep","label":"up","features":' + b'{"x":' * 900 + b"1" + b"}" * 900 + b"}"
    junk = [b"", b"\xff\xfe", b"[" * 40_000, b'{"id":"\\ud800"}', b"9" * 5000, deep, b"null"]
    no_zone = {**query, "id": "no-zone", "queried_at": "2026-01-01T00:00:00", "expires_at": "9999-12-31"}
    topics = world.topics
    for topic in (topics.samples, topics.labels, topics.queries, topics.examples, topics.control):
        await world.send(topic, junk, [b"no-zone"] * len(junk), (HOSTILE,))
    await world.send(topics.queries, [no_zone], None, (HOSTILE,))
    changes = [{"budget": {"share": -1}}, [[5, 2]]]
    await world.send(topics.control, changes, [b"settings", b"model"], (HOSTILE,))
    async with labelling(world):
        ids |= {made["id"] for made in await world.samples(30, start=30)}
        await drain(world, ids, servers)
    problems = {row["reason"] for row in (await servers[0].status())["problems"]}
    assert {"bad_time", "not_json", "too_deep"} <= problems, problems
    for server in servers:  # and at the next start
        await server.terminate()
        await server.start()
    await drain(world, ids, servers)
    await wait_until(lambda: same_digests(world, servers), "both have learned all")
    figures = await oracles.tally(world, ids, hostile=5 * len(junk) + 3, kills=0)
    assert figures["lost"] == 0
    return figures


FAULTS = (
    Fault(
        "repeated-ids",
        "records carry the id of their customer, and a process is killed before the labels come",
        "each sample has a query of its own, every label is learned with the features that were shown, and "
        "the repetition is counted",
        repeated_ids,
    ),
    Fault(
        "shared-ids",
        "two replicas ask at once about two samples of one id, and one of them is killed",
        "the earlier query is published again under an id of its own; each label is learned with its sample, "
        "and one that does not say which of them it is for is refused",
        shared_ids,
    ),
    Fault(
        "hostile-records",
        "somebody writes records of any kind to every topic that the service reads",
        "they are passed over or become dead letters, and are counted; no process ends, now or at the next "
        "start, and the models stay equal",
        hostile_records,
    ),
)
