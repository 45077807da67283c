"""Where no token is needed, a web page in somebody's browser has no say, and reads nothing."""

from __future__ import annotations

import pytest

from stream_al.service.http.access.roles import RULES, Role
from tests.support.http_server import CLOSED, TOKENS, application, bearing, client_of

EVERY_ROUTE = list(RULES)


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8080", "127.0.0.1:8080", "127.8.9.1", "[::1]:8080", "[::1]"]
)
async def test_the_addresses_of_this_machine_are_served(host: str) -> None:
    async with client_of(application()) as client:
        assert (await client.get("/v1/status", headers={"Host": host})).status_code == 200


REBOUND = ["rebound.example:8080", "localhost.evil.example", "127.0.0.1.nip.io", "localhost@evil.example"]
ODD = [
    "0.0.0.0:8080",
    "0",
    "10.1.2.3",
    "[::]",
    "::1",
    "localhost.",
    "localhost:x",
    "evil.example/localhost",
    "",
]


@pytest.mark.parametrize("host", [*REBOUND, *ODD])
async def test_no_other_host_is_served_without_tokens(host: str) -> None:
    """Its name may have been rebound to this machine, so the page that names it would read the responses."""
    async with client_of(application()) as client:
        for method, path in EVERY_ROUTE:
            response = await client.request(method, path, headers={"Host": host})
            assert (response.status_code, response.headers["content-type"]) == (
                403,
                "application/problem+json",
            )


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://0.0.0.0:8080", "http://localhost:9", "//", "http://["]
)
async def test_no_route_serves_a_foreign_origin_without_tokens(origin: str) -> None:
    async with client_of(application()) as client:
        for method, path in EVERY_ROUTE:
            given = {"Host": "localhost:8080", "Origin": origin, "Sec-Fetch-Mode": "navigate"}
            assert (await client.request(method, path, headers=given)).status_code == 403
        own = {"Host": "localhost:8080", "Origin": "http://localhost:8080"}
        assert (await client.post("/v1/pause", headers=own)).status_code == 200


async def test_a_link_on_another_site_may_be_followed() -> None:
    async with client_of(application()) as client:
        link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
        assert (await client.get("/docs", headers=link)).status_code == 200
        assert (await client.post("/v1/pause", headers=link)).status_code == 403


async def test_allowed_hosts_are_served_without_tokens() -> None:
    """Behind a proxy the origin is the name of the proxy."""
    async with client_of(application("http.allowed_hosts=[al.internal]")) as client:
        given = {"Host": "al.internal:8080", "Origin": "https://al.internal"}
        assert (await client.post("/v1/pause", headers=given)).status_code == 200
        assert (await client.get("/v1/status", headers={"Host": "other.internal"})).status_code == 403


async def test_where_everyone_is_let_in_addresses_are_served_and_names_are_not() -> None:
    """No name can be rebound to an address that stands in `Host` itself; 0.0.0.0 is this machine."""
    async with client_of(application("http.host=10.1.2.3", "http.open=true")) as client:
        for host, code in (
            ("10.1.2.3:8080", 200),
            ("[2001:db8::1]", 200),
            ("0.0.0.0:8080", 403),
            ("a.example", 403),
        ):
            assert (await client.get("/v1/status", headers={"Host": host})).status_code == code


async def test_a_token_is_served_under_every_name() -> None:
    """A browser never adds it by itself."""
    async with client_of(application(*CLOSED)) as client:
        given = {**bearing(TOKENS[Role.READ]), "Host": "al.example", "Origin": "http://al.example"}
        assert (await client.get("/v1/status", headers=given)).status_code == 200


FORMS = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
OTHERS = [None, "", "application/jsonx", "text/json", "application/ld+json"]


@pytest.mark.parametrize("kind", [*FORMS, *OTHERS])
async def test_a_body_that_is_not_sent_as_json_is_refused_by_every_route(kind: str | None) -> None:
    """A page may send a form to any site without asking the site first (Fetch standard, simple requests)."""
    async with client_of(application()) as client:
        for method, path in EVERY_ROUTE:
            given = {} if kind is None else {"Content-Type": kind}
            response = await client.request(method, path, content=b"{}", headers=given)
            assert (response.status_code, response.headers["content-type"]) == (
                415,
                "application/problem+json",
            )
        for good in ("application/json", "Application/JSON; charset=utf-8"):
            response = await client.post("/v1/labels", content=b"[]", headers={"Content-Type": good})
            assert response.status_code == 202
