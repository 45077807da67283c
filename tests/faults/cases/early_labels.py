"""A label that arrives before its query.

A proxy delays the responses on every connection that reads `queries`, and labels are not delayed. So the
service reads a label before it has read the query.
"""

from __future__ import annotations

from functools import partial

from tests.faults import oracles
from tests.faults.fault import Fault
from tests.faults.flow import wait_until
from tests.faults.testbed import Figures, Testbed
from tests.support.flow import joined
from tests.support.processes import Server
from tests.support.world import World

__all__ = ["FAULTS"]

DELAY_SECONDS = 0.7


async def label_before_query(testbed: Testbed) -> Figures:
    """Another replica publishes queries, and their labels come at once. One label has no query."""
    broker, proxy = await testbed.proxied_broker()
    world = await testbed.world(kafka=broker)
    server = testbed.server(world, "a", proxy=proxy)
    await server.start()
    proxy.delay(DELAY_SECONDS, word=world.topics.queries)
    rounds, ids, waits = 2 if testbed.quick else 20, [f"q{number}" for number in range(10)], 0
    for turn in range(rounds):
        asked = [f"{turn}.{name}" for name in ids]
        await world.ask(*asked)
        await world.send(world.topics.labels, [{"id": i, "label": "up"} for i in [*asked, f"{turn}.nobody"]])
        waits += not await _knows(server, asked)
        expected = (turn + 1) * len(ids)
        await wait_until(partial(joined, world, expected), "the labels are learned")
    assert waits, "every query was read before its label, so no label was early"
    proxy.restore()
    letters = await world.records(world.topics.labels + world.topics.dead_letter_suffix)
    assert {r.key for r in letters} == {f"{turn}.nobody".encode() for turn in range(rounds)}, letters
    await wait_until(lambda: _rest(world, server, rounds * len(ids)), "all is learned")
    states = [await server.status()]
    await oracles.check_learned_once(world, states)
    figures = await oracles.check_replay(world, states)
    return {
        "samples": 0,
        "queries": rounds * len(ids),
        "labels": rounds * (len(ids) + 1),
        "examples": len(await world.examples()),
        "waits": waits,
        "letters": len(letters),
        "lost": rounds * len(ids) - len({e["id"] for e in await world.examples()}),
        "doubled": len(await world.examples()) - rounds * len(ids),
        **figures,
    }


async def _knows(server: Server, asked: list[str]) -> bool:
    """Whether the process has read all these queries."""
    return int((await server.status())["pending"]) >= len(asked)


async def _rest(world: World, server: Server, number: int) -> bool:
    return bool((await server.status())["examples"]["offset"] == number)


FAULTS = (
    Fault(
        "early-label",
        "a label arrives before intake has read its query",
        "intake reads `queries` up to its end, then judges the label",
        label_before_query,
    ),
)
