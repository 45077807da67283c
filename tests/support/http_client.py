"""A client of a replica's HTTP API, without a network."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from stream_al.errors import Unavailable
from stream_al.service.http.api import api
from tests.support.memory_client import MemoryClient
from tests.support.replica import Replica
from tests.support.world import World

Opened = tuple[World, Replica, httpx.AsyncClient]
Open = Callable[..., Awaitable[Opened]]


def client_of(replica: Replica) -> httpx.AsyncClient:
    """A client that calls the application in this process."""
    transport = httpx.ASGITransport(app=api(replica.app))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


def problem(response: httpx.Response, code: int) -> dict[str, Any]:
    """The body of an error; every error has this form."""
    assert response.status_code == code, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["type"] == "about:blank"
    assert body["status"] == code
    assert body["title"]
    return body


def fail_sends(replica: Replica) -> None:
    """Let every call of a replica that sends records fail."""

    def hook(step: str, topic: str) -> None:
        if step == "send":
            raise Unavailable("the broker is away")

    assert isinstance(replica.broker, MemoryClient)
    replica.broker.hook = hook
