"""What the HTTP interface answers, as its description has it: models of the answers, and of the errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

__all__ = [
    "PROBLEM",
    "Accepted",
    "AcceptedSamples",
    "Paused",
    "Predicted",
    "QueryPage",
    "problem",
    "problems",
]

PROBLEM = "application/problem+json"

_MEANINGS = {
    400: "The body cannot be read at all.",
    401: "No token, or one that is nobody's.",
    403: "The token's role is too low.",
    408: "The body took longer than `http.body_seconds`.",
    413: "The body is larger than `http.max_body_bytes`.",
    422: "The request or a message in it cannot be used; nothing of it was accepted.",
    429: "This client writes more often than `http.requests_per_second`; `Retry-After` says when to go on.",
    503: "The broker did not take it in time: it may or may not have arrived. Send it again.",
}
_SCHEMA = {
    "title": "Problem",
    "description": "RFC 9457. `reason` is a short word, for a message that cannot be used.",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": ["string", "null"]},
        "reason": {"type": "string"},
    },
}


def problems(*codes: int) -> dict[int | str, dict[str, Any]]:
    """The description of a route's errors, by status code."""
    return {
        code: {"description": _MEANINGS[code], "content": {PROBLEM: {"schema": _SCHEMA}}} for code in codes
    }


def problem(
    code: int, title: str, detail: str | None, headers: Mapping[str, str] | None = None, **more: str
) -> JSONResponse:
    """An error as RFC 9457 has it."""
    body = {"type": "about:blank", "title": title, "status": code, "detail": detail, **more}
    return JSONResponse(body, status_code=code, media_type=PROBLEM, headers=dict(headers or {}))


class Accepted(BaseModel):
    """Labels that the broker has."""

    accepted: int


class AcceptedSamples(BaseModel):
    """Samples that the broker has, and the ids they go by."""

    accepted: int
    ids: list[str]


class Paused(BaseModel):
    """Whether selection is paused in this process."""

    paused: bool


class Predicted(BaseModel):
    """What the model says."""

    label: Any = Field(description="The most probable class, null while the model knows fewer than two.")
    probabilities: dict[str, float]
    model: dict[str, Any]


class QueryPage(BaseModel):
    """A page of the pending queries."""

    total: int
    offset: int
    queries: list[dict[str, Any]]
