"""A broker that is stopped, absent at the start, unreachable, or slow; and SIGTERM meanwhile.

Two promises are times. New samples are decided within 30 s after the broker is back. An orderly stop takes at
most 10 s, with or without a broker. Backoff, deadlines and sessions are those of the service's defaults. The
short form sets shorter ones, because an outage must last longer than the watchdog waits.
"""

from __future__ import annotations

import asyncio
from functools import partial
from time import monotonic

import httpx

from tests.faults import oracles
from tests.faults.fault import Fault
from tests.faults.flow import drain, labelling, wait_until
from tests.faults.testbed import Figures, Testbed
from tests.support.flow import decided
from tests.support.processes import Server
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


def settings(testbed: Testbed) -> list[str]:
    if not testbed.quick:
        return [*DEFAULTS]
    return [*DEFAULTS, "limits.deadline_seconds=4", "limits.watchdog_seconds=15"]


class Observation:
    """What a process shows while its broker is away."""

    def __init__(self) -> None:
        self.unready_after = 0.0
        self.first_bytes = 0
        self.last_bytes = 0

    async def during(self, server: Server, seconds: float) -> None:
        """Observe the process: it is live all the time, not ready at the end, and its memory is bounded.

        Memory is compared from a third of the time on.
        """
        began, ready = monotonic(), True
        while (passed := monotonic() - began) < seconds:
            assert server.code is None, f"the process ended after {passed:.0f} s:\n{server.tail()}"
            assert await server.probe("/livez") == httpx.codes.OK, f"not live after {passed:.0f} s"
            now = await server.probe("/readyz") == httpx.codes.OK
            if ready and not now:
                self.unready_after = passed
            ready = now
            self.last_bytes = server.resident_bytes()
            if passed > seconds / 3 and not self.first_bytes:
                self.first_bytes = self.last_bytes
            await asyncio.sleep(0.5)
        assert not ready, "the process is ready, and the broker is away"
        grown = self.last_bytes - self.first_bytes
        assert grown < GROWTH_BYTES, f"memory grew by {grown >> 20} MiB without a broker"

    def figures(self) -> Figures:
        return {
            "unready_after": round(self.unready_after, 1),
            "rss_mib": self.last_bytes >> 20,
            "grown_mib": round((self.last_bytes - self.first_bytes) / 2**20, 1),
        }


async def resumed(world: World, server: Server, start: int, back: float) -> tuple[set[str], float]:
    """Send samples after the broker is back: their ids, and the seconds until all were decided."""
    ids = {s["id"] for s in await world.samples(50, start=start)}

    async def ready_again() -> bool:
        return await server.probe("/readyz") == httpx.codes.OK and await world.decided() >= ids

    try:
        await wait_until(ready_again, "new samples are decided after the broker is back", RESUME_SECONDS)
    except AssertionError as error:
        raise AssertionError(f"{error}:\n{server.tail()}") from None
    took = monotonic() - back
    assert took <= RESUME_SECONDS, f"new samples were decided only {took:.1f} s after the broker was back"
    return ids, took


async def _after_return(world: World, server: Server, ids: set[str], observed: Observation) -> Figures:
    """Check everything, now that the broker is back."""
    new, took = await resumed(world, server, len(ids), monotonic())
    await drain(world, ids | new, [server])
    figures = await oracles.check_all(world, [server], torn=True)
    return await oracles.tally(
        world, ids | new, resumed_after=round(took, 1), **observed.figures(), **figures
    )


async def broker_away(testbed: Testbed) -> Figures:
    """The broker is stopped for minutes while samples flow."""
    broker = await testbed.own_broker()
    world = await testbed.world(*settings(testbed), kafka=broker)
    server = testbed.server(world, "a")
    await server.start()
    ids = {s["id"] for s in await world.samples(300)}
    await wait_until(lambda: decided(world, 60), "some are decided")
    observed = Observation()
    await asyncio.to_thread(broker.stop)
    await observed.during(server, 20 if testbed.quick else 180)
    await asyncio.to_thread(broker.resume)
    return await _after_return(world, server, ids, observed)


async def down_at_start(testbed: Testbed) -> Figures:
    """The service starts while the broker is down."""
    broker = await testbed.own_broker()
    world = await testbed.world(*settings(testbed), kafka=broker)
    ids = {s["id"] for s in await world.samples(100)}
    await asyncio.to_thread(broker.stop)
    server, observed = testbed.server(world, "a"), Observation()
    await server.launch()
    await wait_until(lambda: _is_live(server), "HTTP is up")
    await observed.during(server, 18 if testbed.quick else 90)
    await asyncio.to_thread(broker.resume)
    return await _after_return(world, server, ids, observed)


async def connections_half_open(testbed: Testbed) -> Figures:
    """Connections stay open and nothing passes. Later they are cut. Both times the broker comes back."""
    broker, proxy = await testbed.proxied_broker()
    world = await testbed.world(*settings(testbed), kafka=broker)
    server = testbed.server(world, "a", proxy=proxy)
    await server.start()
    ids, slowest, observed = {s["id"] for s in await world.samples(300)}, 0.0, Observation()
    for fail in (proxy.black_hole, proxy.cut):
        await wait_until(partial(decided, world, len(ids) - 250), "some are decided")
        fail()
        ids |= {s["id"] for s in await world.samples(200, start=len(ids))}
        observed = Observation()
        await observed.during(server, 14 if testbed.quick else 120)
        proxy.restore()
        new, took = await resumed(world, server, len(ids), monotonic())
        ids, slowest = ids | new, max(slowest, took)
    await drain(world, ids, [server])
    figures = await oracles.check_all(world, [server], torn=True)
    return await oracles.tally(world, ids, resumed_after=round(slowest, 1), **observed.figures(), **figures)


async def broker_slow(testbed: Testbed) -> Figures:
    """For a while every response of the broker comes 5 s late."""
    broker, proxy = await testbed.proxied_broker()
    world = await testbed.world(*DEFAULTS, kafka=broker)
    server = testbed.server(world, "a", proxy=proxy)
    await server.start()
    ids = {s["id"] for s in await world.samples(100)}
    await wait_until(lambda: decided(world, 50), "some are decided")
    proxy.delay(5.0)
    before, began = len(await world.decided()), monotonic()
    async with labelling(world):
        while monotonic() - began < (24 if testbed.quick else 180):
            ids |= {s["id"] for s in await world.samples(20, start=len(ids))}
            assert server.code is None, f"the process ended:\n{server.tail()}"
            assert await server.probe("/livez") == httpx.codes.OK
            await asyncio.sleep(1.0)
        meanwhile = len(await world.decided()) - before
        await oracles.check_offsets(world)
    assert meanwhile > 0, "nothing was decided while the broker was slow"
    proxy.restore()
    new, took = await resumed(world, server, len(ids), monotonic())
    ids |= new
    await drain(world, ids, [server])
    figures = await oracles.check_all(world, [server], torn=True)
    return await oracles.tally(
        world, ids, decided_meanwhile=meanwhile, resumed_after=round(took, 1), **figures
    )


async def stopped_without_broker(testbed: Testbed) -> Figures:
    """SIGTERM while samples flow, and while the broker is unreachable, stopped, or was never there."""
    broker, proxy = await testbed.proxied_broker()
    world = await testbed.world(*DEFAULTS, kafka=broker)
    took: dict[str, float] = {}
    ids: set[str] = set()

    async def stop(how: str) -> None:
        server = testbed.server(world, how, proxy=proxy)
        await server.start()
        ids.update(s["id"] for s in await world.samples(400, start=len(ids)))
        await wait_until(lambda: decided(world, len(ids) - 300), "some are decided")
        if how == "unreachable":
            proxy.black_hole()
        elif how == "away":
            await asyncio.to_thread(broker.stop)
        await asyncio.sleep(0.0 if how == "present" else 3.0)
        took[how] = await server.terminate()

    await stop("present")
    await stop("unreachable")
    proxy.restore()
    await stop("away")
    server = testbed.server(world, "never", proxy=proxy)
    await server.launch()
    await wait_until(lambda: _is_live(server), "HTTP is up")
    took["never"] = await server.terminate()
    await asyncio.to_thread(broker.resume)
    late = {how: seconds for how, seconds in took.items() if seconds > STOP_SECONDS}
    assert not late, f"stopping took longer than {STOP_SECONDS:g} s: {late}"
    last = testbed.server(world, "last", proxy=proxy)
    await last.start()
    await drain(world, ids, [last])
    figures = await oracles.check_all(world, [last], torn=True)
    seconds = {f"stop_{how}": round(found, 1) for how, found in took.items()}
    return await oracles.tally(world, ids, **seconds, **figures)


async def _is_live(server: Server) -> bool:
    return await server.probe("/livez") == httpx.codes.OK


FAULTS = (
    Fault(
        "broker-away",
        "the broker is away for minutes",
        "the service is live and not ready, and its memory is bounded; it goes on within 30 s after the "
        "broker is back; nothing is lost",
        broker_away,
    ),
    Fault(
        "broker-down-at-start",
        "the broker is down when the service starts",
        "the service waits, live and not ready; then as for a broker that was away",
        down_at_start,
    ),
    Fault(
        "half-open",
        "connections are half-open, then cut",
        "every call has a deadline; then as for a broker that was away",
        connections_half_open,
    ),
    Fault(
        "slow",
        "every response of the broker comes 5 s late",
        "the service is slow and live; nothing is lost",
        broker_slow,
    ),
    Fault(
        "sigterm",
        "SIGTERM, also while the broker is away",
        "the service stops in order within 10 s; nothing is lost",
        stopped_without_broker,
    ),
)
