"""Annotators who send no labels for a while, and then come back."""

from __future__ import annotations

from tests.faults import oracles
from tests.faults.fault import Fault
from tests.faults.flow import drain, wait_until
from tests.faults.testbed import Figures, Testbed
from tests.support.processes import Server
from tests.support.world import World

__all__ = ["FAULTS"]

CAP = 100


async def annotators_absent(testbed: Testbed) -> Figures:
    """Nobody labels while many times more samples pass than the cap allows queries; then all get labels."""
    world = await testbed.world(f"budget.pending={CAP}", "budget.share=0.5")
    server = testbed.server(world, "a")
    await server.start()
    number = 2000 if testbed.quick else 50_000
    ids = {s["id"] for s in await world.samples(number)}
    await wait_until(lambda: _all_decided(world, server, number), "all is decided", 600)
    asked = len(await world.queries())
    assert asked == CAP, f"{asked} queries have no label; the cap is {CAP}"
    pending = (await server.status())["pending"]
    assert pending == CAP
    capped = await server.metric("samples_total", reason="capped")
    assert capped > 0, "no sample was refused because of the cap"
    await oracles.check_offsets(world)
    await world.label_queries()
    await wait_until(lambda: _none_pending(server), "the labels are learned")
    ids |= {s["id"] for s in await world.samples(100, start=number)}
    await drain(world, ids, [server])
    asked_after = len({q["id"] for q in await world.queries()}) - CAP
    assert asked_after > 0, "selection has not started again"
    states = [await server.status()]
    await oracles.check_queries(world)
    await oracles.check_offsets(world)
    await oracles.check_learned_once(world, states)
    more = {"cap": CAP, "most_pending": pending, "capped": int(capped), "asked_after": asked_after}
    return await oracles.tally(world, ids, **more)


async def _all_decided(world: World, server: Server, number: int) -> bool:
    assert (await server.status())["pending"] <= CAP, "more queries are pending than the cap allows"
    return len(await world.decided()) == number and await oracles.committed(world) == number


async def _none_pending(server: Server) -> bool:
    return not (await server.status())["pending"]


FAULTS = (
    Fault(
        "annotators-absent",
        "annotators are slow or absent",
        "the number of pending queries never exceeds its cap; samples are still read; selection goes on when "
        "labels come",
        annotators_absent,
    ),
)
