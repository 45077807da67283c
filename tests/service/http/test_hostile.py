"""Whatever a client sends is served or refused by a problem, never by a failure of ours."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from stream_al.service.app import App
from stream_al.service.http.access.guard import HEADERS
from stream_al.service.http.access.roles import RULES
from tests.support.http_client import Open, problem
from tests.support.http_server import application, client_of, exchange, served

JSON = {"content-type": "application/json"}
BODIES = {
    "half of a surrogate pair": rb'{"id": "a\ud800", "label": "up", "features": {"x": 1}}',
    "half of one in a name": rb'{"id": "a", "label": "up", "features": {"\udfff": 1}}',
    "half of one in UTF-8": b'{"id": "a\xed\xa0\x80", "label": "up", "features": {"x": 1}}',
    "no UTF-8": b'{"id": "\xff", "label": "up", "features": {"x": 1}}',
    "NaN": b'{"id": "a", "label": "up", "features": {"x": NaN}}',
    "Infinity": b'{"id": "a", "label": "up", "features": {"x": -Infinity}}',
    "beyond a double": b'{"id": "a", "label": "up", "features": {"x": 1e999}}',
    "too deep": b'{"id": "a", "label": "up", "features": ' + b'{"x":' * 20_000 + b"1" + b"}" * 20_001,
    "UTF-16": '{"id": "a", "label": "up", "features": {"x": 1}}'.encode("utf-16"),
}


WITH_BODY = [
    (method.upper(), path)
    for path, ways in application().openapi()["paths"].items()
    for method, operation in ways.items()
    if "requestBody" in operation
]


@pytest.mark.parametrize(("method", "path"), WITH_BODY)
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
async def test_what_is_no_json_for_a_record_is_none_for_a_request(
    method: str, path: str, body: bytes
) -> None:
    async with client_of(application()) as client:
        given = problem(await client.request(method, path, content=body, headers=JSON), 422)
        assert given["reason"] in ("not_json", "bad_fields", "too_deep")


@pytest.mark.parametrize("number", ["9" * 30, "-" + "9" * 300, "1" * 4000])
@pytest.mark.parametrize(
    "body", ['{"id": "a", "features": {"x": %s}}', '{"id": %s, "features": {"x": 1}}', '{"x": %s}']
)
async def test_a_number_of_any_length_is_a_value_or_a_problem(opened: Open, body: str, number: str) -> None:
    _, _, client = await opened()
    for path in ("/v1/samples", "/v1/labels", "/v1/predict"):
        response = await client.post(path, content=body.replace("%s", number), headers=JSON)
        assert response.status_code in (200, 202, 422), response.text


async def test_a_failure_of_ours_is_a_problem_with_the_headers_of_every_response() -> None:
    web = application()

    @web.get("/v1/fails")
    async def fails() -> None:
        raise ZeroDivisionError("canary")

    async with client_of(web) as client:
        response = await client.get("/v1/fails")
    assert "canary" not in problem(response, 500)["detail"]
    guarded(response.headers)


def guarded(headers: Any) -> None:
    """Check the headers that every response has."""
    for name, value in HEADERS:
        assert headers[name.decode()] == value.decode()
    assert "default-src 'none'" in headers["content-security-policy"]


POST = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
NO_HTTP = {
    "nonsense": b"nonsense\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "no length of a piece": POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "two lengths": POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
    "a head without end": b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 100_000,
}


@pytest.mark.parametrize("raw", NO_HTTP.values(), ids=NO_HTTP.keys())
async def test_what_is_no_http_is_a_problem_and_no_line_in_the_log(
    raw: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with served() as app:
        status, headers, body = parted(await exchange(app.port, raw))
        assert status.startswith(b"HTTP/1.1 400")
        assert headers["content-type"] == "application/problem+json"
        assert b'"status":400' in body
        guarded(headers)
        caplog.clear()
        for _ in range(20):
            await exchange(app.port, raw)
        assert not caplog.records


def parted(response: bytes) -> tuple[bytes, dict[str, str], bytes]:
    """The status line, the headers and the body of a response."""
    head, _, body = response.partition(b"\r\n\r\n")
    first, *rest = head.split(b"\r\n")
    return first, {k.decode().lower(): v.decode() for k, v in (one.split(b": ", 1) for one in rest)}, body


async def test_a_client_that_leaves_in_the_middle_of_a_body_is_no_line_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with served() as app:
        caplog.clear()
        for _ in range(5):
            await left_early(app)
        assert (
            await exchange(app.port, b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        ).startswith(b"HTTP/1.1 200")
        assert not [record for record in caplog.records if record.levelname != "INFO"]


async def left_early(app: App) -> None:
    """Send half of a body, and leave."""
    _, writer = await asyncio.open_connection("127.0.0.1", app.port)
    writer.write(POST + b"Content-Length: 9\r\n\r\n{")
    await writer.drain()
    writer.close()


ADMIN = [way for way in WITH_BODY if way[1] not in ("/v1/samples", "/v1/labels", "/v1/predict")]


@pytest.mark.parametrize(("method", "path"), ADMIN)
async def test_a_body_of_many_unknown_members_is_one_mistake(method: str, path: str) -> None:
    """Each would be looked up and named: 80,000 of them took minutes."""
    many = {f"m{number}": 1 for number in range(80_000)}
    async with client_of(application()) as client:
        response = await client.request(method, path.replace("{lease}", "a"), json=many)
        told = problem(response, 422)
        assert len(response.content) < 1000
        if "mistakes" in told:
            assert len(told["mistakes"]) == 1
        else:
            assert told["reason"] == "unknown_member"
            assert "'m0'" in told["detail"]
        if path == "/v1/settings":
            inner = problem(await client.request(method, path, json={"budget": many}), 422)
            assert len(inner["mistakes"]) == 1


@pytest.mark.parametrize(("method", "path"), sorted(way for way in RULES if way[1].startswith("/v1/")))
async def test_an_unknown_parameter_is_refused_and_not_passed_over(method: str, path: str) -> None:
    """A misspelt filter would give everything, and nobody would notice."""
    async with client_of(application()) as client:
        response = await client.request(method, re.sub("{[a-z]+}", "a", path), params={"wehre": "x > 1"})
        told = problem(response, 422)
        assert (told["reason"], "'wehre'" in told["detail"]) == ("unknown_parameter", True)


@pytest.mark.parametrize("coding", ["gzip", "br, gzip", "deflate"])
async def test_a_compressed_body_is_refused_before_it_is_read(coding: str) -> None:
    """Nothing is unpacked, so a small body cannot become a large one."""
    async with client_of(application()) as client:
        headers = {**JSON, "content-encoding": coding}
        given = problem(await client.post("/v1/labels", content=b"[]", headers=headers), 415)
        assert "not compressed" in given["detail"]


async def test_a_body_of_two_lengths_is_refused() -> None:
    """A proxy in front may believe the other one, and take the rest of the body for a request."""
    said = (
        b"POST /v1/labels HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/status HTTP/1.1\r\n"
        b"Host: localhost\r\n\r\n"
    )
    async with served() as app:
        got = await exchange(app.port, said)
    assert got.startswith(b"HTTP/1.1 400 ")
    assert got.count(b"HTTP/1.1 ") == 1, "the connection is closed"
