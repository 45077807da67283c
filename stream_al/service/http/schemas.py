"""What the HTTP interface takes and answers, as its description has it, and its errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, model_validator

from stream_al.messages import MAX_OFFSET

__all__ = [
    "PROBLEM",
    "Accepted",
    "AcceptedSamples",
    "CountAgain",
    "Moved",
    "Paused",
    "Predicted",
    "QueryPage",
    "RollBack",
    "SettingsInForce",
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
    "description": "RFC 9457. `reason` is a short word, for a message that cannot be used; `mistakes` are "
    "sentences, one for each mistake in a request for a change.",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": ["string", "null"]},
        "reason": {"type": "string"},
        "mistakes": {"type": "array", "items": {"type": "string"}},
    },
}


def problems(*codes: int) -> dict[int | str, dict[str, Any]]:
    """The description of a route's errors, by status code."""
    return {
        code: {"description": _MEANINGS[code], "content": {PROBLEM: {"schema": _SCHEMA}}} for code in codes
    }


def problem(
    code: int, title: str, detail: str | None, headers: Mapping[str, str] | None = None, **more: Any
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


class SettingsInForce(BaseModel):
    """What may be changed while the service runs."""

    budget: dict[str, float | int | None] = Field(description="As it is in force.")
    configured: dict[str, dict[str, float | int | None]] = Field(description="As the settings say.")
    changed: dict[str, dict[str, float | int]] = Field(description="What was changed while it ran.")
    changed_at: str | None = Field(description="When it was changed last.")
    by: str | None = Field(description="The name of the token that it was changed with.")


class _Change(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    dry_run: bool = Field(default=False, description="Only say how many examples that would be.")


class RollBack(_Change):
    """Where the model is taken back to; one of the two."""

    to_offset: int | None = Field(
        default=None, ge=0, le=MAX_OFFSET, description="The first offset of the examples that counts no more."
    )
    snapshot: str | None = Field(
        default=None, description="A snapshot of this replica, instead of the offset that it stands for."
    )

    @model_validator(mode="after")
    def _is_one_of_two(self) -> RollBack:
        if (self.to_offset is None) == (self.snapshot is None):
            raise ValueError("write one of to_offset and snapshot")
        return self


class CountAgain(_Change):
    """Which voided examples count again."""

    from_offset: int = Field(ge=0, le=MAX_OFFSET, description="The first of them.")
    to_offset: int = Field(ge=0, le=MAX_OFFSET, description="One past the last of them.")


class Moved(BaseModel):
    """What a change does to the examples that count."""

    from_offset: int
    to_offset: int = Field(description="One past the last.")
    examples: int = Field(description="How many of them it concerns; the others were so already.")
    dry_run: bool
    rebuilt: bool = Field(description="Whether the model of this replica is there already.")
