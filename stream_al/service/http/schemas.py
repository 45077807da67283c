"""The requests, responses and errors of the HTTP interface, as its OpenAPI document describes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, model_validator

from stream_al.messages import MAX_OFFSET

__all__ = [
    "AcceptedLabels",
    "AcceptedSamples",
    "ExclusionChange",
    "Paused",
    "Predicted",
    "QueryPage",
    "Restore",
    "Rollback",
    "SettingsInForce",
    "problem",
    "problems",
]

PROBLEM = "application/problem+json"

_MEANINGS = {
    400: "The body cannot be read.",
    401: "There is no token, or the token is unknown.",
    403: "The role of the token is not sufficient.",
    409: "The state of the lease, or of the service, does not allow it; `detail` says why.",
    404: "There is no such thing, or no longer.",
    408: "Sending the body took longer than `http.body_seconds`.",
    413: "The body is larger than `http.max_body_bytes`.",
    422: "The request, or a message in it, cannot be used. Nothing in the request was accepted.",
    415: "The body is not sent as `application/json`.",
    429: "The client sends more than `http.requests_per_second` or `http.records_per_second`. `Retry-After` "
    "says when to retry.",
    503: "The broker did not confirm in time. The request may or may not have had its effect; send it again.",
}
_SCHEMA = {
    "title": "Problem",
    "description": "An error (RFC 9457). If a message cannot be used, `reason` says why in one word. If a "
    "change is refused, `mistakes` has a sentence for each mistake.",
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
    """The description of the errors of a route, by status code."""
    return {
        code: {"description": _MEANINGS[code], "content": {PROBLEM: {"schema": _SCHEMA}}} for code in codes
    }


def problem(
    code: int, title: str, detail: str | None, headers: Mapping[str, str] | None = None, **more: Any
) -> JSONResponse:
    """The response for an error (RFC 9457)."""
    body = {"type": "about:blank", "title": title, "status": code, "detail": detail, **more}
    return JSONResponse(body, status_code=code, media_type=PROBLEM, headers=dict(headers or {}))


class Expected(BaseModel):
    """What is expected to become of one label."""

    id: str
    expected: str = Field(
        description="labelled, second, skipped, expired, duplicate, conflict, unsolicited, refused, "
        "other_version or unknown. The service decides when it reads the label."
    )


class AcceptedLabels(BaseModel):
    """How many labels the broker has confirmed, and what is expected to become of them."""

    accepted: int
    labels: list[Expected]
    notes: dict[str, str] = Field(description="What each of the words in `labels` means.")


class AcceptedSamples(BaseModel):
    """How many samples the broker has confirmed, and their ids."""

    accepted: int
    ids: list[str]


class Paused(BaseModel):
    """Whether selection is paused in this process."""

    paused: bool


class Predicted(BaseModel):
    """A prediction of the model."""

    label: Any = Field(
        description="The class that `model.objective` serves; null while the model knows none, and where it "
        "fails on these features."
    )
    probabilities: dict[str, float]
    model: dict[str, Any]
    failure: str | None = Field(description="Why the model fails on these features; null if it does not.")


class QueryPage(BaseModel):
    """A page of the pending queries."""

    total: int
    offset: int
    queries: list[dict[str, Any]]


class SettingsInForce(BaseModel):
    """The settings that can be changed while the service runs."""

    budget: dict[str, float | int | None] = Field(description="The values in force.")
    configured: dict[str, dict[str, float | int | None]] = Field(description="The configured values.")
    changed: dict[str, dict[str, float | int]] = Field(description="The values changed at run time.")
    changed_at: str | None = Field(description="The time of the last change.")
    by: str | None = Field(description="The name of the token of the last change.")


class _Change(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    dry_run: bool = Field(default=False, description="Change nothing; only count the examples.")


class Rollback(_Change):
    """The point to which the model is taken back: an offset or a snapshot."""

    to_offset: int | None = Field(
        default=None, ge=0, le=MAX_OFFSET, description="The first offset of the examples that are excluded."
    )
    snapshot: str | None = Field(
        default=None, description="The name of a snapshot of this replica; its offset is used."
    )

    @model_validator(mode="after")
    def _has_one_of_both(self) -> Rollback:
        if (self.to_offset is None) == (self.snapshot is None):
            raise ValueError("write one of to_offset and snapshot")
        return self


class Restore(_Change):
    """The excluded examples that the model learns again."""

    from_offset: int = Field(ge=0, le=MAX_OFFSET, description="The first offset.")
    to_offset: int = Field(ge=0, le=MAX_OFFSET, description="One past the last offset.")


class ExclusionChange(BaseModel):
    """The examples that a rollback has excluded, or that a restore has included again."""

    from_offset: int
    to_offset: int = Field(description="One past the last offset.")
    examples: int = Field(
        description="The number of examples that change; others in the range were in this state before."
    )
    dry_run: bool
    rebuilt: bool = Field(description="Whether the model of this replica is rebuilt already.")
