"""A client of a replica's HTTP API, without a network."""

from __future__ import annotations

import httpx

from stream_al.service.http.api import api
from tests.support.replica import Replica


def client_of(replica: Replica) -> httpx.AsyncClient:
    """A client that calls the application in this process."""
    transport = httpx.ASGITransport(app=api(replica.app))
    return httpx.AsyncClient(transport=transport, base_url="http://test")
