"""HTTP with tokens: every route has a role, and a request with a lower role is refused."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import os
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from fastapi import FastAPI
from structlog.testing import capture_logs

from stream_al.errors import Misconfigured, Unavailable
from stream_al.logs import configure
from stream_al.service.app import App
from stream_al.service.http.api import api
from stream_al.service.http.roles import RULES, Access, Role
from stream_al.service.serve import serving
from stream_al.settings import HTTPSettings, load
from tests.support.authority import Authority
from tests.support.memory_broker import MemoryBroker
from tests.support.memory_log import MemoryClient
from tests.support.processes import run
from tests.support.world import MakeWorld

TOKENS = {role: f"canary-{role.name.lower()}-0123456789" for role in (Role.READ, Role.LABEL, Role.ADMIN)}
CLOSED = [f"http.{role.name.lower()}_tokens={role.name.title()}:{token}" for role, token in TOKENS.items()]
UNREGISTERED = "canary-of-nobody-0123456789"
LABELS = {"id": "q", "label": "up"}


def application(*given: str) -> FastAPI:
    """The HTTP interface of an application that does not run."""
    return api(still(*given))


def still(*given: str) -> App:
    return App(load(overrides=[*given], environ={}), MemoryClient(MemoryBroker()))


def client_of(web: FastAPI, address: str = "127.0.0.1", **more: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=web, client=(address, 1), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://test", **more)


def bearing(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def described() -> list[tuple[str, str]]:
    paths = application(*CLOSED).openapi()["paths"]
    return [(method.upper(), path) for path, ways in paths.items() for method in ways]


every_route = pytest.mark.parametrize(("method", "path"), described())


@pytest.fixture
def closed() -> FastAPI:
    return application(*CLOSED)


@every_route
async def test_every_route_needs_its_role(closed: FastAPI, method: str, path: str) -> None:
    """No token or an unknown one: 401 and a challenge. Too low a role: 403. A sufficient role: neither."""
    needed = RULES[method, path].role
    async with client_of(closed) as client:
        for headers in (
            {},
            bearing(UNREGISTERED),
            {"Authorization": f"Basic {TOKENS[Role.ADMIN]}"},
            bearing(""),
        ):
            response = await client.request(method, path, headers=headers)
            assert (response.status_code == 401) == (needed > Role.OPEN)
            if needed > Role.OPEN:
                assert response.headers["www-authenticate"].startswith('Bearer realm="stream_al"')
                assert response.headers["content-type"] == "application/problem+json"
        for role, token in TOKENS.items():
            response = await client.request(method, path, headers=bearing(token))
            assert (response.status_code == 403) == (role < needed)
            assert response.status_code != 401


@every_route
def test_the_openapi_document_has_the_roles_of_the_table(closed: FastAPI, method: str, path: str) -> None:
    operation, rule = closed.openapi()["paths"][path][method.lower()], RULES[method, path]
    scopes = [scope for way in operation.get("security", []) for scope in way["token"]]
    assert scopes == ([rule.role.name.lower()] if rule.role > Role.OPEN else [])
    assert {"401", "403"} <= operation["responses"].keys() or rule.role is Role.OPEN
    assert ("429" in operation["responses"]) == rule.writes


def test_the_table_has_all_routes_and_no_others(closed: FastAPI) -> None:
    declared = {
        (method, str(getattr(route, "path", "")))
        for route in closed.routes
        for method in getattr(route, "methods", None) or ()
        if method != "HEAD"
    }
    assert declared == RULES.keys()


def test_routes_that_write_are_limited_and_those_for_admins_audited() -> None:
    for (method, _), rule in RULES.items():
        assert rule.writes == (method != "GET" and rule.role > Role.READ)
        assert rule.audited or rule.role < Role.ADMIN
    assert RULES["POST", "/v1/labels"].audited


async def test_a_route_that_is_missing_in_the_table_needs_an_admin(closed: FastAPI) -> None:
    @closed.get("/v1/forgotten/{name}")
    async def forgotten(name: str) -> str:
        return name

    async with client_of(closed) as client:
        for path in ("/v1/forgotten/x", "/nowhere", "//v1/status", "/v1/status/"):
            assert (await client.get(path)).status_code == 401
            assert (await client.get(path, headers=bearing(TOKENS[Role.LABEL]))).status_code == 403
        assert (await client.get("/v1/forgotten/x", headers=bearing(TOKENS[Role.ADMIN]))).json() == "x"


async def test_the_body_of_a_refused_request_is_not_read(closed: FastAPI) -> None:
    async def body() -> AsyncIterator[bytes]:
        raise AssertionError
        yield b""

    async with client_of(closed) as client:
        assert (await client.post("/v1/labels", content=body())).status_code == 401


async def test_without_tokens_everything_is_allowed_except_writing_by_other_sites() -> None:
    """A page of another site, in a browser on this machine, may not write; the page `/docs` may."""
    async with client_of(application()) as client:
        assert (await client.post("/v1/pause")).status_code == 200
        for site, code in (("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200)):
            assert (await client.post("/v1/pause", headers={"Sec-Fetch-Site": site})).status_code == code
        assert (await client.get("/v1/status", headers={"Sec-Fetch-Site": "cross-site"})).status_code == 200


async def test_metrics_need_no_token_only_if_the_settings_say_so() -> None:
    for given, code in (([], 401), (["http.open_metrics=true"], 200)):
        async with client_of(application(*CLOSED, *given)) as client:
            assert (await client.get("/metrics")).status_code == code
            assert (await client.get("/v1/status")).status_code == 401


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "example.org"])  # noqa: S104 - not bound
def test_an_address_that_others_reach_needs_tokens_or_an_explicit_setting(host: str) -> None:
    given = f"http.host={host}"
    with pytest.raises(Misconfigured, match=r"http\.open: .* can be reached by others"):
        load(overrides=[given], environ={})
    for more in ("http.open=true", CLOSED[0], "http.tokens_file=/any", "http.enabled=false"):
        load(overrides=[given, more], environ={})
    for near in ("127.0.0.1", "127.8.9.1", "::1", "localhost"):
        load(overrides=[f"http.host={near}"], environ={})
    with pytest.raises(Misconfigured, match=r"http\.open: write false, or take the tokens away"):
        load(overrides=[given, "http.open=true", CLOSED[0]], environ={})


async def test_the_service_does_not_start_open_by_mistake() -> None:
    code, said = await run("serve", "--set", "http.host=0.0.0.0")
    assert code == 2
    assert said.startswith("stream-al: http.open: '0.0.0.0' can be reached by others: set http.admin_tokens")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "text", ["short", "a b", "", "x:y:0123456789abcdef", "na me:0123456789abcdef", "0123456789abcde\u00e9"]
)
@pytest.mark.parametrize("role", ["read", "label", "admin"])
def test_an_invalid_token_is_a_mistake_and_is_not_shown(role: str, text: str) -> None:
    if not text:
        assert not load(overrides=[f"http.{role}_tokens="], environ={}).http.tokens()
        return
    with pytest.raises(Misconfigured) as caught:
        load(overrides=[f"http.{role}_tokens=good:canary-0123456789,{text}"], environ={})
    assert str(caught.value).startswith(f"http.{role}_tokens: write ")
    assert text not in str(caught.value)
    assert "canary" not in str(caught.value)


def test_no_two_tokens_have_the_same_name_or_the_same_secret() -> None:
    one, other = "0123456789abcdef", "fedcba9876543210"
    for first, second in ((f"a:{one}", f"b:{one}"), (f"a:{one}", f"a:{other}")):
        for given in (
            [f"http.read_tokens={first},{second}"],
            [f"http.read_tokens={first}", f"http.admin_tokens={second}"],
        ):
            with pytest.raises(Misconfigured):
                load(overrides=given, environ={})


def test_every_request_is_compared_with_every_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number and the length of the comparisons is the same for every token, also for an unknown one."""
    compared: list[tuple[int, int]] = []
    plain = hmac.compare_digest

    def counted(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return plain(one, other)

    monkeypatch.setattr(hmac, "compare_digest", counted)
    access = Access(load(overrides=CLOSED, environ={}).http)
    for token in (*TOKENS.values(), UNREGISTERED, "", "x", "y" * 5000, "\udce9"):
        compared.clear()
        access.caller(f"Bearer {token}")
        assert compared == [(32, 32)] * len(TOKENS)


def test_a_file_of_tokens_is_read_again_when_it_changes(tmp_path: Path) -> None:
    """A file that cannot be used leaves the tokens as they were."""
    path = tmp_path / "tokens"

    def names() -> list[str]:
        callers = [access.caller(f"Bearer {token}") for token in (ANN, BOB)]
        return [caller.name for caller in callers if caller and caller.name]

    path.write_text(f"# ours\nadmin ann {ANN}  # until May\n\n")
    access = Access(HTTPSettings(tokens_file=path))
    assert names() == ["ann"]
    renew(path, f"read bob {BOB}\n")
    assert names() == ["bob"]
    for worse in ("", "admin", f"king bob {BOB}", "admin ann short", f"read a {ANN}\nread a {BOB}"):
        renew(path, worse)
        assert names() == ["bob"]
    path.unlink()
    assert names() == ["bob"]
    renew(path, f"admin ann {ANN}\n")
    assert names() == ["ann"]


ANN, BOB = "ann-0123456789abcdef", "bob-0123456789abcdef"


def renew(path: Path, text: str) -> None:
    """Replace the file in one step, as Kubernetes does."""
    fresh = path.with_suffix(".fresh")
    fresh.write_text(text)
    os.replace(fresh, path)  # noqa: PTH105 - the function that replaces in one step


@pytest.mark.parametrize("content", [None, b"", b"admin ann canary", b"\xff", b"king ann 0123456789abcdef"])
def test_a_file_of_tokens_that_cannot_be_used_at_the_start_is_a_mistake(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "tokens"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Misconfigured) as caught:
        Access(HTTPSettings(tokens_file=path))
    assert str(caught.value).startswith(f"http.tokens_file: {path}: ")
    assert "canary" not in str(caught.value)


# --- How often, how much, how long -----------------------------------------------------------------------


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


@asynccontextmanager
async def served(*given: str) -> AsyncIterator[App]:
    """A server on a free port, with an application that waits for its topics."""
    app = still("http.port=0", "limits.stop_seconds=2", *given)
    app.broker.hook = away  # type: ignore[attr-defined]  # it is the in-memory log
    running = asyncio.create_task(serving(app))
    try:
        async with asyncio.timeout(20):
            while app.port is None:
                assert not running.done(), running.result()
                await asyncio.sleep(0.01)
        yield app
    finally:
        app.stopping.set()
        await running


def away(step: str, topic: str) -> None:
    raise Unavailable("the broker is away")


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


HEAD = b"POST /v1/labels HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


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


# --- TLS -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("https"))


async def test_https_uses_the_certificate_in_the_settings(authority: Authority) -> None:
    certificate = authority.issue("server", "127.0.0.1")
    async with served(f"http.ssl_certfile={certificate}") as app:
        trusting = ssl.create_default_context(cafile=authority.certificate)
        async with httpx.AsyncClient(verify=trusting, trust_env=False) as client:
            response = await client.get(f"https://127.0.0.1:{app.port}/livez")
        assert response.text == "live"
        with pytest.raises(httpx.TransportError):
            async with httpx.AsyncClient(trust_env=False) as client:
                await client.get(f"http://127.0.0.1:{app.port}/livez")


async def test_files_that_cannot_serve_https_are_mistakes(authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.locked("kept", "canary-of-the-key")
    junk = tmp_path / "junk"
    junk.write_text("junk")
    for files, start in (
        ([f"ssl_certfile={tmp_path / 'absent'}"], f"http.ssl_certfile: {tmp_path / 'absent'} cannot be read"),
        ([f"ssl_certfile={junk}"], f"http.ssl_certfile: {junk}"),
        ([f"ssl_certfile={certificate}", f"ssl_keyfile={key}"], "http.ssl_key_password: "),
        (
            [f"ssl_certfile={certificate}", f"ssl_keyfile={key}", "ssl_key_password=canary-of-another"],
            "http.ssl_key_password: ",
        ),
    ):
        with pytest.raises(Misconfigured) as caught:
            await serving(still("http.port=0", *(f"http.{file}" for file in files)))
        assert str(caught.value).startswith(start)
        assert "canary" not in str(caught.value)


# --- Headers and the audit log ---------------------------------------------------------------------------


async def test_every_response_has_the_security_headers_for_browsers(closed: FastAPI) -> None:
    async with client_of(closed) as client:
        for path in ("/livez", "/v1/status", "/nowhere", "/openapi.json", "/docs"):
            headers = (await client.get(path)).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "DENY"
            assert headers["cache-control"] == "no-store"
            assert ("content-security-policy" in headers) == (path != "/docs")


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    """The audit lines."""
    structlog.reset_defaults()
    with capture_logs() as captured:
        yield captured  # type: ignore[misc]  # structlog's own mapping


async def test_every_request_by_an_admin_and_every_label_is_audited(
    memory_world: MakeWorld, lines: list[dict[str, Any]]
) -> None:
    """A line has caller, request and outcome, and never a token. Reading is not audited."""
    world = await memory_world(*CLOSED)
    replica = await world.start()
    async with client_of(api(replica.app), "10.0.0.7") as client:
        admin, label = bearing(TOKENS[Role.ADMIN]), bearing(TOKENS[Role.LABEL])
        for path, headers, body in (
            ("/v1/pause", admin, None),
            ("/v1/pause", label, None),
            ("/v1/resume", bearing(UNREGISTERED), None),
            ("/v1/resume", {}, None),
            ("/v1/labels", label, [LABELS, LABELS]),
            ("/v1/labels", label, {"id": "q"}),
            ("/v1/samples", label, {"id": "s", "features": {"x": 1}}),
        ):
            await client.post(path, headers=headers, json=body)
        await client.get("/v1/status", headers=admin)
    found = [line for line in lines if line["event"] == "audit"]
    assert [
        (line["who"], line["what"], line["outcome"], line["status"], line.get("accepted")) for line in found
    ] == [
        ("Admin", "POST /v1/pause", "done", 200, None),
        ("Label", "POST /v1/pause", "refused", 403, None),
        (None, "POST /v1/resume", "refused", 401, None),
        (None, "POST /v1/resume", "refused", 401, None),
        ("Label", "POST /v1/labels", "done", 202, 2),
        ("Label", "POST /v1/labels", "failed", 422, None),
    ]
    assert {line["client"] for line in found} == {"10.0.0.7"}
    assert "canary" not in json.dumps(lines, default=str)


async def test_the_audit_log_says_what_an_operator_has_changed(
    memory_world: MakeWorld, lines: list[dict[str, Any]]
) -> None:
    """It has the values before and after. The roles read and label may change nothing."""
    world = await memory_world(*CLOSED)
    replica = await world.start()
    await world.settle([s["id"] for s in await world.samples(20)])
    end = replica.offset
    requests: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
        (
            "PATCH",
            "/v1/settings",
            {"budget": {"share": 0.5}},
            {"changed": {"budget.share": {"from": 0.2, "to": 0.5}}},
        ),
        (
            "POST",
            "/v1/model/rollback",
            {"to_offset": 1},
            {"from_offset": 1, "to_offset": end, "examples": end - 1},
        ),
        ("POST", "/v1/model/restore", {"from_offset": 1, "to_offset": 2}, {"from_offset": 1, "examples": 1}),
    ]
    async with client_of(api(replica.app)) as client:
        for method, path, body, facts in requests:
            for role, code in ((Role.READ, 403), (Role.LABEL, 403), (Role.ADMIN, 200)):
                response = await client.request(method, path, json=body, headers=bearing(TOKENS[role]))
                assert response.status_code == code
                line = [line for line in lines if line["event"] == "audit"][-1]
                assert (line["who"], line["what"]) == (role.name.title(), f"{method} {path}")
                assert line["outcome"] == ("done" if role is Role.ADMIN else "refused")
                assert (facts.items() <= line.items()) == (role is Role.ADMIN)
        shown = (await client.get("/v1/settings", headers=bearing(TOKENS[Role.READ]))).json()
    assert (shown["by"], shown["budget"]["share"]) == ("Admin", 0.5)
    assert len(await world.records(world.topics.control)) == 3


def test_the_audit_log_is_written_at_every_log_level(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    configure(load(overrides=["log.level=error", "log.format=json"], environ={}))
    structlog.get_logger("stream_al.audit").info("audit", who="ann")
    structlog.get_logger("stream_al.service.other").info("chatter")
    structlog.reset_defaults()
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["who"] == "ann"


async def test_an_internal_error_is_audited_too(closed: FastAPI, lines: list[dict[str, Any]]) -> None:
    async def broken(*_: Any) -> Any:
        raise RuntimeError

    for route in closed.routes:
        if getattr(route, "path", "") == "/v1/pause":
            route.app = broken  # type: ignore[attr-defined]  # every route has one
    async with client_of(closed) as client:
        await client.post("/v1/pause", headers=bearing(TOKENS[Role.ADMIN]))
    (line,) = (line for line in lines if line["event"] == "audit")
    assert (line["outcome"], line["status"]) == ("failed", 500)
