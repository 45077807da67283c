"""A client is limited in how often it writes, and in the size and time of a body."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from stream_al.service.app import App
from stream_al.service.http.roles import Role
from tests.support.http_server import CLOSED, TOKENS, application, bearing, client_of, served


async def said(app: App, *pieces: bytes) -> bytes:
    """All that a server sends for these pieces of a request, until it closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", app.port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        async with asyncio.timeout(20):
            return await reader.read()
    finally:
        writer.close()


async def test_a_client_that_writes_too_often_is_told_when_to_retry() -> None:
    """A client is known by its token or its address. Reading is not limited, and other clients are not."""
    web = application(*CLOSED, "http.requests_per_second=0.01")
    async with client_of(web) as near, client_of(web, "10.0.0.7") as far:
        label = bearing(TOKENS[Role.LABEL])
        assert (await near.post("/v1/labels", json=[], headers=label)).status_code == 202
        for client in (near, far):
            again = await client.post("/v1/labels", json=[], headers=label)
            assert again.status_code == 429
            assert 0 < int(again.headers["retry-after"]) <= 100
            assert again.headers["content-type"] == "application/problem+json"
        assert (
            await near.post("/v1/labels", json=[], headers=bearing(TOKENS[Role.ADMIN]))
        ).status_code == 202
        for client in (near, far):
            assert [(await client.post("/v1/pause")).status_code for _ in range(2)] == [401, 429]
        for _ in range(5):
            assert (await near.get("/v1/status", headers=label)).status_code == 200


async def test_one_network_of_ipv6_is_one_client() -> None:
    web = application(*CLOSED, "http.requests_per_second=0.01")
    codes = []
    for address in ("2001:db8:0:1::1", "2001:db8:0:1::2", "2001:db8:0:2::1"):
        async with client_of(web, address) as client:
            codes.append((await client.post("/v1/pause")).status_code)
    assert codes == [401, 429, 401]


HEAD = b"POST /v1/labels HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


async def test_a_body_without_end_is_refused_and_the_connection_closed() -> None:
    """A chunked body announces no length: its bytes are counted as they come."""
    async with served("http.max_body_bytes=1000") as app:
        chunk = b"190\r\n" + b"[" * 400 + b"\r\n"
        response = await said(app, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * 4)
        assert response.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "length", [b"Content-Length: 100\r\n\r\n[1,", b"Transfer-Encoding: chunked\r\n\r\n1\r\n[\r\n"]
)
async def test_a_body_that_does_not_come_is_given_up(length: bytes) -> None:
    async with served("http.body_seconds=0.1") as app:
        response = await said(app, HEAD + length)
        assert response.startswith(b"HTTP/1.1 408 ")


async def test_an_address_in_a_header_is_ignored() -> None:
    async with served(*CLOSED, "http.requests_per_second=0.01") as app:
        url = f"http://127.0.0.1:{app.port}/v1/pause"
        async with httpx.AsyncClient(trust_env=False) as client:
            claims = ({"X-Forwarded-For": f"10.0.0.{n}"} for n in range(2))
            codes = [(await client.post(url, headers=claim)).status_code for claim in claims]
    assert codes == [401, 429]
