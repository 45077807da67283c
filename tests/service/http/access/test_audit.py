"""The headers of every response, and the audit log."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from fastapi import FastAPI
from structlog.testing import capture_logs

from stream_al.logs import configure
from stream_al.service.http.access.roles import Role
from stream_al.service.http.api import api
from stream_al.settings import load
from tests.support.http_server import CLOSED, TOKENS, UNREGISTERED, application, bearing, client_of
from tests.support.world import MakeWorld


async def test_every_response_has_the_security_headers_for_browsers(closed: FastAPI) -> None:
    async with client_of(closed) as client:
        for path in ("/livez", "/v1/status", "/nowhere", "/openapi.json", "/docs"):
            headers = (await client.get(path)).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "DENY"
            assert headers["cache-control"] == "no-store"
            assert "default-src 'none'" in headers["content-security-policy"]


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
            ("/v1/labels", label, [{"id": "q", "label": "up"}] * 2),
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
    assert len(await world.changes()) == 3


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


async def test_a_request_beyond_the_rate_leaves_no_line(lines: list[dict[str, Any]]) -> None:
    """There may be very many of them, and they change nothing."""
    async with client_of(application(*CLOSED, "http.requests_per_second=0.01")) as client:
        codes = [(await client.post("/v1/pause", json=[])).status_code for _ in range(5)]
    assert codes == [401, 429, 429, 429, 429]
    assert len([line for line in lines if line["event"] == "audit"]) == 1


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
