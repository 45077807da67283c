"""Connections that wait for their clients end, make room for others, and leave no lines in the log."""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from starlette.types import Receive, Scope, Send
from uvicorn import Config
from uvicorn.server import ServerState

from stream_al.service.app import App
from stream_al.service.http.connections import Connection, Waiting, most_connections
from stream_al.service.http.server import listen
from tests.support.http_server import exchange, served
from tests.support.replica import DEADLINE_SECONDS

PROBE = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
KEPT = PROBE.replace(b"Connection: close\r\n", b"")
QUICK = "http.header_seconds=0.2"


@asynccontextmanager
async def opened(app: App, number: int, said: bytes = b"") -> AsyncIterator[list[asyncio.StreamReader]]:
    """Open connections that say something, read the response if it was a request, and then say no more."""
    pairs = []
    try:
        for _ in range(number):
            pairs.append(await asyncio.open_connection("127.0.0.1", app.port))
            pairs[-1][1].write(said)
            if said == KEPT:
                await pairs[-1][0].readuntil(b"\r\n\r\nlive")
        yield [reader for reader, _ in pairs]
    finally:
        for _, writer in pairs:
            writer.close()


SILENCES = {
    "idle": b"",
    "half a head": b"GET /liv",
    "half a second head": KEPT + b"GET /livez HTTP/1.1\r\nHo",
    "a body that nobody reads": b"POST /v1/pause HTTP/1.1\r\nHost: a.example\r\nContent-Length: 9\r\n\r\n",
}


@pytest.mark.parametrize("said", SILENCES.values(), ids=SILENCES.keys())
async def test_a_connection_that_waits_for_its_client_is_ended(said: bytes) -> None:
    async with served(QUICK) as app, opened(app, 1, said) as (reader,), asyncio.timeout(DEADLINE_SECONDS):
        while await reader_ended(reader):
            pass


async def reader_ended(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(1000)
    except ConnectionError:
        return b""


async def test_a_head_that_comes_byte_by_byte_is_ended_too() -> None:
    async with served(QUICK) as app, asyncio.timeout(DEADLINE_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", app.port)
        ended = asyncio.create_task(reader_ended(reader))
        while not ended.done():
            writer.write(b"G")
            await asyncio.wait([ended], timeout=0.05)
        assert await ended == b""
        writer.close()


async def test_idle_connections_make_room_for_a_new_one() -> None:
    """More of them than the limit never keep a client out, however long they may wait."""
    async with served("http.max_connections=5", "http.header_seconds=1000") as app:
        for said in (b"", b"GET /liv", KEPT):
            async with opened(app, 50, said):
                for _ in range(3):
                    assert (await exchange(app.port, PROBE)).startswith(b"HTTP/1.1 200")


async def test_a_request_that_has_come_is_not_lost_to_a_new_connection() -> None:
    """The longest wait ends, unless its request lies in the socket and was only not read yet."""
    async with served("http.max_connections=5", "http.header_seconds=1000") as app:
        kept, writer = await asyncio.open_connection("127.0.0.1", app.port)
        for _ in range(2):  # the second time the oldest but one has said nothing, and is ended
            writer.write(KEPT)
            assert (await kept.readuntil(b"\r\n\r\nlive")).startswith(b"HTTP/1.1 200")
            async with opened(app, 4):
                await asyncio.sleep(0.05)  # they are accepted: the one that is kept has waited longest
                new = socket.create_connection(("127.0.0.1", app.port))
                writer.write(KEPT)  # before the loop can accept the new one
                assert (await kept.readuntil(b"\r\n\r\nlive")).startswith(b"HTTP/1.1 200")
                new.close()
        writer.close()


async def test_a_flood_of_connections_opens_few_files_and_writes_no_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with served("http.max_connections=5", "http.header_seconds=1000") as app:
        caplog.clear()
        async with opened(app, 200):
            assert len(open_connections(app)) <= 6
        assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def open_connections(app: App) -> list[str]:
    """The established connections on the side of the server."""
    with open("/proc/net/tcp", encoding="ascii") as table:  # noqa: PTH123 - no file in the usual sense
        lines = [line.split() for line in table.readlines()[1:]]
    port = f":{app.port:04X}"
    return [
        line[9] for line in lines if line[1].endswith(port) and line[3] in ("01", "08") and line[9] != "0"
    ]


async def test_a_client_that_takes_nothing_of_its_responses_is_ended() -> None:
    async with served(QUICK) as app, asyncio.timeout(DEADLINE_SECONDS):
        _, writer = await asyncio.open_connection("127.0.0.1", app.port, limit=1)
        with pytest.raises(ConnectionError):
            await ask_on(writer)


async def ask_on(writer: asyncio.StreamWriter) -> None:
    """Ask for large responses until the connection is ended."""
    while True:
        writer.write(KEPT.replace(b"/livez", b"/openapi.json") * 100)
        await asyncio.sleep(0.01)
        if writer.transport.is_closing():
            await writer.drain()


async def test_a_client_that_takes_nothing_of_a_response_without_end_is_ended() -> None:
    """Its response is not complete, so the connection waits for no request: it waits for its client."""
    disconnected = asyncio.Event()

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        left = asyncio.ensure_future(receive())  # ends with the connection
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while not left.done():
            await send({"type": "http.response.body", "body": bytes(2**20), "more_body": True})
        disconnected.set()

    config = Config(endless, log_config=None, lifespan="off")
    config.load()
    state, waiting = ServerState(), Waiting(0.2)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(config, state, {}, waiting), "127.0.0.1", 0)
    async with server, asyncio.timeout(DEADLINE_SECONDS):
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname(), limit=1)
        writer.write(KEPT)
        await disconnected.wait()
        writer.close()
        await asyncio.gather(*state.tasks)


async def test_a_tls_handshake_that_does_not_end_is_ended(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pem = tmp_path / "server.pem"
    authority = trustme.CA()
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(pem)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    tls = {"ssl": context, "server_hostname": "localhost"}
    async with served(QUICK, f"http.ssl_certfile={pem}") as app, opened(app, 2, b"") as readers:
        caplog.clear()
        async with asyncio.timeout(DEADLINE_SECONDS):
            for reader in readers:
                assert await reader_ended(reader) == b""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not await responds(app, **tls):  # the limit of the silent ones holds for this one too
                pass
        assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def responds(app: App, **tls: Any) -> bool:
    try:
        return (await exchange(app.port, PROBE, **tls)).startswith(b"HTTP/1.1 200")
    except (ConnectionError, ssl.SSLError):
        return False


def test_an_address_that_is_told_can_be_connected_to_at_once() -> None:
    """The port is in the log before the server runs."""
    listener = listen("127.0.0.1", 0, 5, Waiting(1.0))
    with listener, socket.create_connection(listener.getsockname()):
        pass


def test_connections_never_use_more_than_half_of_the_files() -> None:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert most_connections(7) == 7
    assert files == resource.RLIM_INFINITY or most_connections(10**9) == files // 2


@pytest.mark.parametrize("said", [b"\x00\xff\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/1.1\r\nodd\r\n\r\n"])
async def test_what_is_no_http_gets_a_problem_and_no_line_in_the_log(
    caplog: pytest.LogCaptureFixture, said: bytes
) -> None:
    async with served() as app:
        caplog.clear()
        response = await exchange(app.port, said)
        assert response.startswith(b"HTTP/1.1 400 ")
        assert b"application/problem+json" in response
        assert b"x-content-type-options: nosniff" in response.lower()
        assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
