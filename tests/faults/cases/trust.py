"""Whom the service cannot trust: senders that use one id for many samples, and writers of any record."""

from __future__ import annotations

from typing import Any

from tests.faults import oracles
from tests.faults.fault import Fault
from tests.faults.flow import drain, labelling, wait_until
from tests.faults.testbed import Figures, Testbed
from tests.support.world import HOSTILE, World

__all__ = ["FAULTS", "same_digests"]

CUSTOMERS, PAYMENTS = 8, 64


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
        "hostile-records",
        "somebody writes records of any kind to every topic that the service reads",
        "they are passed over or become dead letters, and are counted; no process ends, now or at the next "
        "start, and the models stay equal",
        hostile_records,
    ),
)
