"""A client is limited in the requests and records that it sends, and in the size and time of a body."""

from __future__ import annotations

import httpx
import pytest

from stream_al.service.http.access.roles import Role
from tests.support.http_client import Open, problem
from tests.support.http_server import CLOSED, TOKENS, application, bearing, client_of, exchange, served
from tests.support.replica import DEADLINE_SECONDS


async def test_a_client_that_sends_too_often_is_told_when_to_retry() -> None:
    """A client is known by its token or its address. Reading counts too; other clients are not limited."""
    web = application(*CLOSED, "http.requests_per_second=0.01")
    async with client_of(web) as near, client_of(web, "10.0.0.7") as far:
        label = bearing(TOKENS[Role.LABEL])
        assert (await near.get("/v1/status", headers=label)).status_code == 200
        for client in (near, far):
            for again in (
                await client.post("/v1/labels", json=[], headers=label),
                await client.get("/v1/status", headers=label),
            ):
                assert 0 < int(again.headers["retry-after"]) <= 100
                problem(again, 429)
        admin = bearing(TOKENS[Role.ADMIN])
        assert (await near.post("/v1/labels", json=[], headers=admin)).status_code == 202
        for client in (near, far):
            assert [(await client.get("/v1/status")).status_code for _ in range(2)] == [401, 429]


async def test_probes_are_served_at_any_rate() -> None:
    """An orchestrator ends a service whose probe is refused."""
    async with client_of(application("http.requests_per_second=0.01")) as client:
        for path in ("/livez", "/readyz"):
            assert 429 not in [(await client.get(path)).status_code for _ in range(5)]


@pytest.mark.parametrize("path", ["/v1/samples", "/v1/labels"])
async def test_the_rate_of_records_does_not_depend_on_how_many_are_in_one_request(
    opened: Open, path: str
) -> None:
    """A request with more than the rate is taken once, and its client waits until the rate is kept again."""
    _, _, client = await opened("http.records_per_second=0.1")
    one = {"id": "a", "label": "up", "features": {"x": 1}}
    assert (await client.post(path, json=[one] * 100)).status_code == 202
    refused = await client.post(path, json=one)
    problem(refused, 429)
    assert int(refused.headers["retry-after"]) > 900, "99 records take 990 s, less what passed"
    assert (await client.get("/v1/status")).status_code == 200


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
        response = await exchange(app.port, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * 4)
        assert response.startswith(b"HTTP/1.1 413 ")


async def test_a_body_that_is_announced_as_too_large_is_refused_before_it_comes() -> None:
    async with served("http.max_body_bytes=1000", "http.body_seconds=0.2") as app:
        response = await exchange(app.port, HEAD + b"Content-Length: 1001\r\n\r\n")
        assert response.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "length", [b"Content-Length: 100\r\n\r\n[1,", b"Transfer-Encoding: chunked\r\n\r\n1\r\n[\r\n"]
)
async def test_a_body_that_does_not_come_is_given_up(length: bytes) -> None:
    async with served("http.body_seconds=0.1") as app:
        response = await exchange(app.port, HEAD + length)
        assert response.startswith(b"HTTP/1.1 408 ")


async def test_an_address_in_a_header_is_ignored() -> None:
    async with served(*CLOSED, "http.requests_per_second=0.01") as app:
        url = f"http://127.0.0.1:{app.port}/v1/pause"
        async with httpx.AsyncClient(timeout=DEADLINE_SECONDS, trust_env=False) as client:
            claims = ({"X-Forwarded-For": f"10.0.0.{n}"} for n in range(2))
            codes = [(await client.post(url, headers=claim)).status_code for claim in claims]
    assert codes == [401, 429]
