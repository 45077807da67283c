"""The HTTP interface of an application that does not run, and tokens for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
from fastapi import FastAPI

from stream_al.errors import Unavailable
from stream_al.service.app import App
from stream_al.service.http.access.roles import Role
from stream_al.service.http.api import api
from stream_al.service.serve import serving
from stream_al.settings import load
from tests.support.memory_broker import MemoryBroker
from tests.support.memory_client import MemoryClient
from tests.support.replica import DEADLINE_SECONDS

TOKENS = {role: f"canary-{role.name.lower()}-0123456789" for role in (Role.READ, Role.LABEL, Role.ADMIN)}
CLOSED = [f"http.{role.name.lower()}_tokens={role.name.title()}:{token}" for role, token in TOKENS.items()]
UNREGISTERED = "canary-of-nobody-0123456789"


def application(*given: str) -> FastAPI:
    """The HTTP interface of an application that does not run."""
    return api(idle(*given))


def idle(*given: str) -> App:
    """An application that does not run, with a broker in memory."""
    return App(load(overrides=[*given], environ={}), MemoryClient(MemoryBroker()))


def client_of(web: FastAPI, address: str = "127.0.0.1", **more: Any) -> httpx.AsyncClient:
    """A client with an address, which calls the interface without a network."""
    transport = httpx.ASGITransport(app=web, client=(address, 1), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost", **more)


def bearing(token: str) -> dict[str, str]:
    """The header with a token."""
    return {"Authorization": f"Bearer {token}"}


@asynccontextmanager
async def served(*given: str) -> AsyncIterator[App]:
    """A server on a free port, with an application that waits for its topics."""
    app = idle("http.port=0", "limits.stop_seconds=2", *given)
    app.broker.hook = away  # type: ignore[attr-defined]  # it is the in-memory log
    running = asyncio.create_task(serving(app))
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while app.port is None:
                assert not running.done(), running.result()
                await asyncio.sleep(0.01)
        yield app
    finally:
        app.stopping.set()
        await running


async def exchange(port: int | None, *pieces: bytes, **more: Any) -> bytes:
    """All that a server sends for these pieces of a request, until it closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, **more)
    received = b""
    try:
        with suppress(ConnectionError):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            async with asyncio.timeout(DEADLINE_SECONDS):
                while piece := await reader.read(65536):
                    received += piece
    finally:
        writer.close()
    return received


def away(step: str, topic: str) -> None:
    """What a broker in memory does while the broker is away."""
    raise Unavailable("the broker is away")
