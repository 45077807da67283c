"""Fixtures for the tests of HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from tests.support.http_client import Open, Opened, client_of
from tests.support.http_server import CLOSED, application
from tests.support.world import MakeWorld


@pytest.fixture
def closed() -> FastAPI:
    """The interface of an idle application with a token for each role."""
    return application(*CLOSED)


@pytest.fixture
async def opened(memory_world: MakeWorld) -> AsyncIterator[Open]:
    """Start a replica on a broker in memory; give its world, itself, and a client of its HTTP interface."""
    clients: list[httpx.AsyncClient] = []

    async def make(*given: str) -> Opened:
        world = await memory_world(*given)
        replica = await world.start()
        clients.append(client_of(replica))
        return world, replica, clients[-1]

    yield make
    for client in clients:
        await client.aclose()
