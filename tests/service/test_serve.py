"""Laws of the HTTP server's socket."""

from __future__ import annotations

import asyncio
import socket

from stream_al.service.http.connections import Waiting
from stream_al.service.http.server import listen


async def test_a_response_is_sent_without_delay() -> None:
    """The end of a response does not wait until the client has confirmed the beginning."""
    delays: asyncio.Queue[int] = asyncio.Queue()

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = writer.get_extra_info("socket")
        delays.put_nowait(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()
        await writer.wait_closed()

    listener = listen("127.0.0.1", 0, 10, Waiting(1.0))
    async with await asyncio.start_server(accepted, sock=listener):
        _, writer = await asyncio.open_connection(*listener.getsockname())
        assert await delays.get()
        writer.close()
        await writer.wait_closed()
