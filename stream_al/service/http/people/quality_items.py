"""The routes behind the page Quality: labelled samples one by one, segments, and relabelling."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from stream_al.engine.explore.filter import MAX_CHARACTERS, parse
from stream_al.engine.trust.segments.search import ALPHA
from stream_al.engine.trust.suspects import Kind
from stream_al.errors import BadMessage
from stream_al.identity import MAX_ID_CHARACTERS
from stream_al.messages import MAX_LABEL_CHARACTERS, MAX_OFFSET, ClassLabel, decode_json, encode
from stream_al.service.app import App
from stream_al.service.desk.asking import refusal
from stream_al.service.desk.review import ANY, Wanted
from stream_al.service.http.access.guard import add_to_audit, caller_name
from stream_al.service.http.schemas import problem, problems
from stream_al.service.http.status import interval_of
from stream_al.service.loops.taken_ids import TakenIds

__all__ = ["quality_items_routes"]

MOST_ROWS = 100
MOST_ASKED = 50
MAX_CLASS = 6 * MAX_LABEL_CHARACTERS + 2  # characters of a class as JSON
ABOUT_SEGMENTS = (
    "The last labels that were bought, weighted to the whole stream by their propensities. Segments were "
    "chosen by one half of them and tested with the other, by which error and interval are estimated. Where "
    f"there is nothing to find, a look finds something with a probability of at most {ALPHA:.0%}."
)
Class = Annotated[
    str | None,
    Query(
        max_length=MAX_CLASS,
        description='A class as JSON, such as `"spam"` or `1`; `null` for none, and for all classes after '
        "the first 50. What is no JSON is taken as text.",
    ),
]


class Given(BaseModel):
    """A label of a sample, with what its annotator noted."""

    annotator: str | None
    label: Any
    comment: str | None
    flagged: bool


class LabelledSample(BaseModel):
    """A labelled sample."""

    id: str
    offset: int
    label: Any = Field(description="The label that counts.")
    corrected: bool = Field(description="Whether it is a correction.")
    labels: list[Given] = Field(description="The labels that annotators gave, the first one first.")
    predicted: Any = Field(description="The class that was predicted before; null if none was.")
    probabilities: dict[str, float] = Field(description="The greatest ones, by class.")
    propensity: float | None
    reason: str | None = Field(description="Why it was selected.")
    labelled_at: str | None
    features: dict[str, Any] = Field(description="The first features.")
    again: str | None = Field(
        description="Whether another annotator is asked: waiting (for the budget), pending, or null."
    )


class LabelledPage(BaseModel):
    """A page of labelled samples, the newest first."""

    kept: int = Field(description="How many labelled samples are kept, 5,000 at most.")
    matched: int = Field(description="How many of them are wanted.")
    offset: int
    items: list[LabelledSample]


class ErrorShare(BaseModel):
    """The share of wrong predictions, with its 95% interval."""

    estimate: float
    low: float
    high: float
    effective: float = Field(description="As many samples drawn at random would be as certain.")


class SegmentFound(BaseModel):
    """A segment in which the model errs more than in the rest."""

    where: str = Field(description="Which samples it holds; `segment` of `/v1/quality/items` takes it.")
    cases: int
    error: ErrorShare
    rest: ErrorShare = Field(description="The error outside the segment.")
    p: float = Field(description="Adjusted for all segments that were tested.")


class Segments(BaseModel):
    """Where the model fails."""

    about: str
    cases: int = Field(description="How many labels were looked at.")
    compared: int
    tested: int
    segments: list[SegmentFound]


class Relabel(BaseModel):
    """The samples to ask another annotator about."""

    model_config = ConfigDict(extra="forbid")

    ids: list[Annotated[str, Field(min_length=1, max_length=MAX_ID_CHARACTERS)]] = Field(
        min_length=1, max_length=MOST_ASKED
    )


class Refused(BaseModel):
    """A sample that nobody is asked about."""

    id: str
    why: str


class Relabelled(BaseModel):
    """What became of a request to relabel."""

    asked: int = Field(description="How many wait for the budget now because of this request.")
    waiting: int = Field(description="How many wait in all.")
    refused: list[Refused]


def quality_items_routes(web: FastAPI, app: App) -> None:
    """Add the routes."""
    review = app.desk.review

    @web.get("/v1/quality/items", tags=["labelling"], response_model=LabelledPage, responses=problems(422))
    async def items(  # noqa: PLR0913 - each is a parameter of the request
        actual: Class = None,
        predicted: Class = None,
        annotator: Annotated[str | None, Query(max_length=MAX_ID_CHARACTERS)] = None,
        segment: Annotated[
            str, Query(max_length=MAX_CHARACTERS, description="A filter as of `/v1/explore/items`.")
        ] = "",
        suspect: Annotated[Kind | None, Query(description="Suspects of this kind.")] = None,
        flagged: Annotated[bool | None, Query(description="Flagged by an annotator, or not.")] = None,
        several: Annotated[bool | None, Query(description="With labels of several annotators.")] = None,
        sample_id: Annotated[str | None, Query(alias="id", max_length=MAX_ID_CHARACTERS)] = None,
        limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 25,
        offset: Annotated[int, Query(ge=0, le=MAX_OFFSET)] = 0,
    ) -> Response:
        """The last labelled samples that satisfy all that is given, the newest first.

        `actual` and `predicted` name a cell of the confusion matrix: labels as they were given, and bought.
        """
        wanted = Wanted(
            ANY if actual is None else _class(actual),
            ANY if predicted is None else _class(predicted),
            annotator,
            suspect,
            flagged,
            several,
            sample_id,
            parse(segment) if segment.strip() else None,
        )
        found = await review.items(wanted, limit, offset)
        return Response(encode(found), media_type="application/json")

    @web.get("/v1/quality/segments", tags=["labelling"], response_model=Segments)
    async def segments() -> dict[str, Any]:
        """Where the model fails: segments of one or two features with more errors than the rest."""
        found = await review.segments()
        shown = [
            {
                "where": one.where,
                "cases": one.cases,
                "error": interval_of(one.error),
                "rest": interval_of(one.rest),
                "p": one.p,
            }
            for one in found.segments
        ]
        counts = {"cases": found.cases, "compared": found.compared, "tested": found.tested}
        return {"about": ABOUT_SEGMENTS, **counts, "segments": shown}

    @web.post(
        "/v1/quality/relabel",
        tags=["labelling"],
        status_code=202,
        response_model=Relabelled,
        responses=problems(408, 409, 413, 422, 503),
    )
    async def relabel(request: Request, wanted: Relabel) -> Any:
        """Ask another annotator about labelled samples, blind. The next purchases of the budget pay for them.

        So they cost no label more. While a cap or a pause lets the budget buy nothing, all are refused.
        """
        if (why := refusal(app)) is not None:
            return problem(409, "Nothing can be bought", why)
        second, version = app.selection.second, TakenIds(app.local_model, app.pending).version
        refused = [
            {"id": one, "why": why}
            for one in dict.fromkeys(wanted.ids)
            if (why := second.ask(one, version)) is not None
        ]
        ids = set(wanted.ids) - {one["id"] for one in refused}
        await app.requests.keep_relabel(sorted(ids), caller_name(request))
        asked = len(ids)
        add_to_audit(request, asked=asked)
        return {"asked": asked, "waiting": len(second.by_hand), "refused": refused}


def _class(text: str) -> ClassLabel | None:
    """The class of a parameter."""
    try:
        found = decode_json(text.encode(), max_bytes=4 * MAX_CLASS)
    except BadMessage:
        return text
    if found is not None and not isinstance(found, str | int | float):
        raise HTTPException(422, "a class is a text, a number, true, false, or null for none")
    return found
