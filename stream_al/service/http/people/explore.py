"""The routes of the page Explore: the map, its items, asking for labels by hand, export."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import FastAPI, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from stream_al.engine.explore.filter import MAX_CHARACTERS
from stream_al.messages import MAX_OFFSET, encode
from stream_al.service.app import App
from stream_al.service.desk.asking import NoPurchase, ask
from stream_al.service.http.access.guard import add_to_audit, caller_name
from stream_al.service.http.schemas import problem, problems
from stream_al.service.timing.time_slices import TimeSlices

__all__ = ["explore_routes"]

MOST_ROWS = 200
MOST_ASKED = 500
MOST_EXPORTED = 1000
GONE = "this item is not among the last samples of this process any more: read the map again"
Number = Annotated[int, Field(ge=-MAX_OFFSET, le=MAX_OFFSET)]


class Points(BaseModel):
    """The map. An array is base64 of little-endian numbers, one for each point."""

    count: int
    classes: list[str] = Field(description="The classes that `class` and `label` number.")
    reasons: list[str] = Field(description="The reasons that `reason` numbers.")
    states: list[str] = Field(description="The states that `state` numbers.")
    steps: int = Field(description="`x` and `y` reach from -steps to steps.")
    reach: float = Field(description="How far that is in the vectors' own unit.")
    share: float = Field(description="How much of the variance the map shows, from 0 to 1.")
    numbers: str = Field(description="int32: the number of the item; negative for an older pending query.")
    x: str = Field(description="int16")
    y: str = Field(description="int16")
    utility: str = Field(description="uint8: 255 times the utility")
    class_: str = Field(alias="class", description="int16: the predicted class, -1 for none")
    label: str = Field(description="int16: the label, -1 for none")
    reason: str = Field(description="uint8")
    state: str = Field(description="uint8")


class Short(BaseModel):
    """An item in a list."""

    number: int
    id: str
    utility: float
    reason: str
    class_: str | None = Field(alias="class", description="The predicted class.")
    state: str = Field(description="none, pending, labelled, or asked: it waits for a place in the budget.")
    label: Any = None
    features: dict[str, Any] | None = Field(default=None, description="The first features.")


class Found(BaseModel):
    """A page of the items that a filter finds."""

    total: int = Field(description="How many items there are.")
    matched: int = Field(description="How many of them the filter finds.")
    offset: int
    items: list[Short]
    numbers: str = Field(description="The numbers of all that it finds: base64 of little-endian int32.")


class Full(Short):
    """All that is known of an item."""

    why: str = Field(description="Why it was chosen or not, in a sentence.")
    at: str
    payload: Any = None
    probabilities: dict[str, float]
    threshold: float
    propensity: float
    selected: bool
    examples: int = Field(description="How many examples the model had learned.")
    neighbours: list[dict[str, Any]] = Field(description="The nearest items, the nearest first.")


class Numbers(BaseModel):
    """Items, by their numbers."""

    model_config = ConfigDict(extra="forbid")


class Ask(Numbers):
    """The samples whose labels are asked for."""

    numbers: list[Number] = Field(min_length=1, max_length=MOST_ASKED)


class Export(Numbers):
    """The items to export."""

    numbers: list[Number] = Field(min_length=1, max_length=MOST_EXPORTED)


class Asked(BaseModel):
    """What became of a request for labels."""

    asked: int = Field(description="How many wait for a place in the budget now because of this request.")
    waiting: int = Field(description="How many wait in all.")
    refused: list[dict[str, Any]] = Field(description="The others, each with a sentence `why`.")


def explore_routes(web: FastAPI, app: App) -> None:
    """Add the routes."""
    explorer = app.desk.explorer

    @web.get("/v1/explore/points", tags=["explore"], response_model=Points)
    async def points() -> Response:
        """The last 10,000 samples of this process and the pending queries, on a plane.

        Of a stream of more than 500 samples a second they are every second one, every third one, and so on,
        and each one whose label was asked for.
        Near points are samples that the model sees alike: principal components of its encoding.
        """
        return Response((await explorer.map()).body, media_type="application/json")

    @web.get("/v1/explore/items", tags=["explore"], response_model=Found, responses=problems(422, 503))
    async def items(
        where: Annotated[
            str, Query(max_length=MAX_CHARACTERS, description="Such as `amount > 100 and country = NL`.")
        ] = "",
        sort: Annotated[Literal["utility", "newest", "id"], Query()] = "newest",
        limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 50,
        offset: Annotated[int, Query(ge=0, le=MAX_OFFSET)] = 0,
    ) -> Response:
        """The items that a filter finds.

        A filter compares features (`amount > 100`, `country in (NL, BE)`, `note contains refund`, `age is
        missing`) and `@id @utility @threshold @reason @class @label @state @age`, joined by `and`, `or`,
        `not` and brackets. A text alone is searched for in ids and features.
        """
        found = await explorer.search(where, sort, limit, offset)
        return Response(encode(found), media_type="application/json")

    @web.get("/v1/explore/items/{id}", tags=["explore"], response_model=Full, responses=problems(404, 422))
    async def item(number: Annotated[int, Path(alias="id", ge=-MAX_OFFSET, le=MAX_OFFSET)]) -> Response:
        """An item by its number: its features, why it was chosen or not, and its neighbours."""
        found = explorer.item(number)
        if found is None:
            raise HTTPException(404, GONE)
        near = await explorer.neighbours(*found)
        full = {**explorer.full(*found), "neighbours": near}
        return Response(encode(full), media_type="application/json")

    _ask_route(web, app)
    _export_route(web, app)


def _ask_route(web: FastAPI, app: App) -> None:
    @web.post(
        "/v1/explore/ask",
        tags=["explore"],
        status_code=202,
        response_model=Asked,
        responses=problems(408, 409, 413, 422, 503),
    )
    async def post_ask(request: Request, wanted: Ask) -> Any:
        """Ask for the labels of samples. The next purchases of the budget pay for them, one for each.

        So they cost no label more. A sample that has a query or a label already is refused, and so are all
        while a cap or a pause lets the budget buy nothing.
        """
        try:
            found = await ask(app, wanted.numbers, caller_name(request))
        except NoPurchase as error:
            return problem(409, "Nothing can be bought", str(error))
        add_to_audit(request, asked=found["asked"])
        return found


def _export_route(web: FastAPI, app: App) -> None:
    explorer = app.desk.explorer

    @web.post(
        "/v1/explore/export",
        tags=["explore"],
        response_class=Response,
        responses={200: {"content": {"application/x-ndjson": {}}}, **problems(408, 413, 422)},
    )
    async def export(wanted: Export) -> Response:
        """Items as JSON lines. Those that are not kept any more are left out."""
        lines: list[bytes] = []
        size = 0
        async for number in TimeSlices(app.clock).one_by_one(wanted.numbers):
            found = explorer.item(number)
            if found is not None:
                line = encode(explorer.full(*found))
                size += len(line) + 1
                if size > app.settings.http.max_page_bytes:
                    break
                lines.append(line + b"\n")
        return Response(b"".join(lines), media_type="application/x-ndjson")
