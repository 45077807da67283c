"""The route of the page Watch."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import FastAPI, Query, Response
from pydantic import BaseModel, Field

from stream_al.messages import MAX_OFFSET
from stream_al.service.app import App
from stream_al.service.http.schemas import problems

__all__ = ["watch_routes"]


class Watched(BaseModel):
    """The figures of this process over the last hour."""

    run: str = Field(description="When the process began; the numbers of points begin anew with it.")
    first: int = Field(description="The number of the first point in `points`.")
    next: int = Field(description="The number of the point that comes next.")
    every_seconds: float = Field(description="The time between two points.")
    delay_bounds: list[float] = Field(
        description="Upper bounds of the counts in `delays`, in seconds; the last count has none."
    )
    utility_bounds: list[float] = Field(description="Upper bounds of the counts in `utility`.")
    points: list[dict[str, Any]] = Field(
        description="The points, the oldest first. `samples`, `queries`, `manual`, `allowed`, `labels`, "
        "`expired`, `utility`, `delays`, `delay_seconds` and `drifts` count since the process began; take "
        "differences. `accuracy` has estimates over all samples with their intervals, `thresholds` the "
        "threshold of each partition, `members` the weights of the members of the model. `asked` samples "
        "wait for a place in the budget because people asked for them."
    )


def watch_routes(web: FastAPI, app: App) -> None:
    """Add the route."""

    @web.get("/v1/watch", tags=["status"], response_model=Watched, responses=problems(422))
    async def watch(
        since: Annotated[int, Query(ge=-1, le=MAX_OFFSET, description="The last point that is known.")] = -1,
        run: Annotated[str | None, Query(max_length=40, description="The run that it was of.")] = None,
    ) -> Response:
        """The figures of this process, a point every few seconds, for an hour at most."""
        return Response(app.desk.figures.since(since, run), media_type="application/json")
