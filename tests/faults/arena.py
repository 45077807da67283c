"""The arena: what a fault needs to be made, and the certainty that all of it is gone afterwards.

A fault gets one arena and gives figures back. Brokers, worlds, servers and proxies that come from the
arena are ended with it, in the reverse order of their coming, whatever happened.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any

from stream_al.demo.broker import free_port
from tests.broker.address import KafkaAddress
from tests.broker.kafka import KafkaBroker
from tests.faults.proxy import Proxy
from tests.faults.server import SERVE, Server
from tests.support.stream import truth
from tests.support.world import World, open_world

__all__ = ["Arena", "Figures", "answering", "drain", "trickle", "truth", "wait_until"]

Figures = dict[str, int | float | str]
WAIT_SECONDS = 60.0
PREDICTIONS_SEEN = 0.05


class Arena:
    """Where one fault is made.

    Attributes:
        seed: Of everything the fault draws.
        quick: Whether to be short.
        directory: For files.
        kafka: A running broker that others use too: do not stop it.
    """

    def __init__(self, seed: int, quick: bool, directory: Path, kafka: KafkaBroker) -> None:
        self.seed, self.quick, self.directory, self.kafka = seed, quick, directory, kafka
        self._number = 0
        self._stack = AsyncExitStack()

    @classmethod
    @asynccontextmanager
    async def open(
        cls, directory: Path, kafka: KafkaBroker, *, seed: int, quick: bool
    ) -> AsyncIterator[Arena]:
        """An arena, and its end."""
        await asyncio.to_thread(directory.mkdir, parents=True, exist_ok=True)
        arena = cls(seed, quick, directory, kafka)
        async with arena._stack:
            yield arena

    async def own_broker(self, *, advertised: str | None = None) -> KafkaBroker:
        """A broker of the fault's own, to be stopped and killed as it likes."""
        place = self.directory / f"broker-{self._next()}"
        broker = await asyncio.to_thread(KafkaBroker.start, place, advertised=advertised)
        self._stack.push_async_callback(asyncio.to_thread, broker.kill)
        return broker

    async def proxied_broker(self) -> tuple[KafkaBroker, Proxy]:
        """A broker of the fault's own that tells clients to come through a proxy."""
        proxy = Proxy(free_port())
        broker = await self.own_broker(advertised=proxy.address)
        self._stack.push_async_callback(proxy.close)
        await proxy.start(broker.bootstrap)
        return broker, proxy

    async def proxy(self, target: str) -> Proxy:
        """A proxy in front of a host:port."""
        proxy = Proxy(free_port())
        self._stack.push_async_callback(proxy.close)
        return await proxy.start(target)

    async def world(self, *settings: str, kafka: KafkaBroker | None = None) -> World:
        """An application with topics of its own; its observer goes past any proxy."""
        broker = kafka or self.kafka
        place = self.directory / f"world-{self._next()}"
        await asyncio.to_thread(place.mkdir)
        world = await open_world(place, KafkaAddress(broker.direct), settings)
        self._stack.push_async_callback(world.close)
        return world

    def server(  # the arguments are the many ways of starting a process
        self,
        world: World,
        name: str,
        *settings: str,
        env: Mapping[str, str] = {},
        prefix: Sequence[str] = (),
        program: Sequence[str] = SERVE,
        proxy: Proxy | None = None,
    ) -> Server:
        """A process of the world's service, not started yet; `proxy` is how it reaches the broker."""
        way = [f"kafka.bootstrap_servers={proxy.address}"] if proxy else []
        server = Server(
            [*world.written, *way, *settings],
            world.directory,
            f"{name}-{self._next()}",
            env=env,
            prefix=prefix,
            program=program,
        )
        self._stack.push_async_callback(server.close)
        return server

    def _next(self) -> int:
        self._number += 1
        return self._number


async def wait_until(condition: Callable[[], Any], what: str, seconds: float = WAIT_SECONDS) -> float:
    """Wait until something is so; how long it took. A fault fails after the deadline."""
    began = monotonic()
    while True:
        found = condition()
        if found if not isinstance(found, Awaitable) else await found:
            return monotonic() - began
        assert monotonic() - began < seconds, f"not within {seconds:g} s: {what}"
        await asyncio.sleep(PREDICTIONS_SEEN)


@asynccontextmanager
async def answering(world: World, every_seconds: float = 0.2) -> AsyncIterator[None]:
    """Answer every query of a world, as the truth has it, for as long as this lasts."""

    async def answer() -> None:
        while True:
            await world.answer()
            await asyncio.sleep(every_seconds)

    task = asyncio.create_task(answer())
    try:
        yield
    finally:
        task.cancel()
        failed = (await asyncio.gather(task, return_exceptions=True))[0]
        if isinstance(failed, Exception):
            raise failed


async def drain(
    world: World, ids: Iterable[str], servers: Sequence[Server], seconds: float = WAIT_SECONDS
) -> None:
    """Answer queries until all samples are decided, all queries answered, all examples learned by all."""
    wanted = set(ids)

    async def drained() -> bool:
        for server in servers:
            assert server.code is None, f"a server ended:\n{server.tail()}"
        if not await world.decided() >= wanted:
            return False
        await world.answer()
        asked = {q["id"] for q in await world.queries()}
        learned = {e["id"] for e in await world.examples()}
        if not asked <= learned:
            return False
        end = len(await world.records(world.topics.examples))
        states: list[Any] = [await server.status() for server in servers]
        return all(s["examples"]["offset"] == end and not s["pending"] for s in states)

    await wait_until(drained, "all is decided, answered and learned", seconds)


async def trickle(world: World, start: int, end: int, *, per_second: float, lot: int = 10) -> set[str]:
    """Send samples at a pace; their ids."""
    ids = set()
    for number in range(start, end, lot):
        ids |= {s["id"] for s in await world.samples(min(lot, end - number), start=number)}
        await asyncio.sleep(lot / per_second)
    return ids
