"""Annotators that do not answer: pending queries are capped, reading goes on; and they come back."""

from __future__ import annotations

from tests.faults import oracles
from tests.faults.arena import Arena, Figures, drain, wait_until
from tests.faults.fault import Fault
from tests.faults.server import Server
from tests.support.world import World

__all__ = ["FAULTS"]

CAP = 100


async def absent(arena: Arena) -> Figures:
    """Nobody labels; a stream of many times the cap goes by; then everything is answered."""
    world = await arena.world(f"budget.pending={CAP}", "budget.share=0.5")
    server = arena.server(world, "a")
    await server.start()
    number = 2000 if arena.quick else 50_000
    ids = {s["id"] for s in await world.samples(number)}
    await wait_until(lambda: _at_rest(world, server, number), "all is decided", 600)
    asked = len(await world.queries())
    assert asked == CAP, f"{asked} queries without a label, the cap is {CAP}"
    pending = (await server.status())["pending"]
    assert pending == CAP
    capped = await server.metric("samples_total", reason="capped")
    assert capped > 0, "the cap was not what held"
    await oracles.o2(world)
    await world.answer()
    await wait_until(lambda: _free(server), "the answers are learned")
    ids |= {s["id"] for s in await world.samples(100, start=number)}
    await drain(world, ids, [server])
    asked_after = len({q["id"] for q in await world.queries()}) - CAP
    assert asked_after > 0, "selection did not go on"
    states = [await server.status()]
    await oracles.o1(world)
    await oracles.o2(world)
    await oracles.o3(world, states)
    more = {"cap": CAP, "most_pending": pending, "capped": int(capped), "asked_after": asked_after}
    return await oracles.tally(world, ids, **more)


async def _at_rest(world: World, server: Server, number: int) -> bool:
    assert (await server.status())["pending"] <= CAP, "more queries than the cap allows"
    return len(await world.decided()) == number and await oracles.committed(world) == number


async def _free(server: Server) -> bool:
    return not (await server.status())["pending"]


FAULTS = (
    Fault(
        "annotators-absent",
        "annotators slow or absent",
        "pending queries are capped; selection pauses, reading goes on, and selection comes back with them",
        absent,
    ),
)
