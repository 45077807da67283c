"""A TCP proxy on the loopback interface, for connections that fail.

    clients --> proxy (the broker's advertised address) --> broker

    cut         every connection is reset, and so is every new one
    black hole  connections are accepted and stay open, and no byte passes in either direction
    delay       responses pass later; with a `word`, only on connections that ever carried it
    restore     the proxy works again; bytes that waited in a black hole pass, as TCP would repeat them

A Kafka client names a topic on every connection that serves it. So with a topic's name as the word, only the
readers of this topic are slow. Bytes are never lost or reordered within a connection, for TCP does neither.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Self

__all__ = ["Proxy"]

CHUNK_BYTES = 65536
CONNECT_SECONDS = 5.0


class Proxy:
    """A listening port in front of a target.

    Attributes:
        address: The host:port to give to clients.
    """

    def __init__(self, port: int) -> None:
        self.address = f"127.0.0.1:{port}"
        self._port = port
        self._target = ("127.0.0.1", 0)
        self._server: asyncio.Server | None = None
        self._refusing = False
        self._open = asyncio.Event()
        self._open.set()
        self._delay = 0.0
        self._word = b""
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, target: str) -> Self:
        """Listen, and pass every byte on to the target, host:port."""
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
        return self

    def cut(self) -> None:
        """Reset every connection, from now until `restore`."""
        self._refusing = True
        self._open.set()
        for writer in self._writers:
            writer.transport.abort()

    def black_hole(self) -> None:
        """Accept connections and pass nothing on, until `restore`."""
        self._refusing = False
        self._open.clear()

    def delay(self, seconds: float, word: str = "") -> None:
        """Pass the responses of the target on later; with a word, only on connections that carried it."""
        self.restore()
        self._delay, self._word = seconds, word.encode()

    def restore(self) -> None:
        """Work again."""
        self._refusing = False
        self._delay, self._word = 0.0, b""
        self._open.set()

    async def close(self) -> None:
        """Close all connections and stop listening."""
        self.cut()
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self._refusing:
            writer.transport.abort()
            return
        self._writers.add(writer)
        try:
            await self._connect(reader, writer)
        except OSError:
            pass  # the target is away, or one side was reset; the other side is reset below
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._open.wait()
        async with asyncio.timeout(CONNECT_SECONDS):  # a TimeoutError is an OSError
            back_reader, back_writer = await asyncio.open_connection(*self._target)
        self._writers.add(back_writer)
        carried: set[bytes] = set()
        pumps = [
            asyncio.create_task(self._pump(reader, back_writer, carried, responses=False)),
            asyncio.create_task(self._pump(back_reader, writer, carried, responses=True)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._writers.discard(back_writer)
            back_writer.transport.abort()

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        carried: set[bytes],
        *,
        responses: bool,
    ) -> None:
        """Pass bytes on in order, each chunk when its delay is over."""
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=64)

        async def read() -> None:
            while chunk := await reader.read(CHUNK_BYTES):
                if self._word and self._word in chunk:
                    carried.add(self._word)
                slow = responses and (not self._word or self._word in carried)
                await waiting.put((monotonic() + (self._delay if slow else 0.0), chunk))
            await waiting.put((monotonic(), b""))

        reading = asyncio.create_task(read())
        try:
            while True:
                due, chunk = await self._next(waiting, reading)
                await asyncio.sleep(max(0.0, due - monotonic()))
                await self._open.wait()
                if not chunk:
                    return
                writer.write(chunk)
                await writer.drain()
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    @staticmethod
    async def _next(
        waiting: asyncio.Queue[tuple[float, bytes]], reading: asyncio.Task[None]
    ) -> tuple[float, bytes]:
        """The next chunk and when it is due. Raises the error of the reader if nothing more comes."""
        getting = asyncio.create_task(waiting.get())
        try:
            await asyncio.wait({getting, reading}, return_when=asyncio.FIRST_COMPLETED)
            if not getting.done() and waiting.empty():
                reading.result()
            return await getting
        finally:
            getting.cancel()
