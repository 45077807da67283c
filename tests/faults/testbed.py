"""The testbed: brokers, worlds, servers and proxies for one fault.

Everything that comes from a testbed ends with it, in the reverse order, whatever has happened.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from tests.broker.address import KafkaAddress
from tests.broker.kafka import KafkaBroker
from tests.faults.proxy import Proxy
from tests.ports import free_port
from tests.support.processes import SERVE, Server
from tests.support.world import World, open_world

__all__ = ["Figures", "Testbed"]

Figures = dict[str, int | float | str]
"""What a fault reports: name to value."""


class Testbed:
    """Makes what one fault needs, and ends it.

    Attributes:
        seed: The seed of everything that the fault draws at random.
        quick: Whether the fault runs in its short form.
        directory: A directory for files.
        kafka: A running broker that other tests use too: do not stop it.
    """

    def __init__(self, seed: int, quick: bool, directory: Path, kafka: KafkaBroker) -> None:
        self.seed, self.quick, self.directory, self.kafka = seed, quick, directory, kafka
        self._number = 0
        self._stack = AsyncExitStack()

    @classmethod
    @asynccontextmanager
    async def open(
        cls, directory: Path, kafka: KafkaBroker, *, seed: int, quick: bool
    ) -> AsyncIterator[Testbed]:
        """Open a testbed, and end at last all that came from it."""
        await asyncio.to_thread(directory.mkdir, parents=True, exist_ok=True)
        testbed = cls(seed, quick, directory, kafka)
        async with testbed._stack:
            yield testbed

    async def own_broker(self, *, advertised: str | None = None) -> KafkaBroker:
        """A broker for this fault alone, which may stop and kill it."""
        place = self.directory / f"broker-{self._next()}"
        broker = await asyncio.to_thread(KafkaBroker.start, place, advertised=advertised)
        self._stack.push_async_callback(asyncio.to_thread, broker.kill)
        return broker

    async def proxied_broker(self) -> tuple[KafkaBroker, Proxy]:
        """A broker for this fault alone, which tells clients to connect through a proxy."""
        proxy = Proxy(free_port())
        broker = await self.own_broker(advertised=proxy.address)
        self._stack.push_async_callback(proxy.close)
        await proxy.start(broker.bootstrap)
        return broker, proxy

    async def world(self, *settings: str, kafka: KafkaBroker | None = None) -> World:
        """An application with topics of its own. The test itself connects past any proxy."""
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
        program: Sequence[str] = SERVE,
        proxy: Proxy | None = None,
    ) -> Server:
        """A process of the world's service, not started yet. It connects through a proxy, if there is one."""
        way = [f"kafka.bootstrap_servers={proxy.address}"] if proxy else []
        given = [*world.written, *way, *settings]
        server = Server(given, world.directory, f"{name}-{self._next()}", env=env, program=program)
        self._stack.push_async_callback(server.close)
        return server

    def _next(self) -> int:
        self._number += 1
        return self._number
