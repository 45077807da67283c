"""The broker away, down at the start, behind a black hole, behind a slow line; SIGTERM meanwhile.

What is promised is a time in two places: within 30 s of the broker's return new samples are decided, and
an orderly stop takes 10 s at most, broker or not. Backing off, deadlines and sessions are the service's
own defaults; the shortened form has shorter ones, for an outage has to last longer than the watchdog
would wait.
"""

from __future__ import annotations

import asyncio
from functools import partial
from time import monotonic

import httpx

from tests.faults import oracles
from tests.faults.arena import Arena, Figures, answering, drain, wait_until
from tests.faults.fault import Fault
from tests.faults.server import Server
from tests.support.world import World

__all__ = ["FAULTS"]

RESUME_SECONDS = 30.0
STOP_SECONDS = 10.0
GROWTH_BYTES = 24 * 2**20
DEFAULTS = (
    "kafka.session_timeout_seconds=30",
    "limits.backoff_seconds=0.1",
    "limits.backoff_max_seconds=10",
    "limits.poll_seconds=0.2",
)


def settings(arena: Arena) -> list[str]:
    if not arena.quick:
        return [*DEFAULTS]
    return [*DEFAULTS, "limits.deadline_seconds=4", "limits.watchdog_seconds=15"]


class Watch:
    """What a process shows while its broker is away."""

    def __init__(self) -> None:
        self.unready_after = 0.0
        self.first_bytes = 0
        self.last_bytes = 0

    async def during(self, server: Server, seconds: float) -> None:
        """Watch for so long: alive all the time, not ready at the end, memory bounded from a third on."""
        began, ready = monotonic(), True
        while (passed := monotonic() - began) < seconds:
            assert server.code is None, f"ended after {passed:.0f} s without the broker:\n{server.tail()}"
            assert await server.probe("/livez") == httpx.codes.OK, f"not live after {passed:.0f} s"
            now = await server.probe("/readyz") == httpx.codes.OK
            if ready and not now:
                self.unready_after = passed
            ready = now
            self.last_bytes = server.resident_bytes()
            if passed > seconds / 3 and not self.first_bytes:
                self.first_bytes = self.last_bytes
            await asyncio.sleep(0.5)
        assert not ready, "ready, though the broker is away"
        grown = self.last_bytes - self.first_bytes
        assert grown < GROWTH_BYTES, f"memory grew by {grown >> 20} MiB without the broker"

    def figures(self) -> Figures:
        return {
            "unready_after": round(self.unready_after, 1),
            "rss_mib": self.last_bytes >> 20,
            "grown_mib": round((self.last_bytes - self.first_bytes) / 2**20, 1),
        }


async def resumed(world: World, server: Server, start: int, back: float) -> tuple[set[str], float]:
    """Samples sent after the broker's return, and how long after it all were decided and it was ready."""
    ids = {s["id"] for s in await world.samples(50, start=start)}

    async def decided() -> bool:
        return await server.probe("/readyz") == httpx.codes.OK and await world.decided() >= ids

    try:
        await wait_until(decided, "new samples are decided after the broker's return", RESUME_SECONDS)
    except AssertionError as error:
        raise AssertionError(f"{error}:\n{server.tail()}") from None
    took = monotonic() - back
    assert took <= RESUME_SECONDS, f"resumed only {took:.1f} s after the broker's return"
    return ids, took


async def away(arena: Arena) -> Figures:
    """The broker is stopped in midstream for minutes."""
    broker = await arena.own_broker()
    world = await arena.world(*settings(arena), kafka=broker)
    server = arena.server(world, "a")
    await server.start()
    ids = {s["id"] for s in await world.samples(300)}
    await wait_until(lambda: _some(world, 60), "some are decided")
    watch = Watch()
    await asyncio.to_thread(broker.stop)
    await watch.during(server, 20 if arena.quick else 180)
    await asyncio.to_thread(broker.resume)
    new, took = await resumed(world, server, len(ids), monotonic())
    ids |= new
    await drain(world, ids, [server])
    figures = await oracles.all_five(world, [server], torn=True)
    return await oracles.tally(world, ids, resumed_after=round(took, 1), **watch.figures(), **figures)


async def down_at_start(arena: Arena) -> Figures:
    """The service is started while the broker is down."""
    broker = await arena.own_broker()
    world = await arena.world(*settings(arena), kafka=broker)
    ids = {s["id"] for s in await world.samples(100)}
    await asyncio.to_thread(broker.stop)
    server, watch = arena.server(world, "a"), Watch()
    await server.launch()
    await wait_until(lambda: _answers(server), "HTTP is up")
    await watch.during(server, 18 if arena.quick else 90)
    await asyncio.to_thread(broker.resume)
    new, took = await resumed(world, server, len(ids), monotonic())
    ids |= new
    await drain(world, ids, [server])
    figures = await oracles.all_five(world, [server], torn=True)
    return await oracles.tally(world, ids, resumed_after=round(took, 1), **watch.figures(), **figures)


async def half_open(arena: Arena) -> Figures:
    """Connections stay open and nothing passes; then everything is cut; each time it comes back."""
    broker, proxy = await arena.proxied_broker()
    world = await arena.world(*settings(arena), kafka=broker)
    server = arena.server(world, "a", proxy=proxy)
    await server.start()
    ids, slowest, watch = {s["id"] for s in await world.samples(300)}, 0.0, Watch()
    for spoil in (proxy.black_hole, proxy.cut):
        await wait_until(partial(_some, world, len(ids) - 250), "some are decided")
        spoil()
        ids |= {s["id"] for s in await world.samples(200, start=len(ids))}
        watch = Watch()
        await watch.during(server, 14 if arena.quick else 120)
        proxy.restore()
        new, took = await resumed(world, server, len(ids), monotonic())
        ids, slowest = ids | new, max(slowest, took)
    await drain(world, ids, [server])
    figures = await oracles.all_five(world, [server], torn=True)
    return await oracles.tally(world, ids, resumed_after=round(slowest, 1), **watch.figures(), **figures)


async def slow(arena: Arena) -> Figures:
    """Every answer of the broker comes 5 s late, for a while."""
    broker, proxy = await arena.proxied_broker()
    world = await arena.world(*DEFAULTS, kafka=broker)
    server = arena.server(world, "a", proxy=proxy)
    await server.start()
    ids = {s["id"] for s in await world.samples(100)}
    await wait_until(lambda: _some(world, 50), "some are decided")
    proxy.delay(5.0)
    before, began = len(await world.decided()), monotonic()
    async with answering(world):
        while monotonic() - began < (24 if arena.quick else 180):
            ids |= {s["id"] for s in await world.samples(20, start=len(ids))}
            assert server.code is None, f"ended on a slow line:\n{server.tail()}"
            assert await server.probe("/livez") == httpx.codes.OK
            await asyncio.sleep(1.0)
        meanwhile = len(await world.decided()) - before
        await oracles.o2(world)
    assert meanwhile > 0, "nothing was decided on a slow line"
    proxy.restore()
    new, took = await resumed(world, server, len(ids), monotonic())
    ids |= new
    await drain(world, ids, [server])
    figures = await oracles.all_five(world, [server], torn=True)
    return await oracles.tally(
        world, ids, decided_meanwhile=meanwhile, resumed_after=round(took, 1), **figures
    )


async def stopped_without_broker(arena: Arena) -> Figures:
    """SIGTERM in midstream, and with the broker stopped, gone in a black hole, or never there at all."""
    broker, proxy = await arena.proxied_broker()
    world = await arena.world(*DEFAULTS, kafka=broker)
    took: dict[str, float] = {}
    ids: set[str] = set()

    async def one(how: str) -> None:
        server = arena.server(world, how, proxy=proxy)
        await server.start()
        ids.update(s["id"] for s in await world.samples(400, start=len(ids)))
        await wait_until(lambda: _some(world, len(ids) - 300), "some are decided")
        if how == "hole":
            proxy.black_hole()
        elif how == "away":
            await asyncio.to_thread(broker.stop)
        await asyncio.sleep(0.0 if how == "there" else 3.0)
        took[how] = await server.terminate()

    await one("there")
    await one("hole")
    proxy.restore()
    await one("away")
    server = arena.server(world, "never", proxy=proxy)
    await server.launch()
    await wait_until(lambda: _answers(server), "HTTP is up")
    took["never"] = await server.terminate()
    await asyncio.to_thread(broker.resume)
    late = {how: seconds for how, seconds in took.items() if seconds > STOP_SECONDS}
    assert not late, f"stopping took longer than {STOP_SECONDS:g} s: {late}"
    last = arena.server(world, "last", proxy=proxy)
    await last.start()
    await drain(world, ids, [last])
    figures = await oracles.all_five(world, [last], torn=True)
    seconds = {f"stop_{how}": round(found, 1) for how, found in took.items()}
    return await oracles.tally(world, ids, **seconds, **figures)


async def _some(world: World, number: int) -> bool:
    return len(await world.decided()) >= number


async def _answers(server: Server) -> bool:
    return await server.probe("/livez") == httpx.codes.OK


FAULTS = (
    Fault(
        "broker-away",
        "broker away for minutes",
        "live, not ready, memory bounded; goes on within 30 s of its return; nothing lost",
        away,
    ),
    Fault(
        "broker-down-at-start",
        "broker down at the start",
        "waits, live and not ready; the same",
        down_at_start,
    ),
    Fault("half-open", "connections half-open, then cut", "deadlines fire; the same", half_open),
    Fault("slow", "every answer of the broker 5 s late", "slow, live, nothing lost", slow),
    Fault(
        "sigterm",
        "SIGTERM, also with the broker away",
        "a clean stop within 10 s; nothing lost",
        stopped_without_broker,
    ),
)
