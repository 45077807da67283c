"""Every route has a role, and a request with a lower role is refused."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI

from stream_al.errors import Misconfigured
from stream_al.service.http.access.roles import RULES, Access, Role
from stream_al.settings import load
from tests.support.http_server import CLOSED, TOKENS, UNREGISTERED, application, bearing, client_of
from tests.support.processes import run


def described() -> list[tuple[str, str]]:
    paths = application(*CLOSED).openapi()["paths"]
    return [(method.upper(), path) for path, ways in paths.items() for method in ways]


every_route = pytest.mark.parametrize(("method", "path"), described())


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


@pytest.mark.parametrize(
    ("authorization", "says"),
    [
        (f"Bearer team:{UNREGISTERED}", "send the part behind the colon"),
        (f"Token {UNREGISTERED}", "with the word Bearer"),
        (UNREGISTERED, "with the word Bearer"),
        (f"Bearer {UNREGISTERED}", "this token is unknown"),
    ],
)
async def test_a_token_in_the_wrong_form_is_refused_with_the_right_one(
    closed: FastAPI, authorization: str, says: str
) -> None:
    async with client_of(closed) as client:
        response = await client.get("/v1/status", headers={"Authorization": authorization})
    assert response.status_code == 401
    assert says in response.json()["detail"]
    assert UNREGISTERED not in response.text


@every_route
def test_the_openapi_document_has_the_roles_of_the_table(closed: FastAPI, method: str, path: str) -> None:
    operation, rule = closed.openapi()["paths"][path][method.lower()], RULES[method, path]
    scopes = [scope for way in operation.get("security", []) for scope in way["token"]]
    assert scopes == ([rule.role.name.lower()] if rule.role > Role.OPEN else [])
    assert {"401", "403"} <= operation["responses"].keys() or rule.role is Role.OPEN
    assert ("429" in operation["responses"]) == rule.limited


def test_the_table_has_all_routes_and_no_others(closed: FastAPI) -> None:
    declared = {
        (method, str(getattr(route, "path", "")))
        for route in closed.routes
        for method in getattr(route, "methods", None) or ()
        if method != "HEAD"
    }
    assert declared == RULES.keys()


def test_all_routes_but_probes_are_limited_and_those_for_admins_audited() -> None:
    for (_, path), rule in RULES.items():
        assert rule.limited == (path not in ("/livez", "/readyz"))
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


async def test_without_tokens_everything_is_allowed_except_to_other_sites() -> None:
    """A page of another site, in a browser on this machine, may do nothing; the page `/docs` may."""
    async with client_of(application()) as client:
        assert (await client.post("/v1/pause")).status_code == 200
        for site, code in (("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200)):
            given = {"Sec-Fetch-Site": site}
            assert (await client.post("/v1/pause", headers=given)).status_code == code
            assert (await client.get("/v1/status", headers=given)).status_code == code


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
