"""Operating over HTTP: the routes by which an operator looks at, and changes, what is in force."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any

from fastapi import Body, FastAPI, Request

from stream_al.errors import Misconfigured, Unavailable
from stream_al.service.app import App
from stream_al.service.http import changes
from stream_al.service.http.guard import audit_also, who
from stream_al.service.http.schemas import (
    CountAgain,
    Moved,
    Paused,
    RollBack,
    SettingsInForce,
    problems,
)
from stream_al.service.http.status import model_status

__all__ = ["admin_routes"]

CHANGED = problems(400, 408, 413, 422, 503)


def admin_routes(web: FastAPI, app: App) -> None:
    """Add the routes."""
    _pausing(web, app)
    _settings(web, app)
    _model(web, app)


def _pausing(web: FastAPI, app: App) -> None:
    @web.post("/v1/pause", tags=["control"], response_model=Paused, responses=problems(503))
    async def pause() -> dict[str, Any]:
        """Stop reading samples in this process; labels are still joined and learned."""
        app.pause()
        return {"paused": True}

    @web.post("/v1/resume", tags=["control"], response_model=Paused, responses=problems(503))
    async def resume() -> dict[str, Any]:
        """Read on, also partitions that a run of bad records had stopped."""
        app.resume()
        return {"paused": False}


def _settings(web: FastAPI, app: App) -> None:
    @web.get("/v1/settings", tags=["control"], response_model=SettingsInForce)
    async def get_settings() -> dict[str, Any]:
        """What may be changed: as it is in force, as it is configured, and what was changed by whom."""
        return changes.settings_in_force(app)

    @web.patch("/v1/settings", tags=["control"], response_model=SettingsInForce, responses=CHANGED)
    async def patch_settings(
        request: Request, wanted: Annotated[dict[str, Any], Body(examples=[{"budget": {"share": 0.1}}])]
    ) -> dict[str, Any]:
        """Change the budget on all replicas, for now and after a restart; null: as configured again.

        A change is merged with those before it. Of two that come at once to two replicas both stand, and
        where they concern the same member, the one that the broker has last.
        """
        audit_also(request, changed=await changes.change_settings(app, wanted, who(request)))
        return changes.settings_in_force(app)


def _model(web: FastAPI, app: App) -> None:
    @web.get("/v1/model", tags=["status"])
    async def get_model() -> dict[str, Any]:
        """The model as it stands, and the snapshots of it; null where their store cannot be reached."""
        snapshots = None
        with suppress(Unavailable, Misconfigured):  # a store that is away has no say in how the model is
            found = await app.local_model.snapshots.listed()
            snapshots = [{"name": name, "offset": offset} for name, offset in found.items()]
        return {**model_status(app), "snapshots": snapshots}

    @web.post("/v1/model/rollback", tags=["control"], response_model=Moved, responses=CHANGED)
    async def rollback(request: Request, wanted: RollBack) -> dict[str, Any]:
        """Take the model back, on all replicas: no example from an offset on counts, up to now.

        Nothing is deleted, and what comes after counts. An answer that was voided may be sent again; its
        query is closed, so it has to bring its features.
        """
        offset = wanted.to_offset
        if offset is None:
            offset = await changes.snapshot_offset(app, str(wanted.snapshot))
        moved = await changes.roll_back(app, offset, who(request), dry_run=wanted.dry_run)
        audit_also(request, **moved)
        return moved

    @web.post("/v1/model/restore", tags=["control"], response_model=Moved, responses=CHANGED)
    async def restore(request: Request, wanted: CountAgain) -> dict[str, Any]:
        """Undo a rollback: have voided examples count again, those from an offset, up to another one."""
        between = wanted.from_offset, wanted.to_offset
        moved = await changes.count_again(app, *between, who(request), dry_run=wanted.dry_run)
        audit_also(request, **moved)
        return moved
