"""The desk over HTTP: its files, and what it needs to start.

The desk does what any client may do: everything else that it shows and sends goes through the routes that
everyone has. What is read here is in memory, and each list is bounded.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from stream_al import __version__
from stream_al.engine.budgets.caps import Caps, hour_of
from stream_al.identity import MAX_ID_CHARACTERS
from stream_al.messages import ClassLabel
from stream_al.service.app import App
from stream_al.service.http.access.guard import caller_name, caller_role
from stream_al.service.http.desk_files import INDEX, DeskFiles
from stream_al.service.http.schemas import problems
from stream_al.service.model.explanation import Explanations

__all__ = ["desk_routes"]

PAGES = ("label", "watch", "explore", "quality")
MOST_CLASSES = 1000


class Desk(BaseModel):
    """What a desk needs to start, and the figures that it shows all the time."""

    application: str
    version: str
    role: str = Field(description="What the token of this request may do: read, label or admin.")
    name: str | None = Field(description="The name of this token; null without tokens.")
    pages: list[str] = Field(description="The pages that this version has.")
    classes: list[str | int | float | bool] = Field(
        description="The classes of `labels.classes`, or else those that the model knows, with their types; "
        f"{MOST_CLASSES} at most."
    )
    open_classes: bool = Field(description="Whether a label may name another class.")
    guidelines: str | None = Field(description="`desk.guidelines`.")
    media_hosts: list[str] = Field(description="`desk.media_hosts`.")
    lease_seconds: float = Field(description="`labels.lease_seconds`.")
    ready: bool
    paused: bool
    pending: int = Field(description="The number of pending queries.")
    examples: int = Field(description="The number of examples that the model has learned.")
    budget_left: int | None = Field(
        description="The labels that the partitions of this replica may still buy, by `budget.total` and "
        "`budget.per_hour`; null if neither is set."
    )
    budget_share: float = Field(description="`budget.share` in force.")
    second_share: float = Field(description="`labels.second_share`.")
    agreement: float | None = Field(
        description="The share of the pairs of labels of one sample, one by the annotator and one by "
        "somebody else, that agree; null while there is no such pair."
    )


class Explanation(BaseModel):
    """What moves the model's prediction for a pending query."""

    id: str
    examples: int = Field(description="How many examples the model had learned.")
    label: Any = Field(description="The class that is predicted now; null if none is.")
    features: dict[str, float] = Field(
        description="From -1 to 1 for each feature, the largest first: what its value does for this class, "
        "compared with the values of other examples."
    )
    words: dict[str, dict[str, float]] = Field(
        description="The same of each word, in lower case, of each feature that holds a text: what the word "
        "does, compared with leaving it out."
    )


def desk_routes(web: FastAPI, app: App) -> None:
    """Add the routes."""
    settings = app.settings
    files = DeskFiles(settings.desk.media_hosts) if settings.desk.enabled else None

    @web.get("/", include_in_schema=False)
    async def start(request: Request) -> Response:
        return RedirectResponse("desk" if files else "docs")

    @web.get("/v1/desk", tags=["labelling"], response_model=Desk, responses=problems(422))
    async def desk(
        request: Request,
        annotator: Annotated[
            str | None,
            Query(
                max_length=MAX_ID_CHARACTERS, description="Whose agreement; else that of the token's name."
            ),
        ] = None,
    ) -> dict[str, Any]:
        """What a desk for annotators needs to start."""
        who = annotator or caller_name(request)
        annotators = app.local_model.learner.trust.tally.annotators
        return {
            "application": settings.application,
            "version": __version__,
            "role": caller_role(request).name.lower(),
            "name": caller_name(request),
            "pages": [page for page in PAGES if files and files.has(f"{page}.js")],
            "classes": _classes(app),
            "open_classes": not settings.labels.classes,
            "guidelines": settings.desk.guidelines,
            "media_hosts": list(settings.desk.media_hosts),
            "lease_seconds": settings.labels.lease_seconds,
            "ready": app.ready,
            "paused": app.select.paused,
            "pending": len(app.pending),
            "examples": app.local_model.model.examples,
            "budget_left": _budget_left(app),
            "budget_share": app.control.budget.share,
            "second_share": settings.labels.second_share,
            "agreement": annotators.agreement_of(who).share if who else None,
        }

    explanations = Explanations(app.clock)

    @web.get("/v1/explanations", tags=["labelling"], response_model=Explanation, responses=problems(404, 422))
    async def explanation(
        sample_id: Annotated[str, Query(alias="id", min_length=1, max_length=MAX_ID_CHARACTERS)],
    ) -> dict[str, Any]:
        """Why the model doubts about a pending query: what its features and words do for the prediction."""
        pending = app.pending.get(sample_id)
        if pending is None:
            raise HTTPException(404, "no query of this id is pending")
        return await explanations.of(app.local_model.learner, pending.query)

    if files is None:
        return

    @web.get("/desk", include_in_schema=False)
    async def index(request: Request) -> Response:
        return files.response(INDEX, request)

    @web.get("/desk/{name}", include_in_schema=False)
    async def file(request: Request, name: str) -> Response:
        return files.response(name, request)


def _classes(app: App) -> list[ClassLabel]:
    known = app.settings.labels.classes or tuple(app.local_model.model.classes)
    return list(known[:MOST_CLASSES])


def _budget_left(app: App) -> int | None:
    budget, held, left = app.control.budget, app.select.partitions, 0
    caps = Caps(budget.per_hour, budget.total)
    if caps == Caps():
        return None
    hour, number = hour_of(app.clock.wall_ms()), app.selection.partition_count() if held else 0
    for partition, one in held.items():
        if partition < number:
            left += caps.room(one.state.spent, hour, partition, number)[0]
    return left
