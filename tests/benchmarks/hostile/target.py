"""The target of an attack: one process of the service, on topics of its own, and what the attack costs it."""

from __future__ import annotations

import asyncio
import mmap
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import httpx
from aiokafka import AIOKafkaProducer

from tests.benchmarks.hostile.probed import FORM
from tests.benchmarks.speed.bench import Bench, cpu_seconds
from tests.support.processes import Server, options, run

__all__ = ["Cost", "Target", "opened"]

MB = 1e6
LARGE = 8 * 2**20
PROGRAM = "tests.benchmarks.hostile.probed"
AT_REST = 0.2  # a share of a processor: an idle process takes far less
REST_SECONDS = 1.5
ENOUGH_SECONDS = 180.0
TOPICS = ("samples", "queries", "labels", "examples", "control")


@dataclass(frozen=True, slots=True)
class Cost:
    """What an attack has cost.

    Attributes:
        memory: The largest resident set above that of the idle service, in MB.
        held: The longest callback of the event loop, in processor milliseconds.
        late: The longest delay of a task that slept, in milliseconds of the clock.
        seconds: How long the attack took, until the service was at rest.
        note: What became of the service, if it did not stay alive and ready.
    """

    memory: float
    held: float
    late: float
    seconds: float
    note: str = ""


class Target:
    """A running service.

    Attributes:
        server: Its process.
        quick: Whether the attack is to be small.
        bench: The broker.
        name: The beginning of the names of its topics.
    """

    def __init__(
        self, bench: Bench, name: str, server: Server, producer: AIOKafkaProducer, *, quick: bool
    ) -> None:
        self.bench, self.name, self.server, self.quick = bench, name, server, quick
        self.http = httpx.AsyncClient(base_url=server.url, timeout=60, trust_env=False)
        self._producer = producer

    def number(self, whole: int) -> int:
        """How many records an attack sends that has so many in full length."""
        return max(1, whole // 10) if self.quick else whole

    async def send(
        self, topic: str, values: Iterable[bytes], key: Callable[[int], bytes | None] = lambda place: None
    ) -> None:
        """Send records to one of the service's topics, and wait for the broker."""
        sent = [
            await self._producer.send(f"{self.name}-{topic}", value, key=key(place))
            for place, value in enumerate(values)
        ]
        await asyncio.gather(*sent)

    async def rest(self) -> None:
        """Wait until the service has nothing more to do."""
        until = monotonic() + ENOUGH_SECONDS
        while self.server.code is None and monotonic() < until:
            before, began = cpu_seconds(self.server.pid), monotonic()
            await asyncio.sleep(REST_SECONDS)
            if cpu_seconds(self.server.pid) - before < AT_REST * (monotonic() - began):
                return

    def sockets(self, number: int, first: bytes) -> list[socket.socket]:
        """Connections to its HTTP interface that send something and then nothing more."""
        opened = []
        for _ in range(number):
            one = socket.create_connection(("127.0.0.1", self.server.port), timeout=5)
            one.sendall(first)
            opened.append(one)
        return opened


class Gauge:
    """Measures a process from outside: its memory by the kernel, its event loop by `probed`."""

    def __init__(self, server: Server, shared: mmap.mmap) -> None:
        self._server, self._shared = server, shared
        Path(f"/proc/{server.pid}/clear_refs").write_text("5")  # the peak is that of now
        self._idle, self._began = self._peak(), monotonic()
        shared[:] = bytes(FORM.size)

    def cost(self, note: str) -> Cost:
        """What it cost since this gauge was made."""
        held, late, _ = FORM.unpack_from(self._shared)
        try:
            memory = (self._peak() - self._idle) / MB
        except (OSError, IndexError):  # the process has ended
            memory = float("nan")
        return Cost(memory, 1e3 * held, 1e3 * late, monotonic() - self._began, note)

    def _peak(self) -> int:
        status = Path(f"/proc/{self._server.pid}/status")  # it may have been started again
        found = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        return int(found[0].split()[1]) * 1024


@asynccontextmanager
async def opened(
    bench: Bench, settings: Iterable[str], *, quick: bool
) -> AsyncIterator[tuple[Target, Gauge]]:
    """Start a service on empty topics, and measure it from the moment at which it is ready and at rest."""
    name, own = bench.settings("?")
    own = [*own, f"topics.samples={name}-samples", *settings]
    shared_file = bench.directory / f"{name}.times"
    shared_file.write_bytes(bytes(FORM.size))
    server = Server(own, bench.directory, name, program=("-m", PROGRAM, str(shared_file), "serve"))
    try:
        code, said = await run("topics", "create", *options(own))
        if code:
            raise RuntimeError(f"the topics are not created:\n{said}")
        await server.start()
        with shared_file.open("r+b") as file:
            shared = mmap.mmap(file.fileno(), FORM.size)
        producer = AIOKafkaProducer(
            bootstrap_servers=bench.bootstrap, max_request_size=LARGE, max_batch_size=2**18, linger_ms=5
        )
        async with producer:
            target = Target(bench, name, server, producer, quick=quick)
            await target.rest()
            try:
                yield target, Gauge(server, shared)
            finally:
                await target.http.aclose()
    finally:
        await server.close()
