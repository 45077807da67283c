"""Laws of the HTTP server's socket."""

from __future__ import annotations

import asyncio
import socket

from stream_al.service.serve import _bind


async def test_answers_are_sent_at_once() -> None:
    """No connection holds an answer's end back until the client has confirmed its beginning."""
    delays: asyncio.Queue[int] = asyncio.Queue()

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = writer.get_extra_info("socket")
        delays.put_nowait(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()
        await writer.wait_closed()

    bound = _bind("127.0.0.1", 0)
    async with await asyncio.start_server(accepted, sock=bound):
        _, writer = await asyncio.open_connection(*bound.getsockname())
        assert await delays.get()
        writer.close()
        await writer.wait_closed()
