"""The routes of leases: who labels takes queries, keeps them, and gives them back."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Body, FastAPI, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from stream_al.engine.labels.leases import MAX_PER_HOLDER, LivingLease
from stream_al.errors import Unavailable
from stream_al.identity import MAX_ID_CHARACTERS
from stream_al.messages import encode, iso
from stream_al.service.app import App
from stream_al.service.http.access.guard import add_to_audit, caller_name, caller_role, charge_records
from stream_al.service.http.access.roles import Role
from stream_al.service.http.schemas import problems

__all__ = ["lease_routes"]

ANYBODY = "anybody"

LeaseId = Annotated[str, Path(min_length=1, max_length=64, description="The id of the lease.")]


class Wanted(BaseModel):
    """Who wants queries, and how many."""

    model_config = ConfigDict(extra="forbid", strict=True)

    count: int = Field(default=1, ge=1, le=MAX_PER_HOLDER, description="Most queries, those held included.")
    holder: str | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_ID_CHARACTERS,
        description="The session. The same session gets the same queries again until it has labelled them. "
        "null: the annotator, or else the token, is the session.",
    )
    annotator: str | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_ID_CHARACTERS,
        description="Who will label, as in the labels: nobody is asked twice about one sample.",
    )


class Leased(BaseModel):
    """A query that is kept for the holder."""

    lease: str = Field(description="The id of the lease.")
    id: str = Field(description="The id of the query.")
    expires_at: str = Field(description="When others may get the query, by the time of the log.")
    second: bool = Field(description="Whether somebody else has labelled the sample already.")
    query: dict[str, Any] = Field(description="The query, as on its topic.")


class LeasedQueries(BaseModel):
    """The queries that are kept for the holder."""

    leases: list[Leased]
    pending: int = Field(description="How many queries wait for a label.")
    free: int = Field(description="How many of them nobody has leased.")


def lease_routes(web: FastAPI, app: App) -> None:
    """Add the routes."""

    @web.post(
        "/v1/leases", tags=["labelling"], response_model=LeasedQueries, responses=problems(408, 413, 422, 503)
    )
    async def post_leases(
        request: Request, wanted: Annotated[Wanted, Body(examples=[{"count": 5, "annotator": "ann"}])]
    ) -> Response:
        """Lease the most useful queries, so that nobody else gets them for `labels.lease_seconds`.

        Those that the holder has already come first, so a page that is loaded anew loses nothing. There may
        be fewer than `count`: no more are free, or they would be more than `http.max_page_bytes` bytes. A
        lease ends when its query is labelled or closed, when it is returned, or when it runs out.
        """
        _check_ready(app)
        charge_records(request, wanted.count)
        via = caller_name(request)
        holder = wanted.holder or wanted.annotator or via or ANYBODY
        found = await app.leasing.lease(wanted.count, via, holder, wanted.annotator)
        leases = [described for one in found if (described := _described(app, one))]
        add_to_audit(request, leases=len(leases))
        free = app.pending.order.free
        return _json({"leases": leases, "pending": len(app.pending), "free": free})

    @web.put(
        "/v1/leases/{lease}", tags=["labelling"], response_model=Leased, responses=problems(409, 422, 503)
    )
    async def renew_lease(request: Request, lease: LeaseId) -> Response:
        """Keep a query for `labels.lease_seconds` from now."""
        _check_ready(app)
        _check_own(app, request, lease)
        found = await app.leasing.renew(lease)
        described = found and _described(app, found)
        if not described:
            raise HTTPException(409, "this lease is over: ask for others with POST /v1/leases")
        return _json(described)

    @web.delete("/v1/leases/{lease}", tags=["labelling"], status_code=204, responses=problems(409, 422, 503))
    async def return_lease(request: Request, lease: LeaseId) -> None:
        """Give a query back, so that others can get it at once. A lease that is over stays so."""
        _check_ready(app)
        await app.leasing.catch_up()
        _check_own(app, request, lease)
        if app.leasing.leases.get(lease) is not None:
            await app.leasing.release(lease)


def _check_ready(app: App) -> None:
    if not app.ready:
        raise Unavailable("this replica is starting or stopping: send the request again")


def _check_own(app: App, request: Request, lease: str) -> None:
    """Raises HTTPException (409) if another token asked for the lease, unless an admin acts."""
    found = app.leasing.leases.get(lease)
    if found and found.lease.via != caller_name(request) and caller_role(request) < Role.ADMIN:
        raise HTTPException(409, "this lease is another's: only the token that asked for it may change it")


def _described(app: App, one: LivingLease) -> dict[str, Any] | None:
    """A lease for its holder; None if its query was closed meanwhile."""
    pending = app.pending.get(one.lease.id)
    if pending is None:
        return None
    return {
        "lease": one.lease.lease,
        "id": one.lease.id,
        "expires_at": iso(one.expires_ms),
        "second": one.lease.second_of is not None,
        "query": pending.query,
    }


def _json(found: dict[str, Any]) -> Response:
    return Response(encode(found), media_type="application/json")  # written once, not checked again
