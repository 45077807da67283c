"""A label that is faster than its query.

A proxy keeps what the broker says about `queries` back, on every connection that speaks of it; labels
arrive undelayed. The service has not seen the query when it reads the label: it waits, then decides.
"""

from __future__ import annotations

from functools import partial

from tests.faults import oracles
from tests.faults.arena import Arena, Figures, wait_until
from tests.faults.fault import Fault
from tests.faults.server import Server
from tests.support.world import World

__all__ = ["FAULTS"]

DELAY_SECONDS = 0.7


async def before_its_query(arena: Arena) -> Figures:
    """Queries of another replica, and their labels at once behind them; one label that nobody asked for."""
    broker, proxy = await arena.proxied_broker()
    world = await arena.world(kafka=broker)
    server = arena.server(world, "a", proxy=proxy)
    await server.start()
    proxy.delay(DELAY_SECONDS, word=world.topics.queries)
    rounds, ids, waits = 2 if arena.quick else 20, [f"q{number}" for number in range(10)], 0
    for lot in range(rounds):
        asked = [f"{lot}.{name}" for name in ids]
        await world.ask(*asked)
        await world.send(world.topics.labels, [{"id": i, "label": "up"} for i in [*asked, f"{lot}.nobody"]])
        waits += not await _pending(server, asked)
        expected = (lot + 1) * len(ids)
        await wait_until(partial(_learned, world, expected), "the answers are learned")
    assert waits, "every query was seen before its label: nothing was tried"
    proxy.restore()
    letters = await world.records(world.topics.labels + world.topics.dead_letter_suffix)
    assert {r.key for r in letters} == {f"{lot}.nobody".encode() for lot in range(rounds)}, letters
    await wait_until(lambda: _rest(world, server, rounds * len(ids)), "all is learned")
    states = [await server.status()]
    await oracles.o3(world, states)
    figures = await oracles.o5(world, states)
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


async def _pending(server: Server, asked: list[str]) -> bool:
    """Whether the process knows of all these queries already."""
    return int((await server.status())["pending"]) >= len(asked)


async def _learned(world: World, number: int) -> bool:
    return len(await world.examples()) >= number


async def _rest(world: World, server: Server, number: int) -> bool:
    return bool((await server.status())["examples"]["offset"] == number)


FAULTS = (
    Fault(
        "early-label",
        "label before intake has seen its query",
        "waits until it has caught up with `queries`, then decides",
        before_its_query,
    ),
)
