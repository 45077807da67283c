"""The routes for operators: pause and resume, settings, the model and its rollback."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any

from fastapi import Body, FastAPI, Request

from stream_al.errors import Misconfigured, Unavailable
from stream_al.service.app import App
from stream_al.service.http.access.guard import add_to_audit, caller_name
from stream_al.service.http.operators import changes
from stream_al.service.http.schemas import (
    ExclusionChange,
    Paused,
    Restore,
    Rollback,
    SettingsInForce,
    problems,
)
from stream_al.service.http.status import model_status
from stream_al.service.model.importance import FeatureImportance

__all__ = ["admin_routes"]

CHANGED = problems(408, 413, 422, 503)


def admin_routes(web: FastAPI, app: App) -> None:
    """Add the routes."""
    _pause_routes(web, app)
    _settings_routes(web, app)
    _model_routes(web, app)


def _pause_routes(web: FastAPI, app: App) -> None:
    @web.post("/v1/pause", tags=["control"], response_model=Paused, responses=problems(503))
    async def pause() -> dict[str, Any]:
        """Stop reading samples in this process. Labels are still joined and learned."""
        app.pause()
        return {"paused": True}

    @web.post("/v1/resume", tags=["control"], response_model=Paused, responses=problems(503))
    async def resume() -> dict[str, Any]:
        """Read samples again, also from partitions that a run of bad records has stopped."""
        app.resume()
        return {"paused": False}


def _settings_routes(web: FastAPI, app: App) -> None:
    @web.get("/v1/settings", tags=["control"], response_model=SettingsInForce)
    async def get_settings() -> dict[str, Any]:
        """The settings that can be changed: in force, as configured, and as changed."""
        return changes.settings_in_force(app)

    @web.patch("/v1/settings", tags=["control"], response_model=SettingsInForce, responses=CHANGED)
    async def patch_settings(
        request: Request, wanted: Annotated[dict[str, Any], Body(examples=[{"budget": {"share": 0.1}}])]
    ) -> dict[str, Any]:
        """Change the budget on all replicas. The change outlasts a restart; null restores what is configured.

        A change is merged with the changes before it. If two replicas get a change at the same time, both
        changes hold. If both changes concern the same member, the one that reaches the broker last holds.
        """
        changed = await changes.change_settings(app, wanted, caller_name(request))
        add_to_audit(request, changed=changed)
        return changes.settings_in_force(app)


def _model_routes(web: FastAPI, app: App) -> None:
    importance = FeatureImportance(app.clock)

    @web.get("/v1/model", tags=["status"])
    async def get_model() -> dict[str, Any]:
        """The model of this process: what it has learned, who decides in it, and which features matter.

        `importance` has the 20 most important features: how much the probabilities change, on average, when
        another example's value takes the place of the feature's own, 0 not at all, 1 completely. It is of the
        model after the given number of examples. `snapshots` is null if the store cannot be reached.
        """
        snapshots = None
        with suppress(Unavailable, Misconfigured):  # the model is known without the store
            found = await app.local_model.snapshots.listed()
            snapshots = [{"name": name, "offset": offset} for name, offset in found.items()]
        matters = await importance.of(app.local_model.learner)
        await app.local_model.prepare_digest()
        return {**model_status(app), "importance": matters, "snapshots": snapshots}

    @web.post("/v1/model/rollback", tags=["control"], response_model=ExclusionChange, responses=CHANGED)
    async def rollback(request: Request, wanted: Rollback) -> dict[str, Any]:
        """Take the model of all replicas back: exclude the examples from an offset up to now.

        Nothing is deleted, and the model still learns later examples. A label that was excluded may be sent
        again. Its query is closed, so it has to bring the features of the sample.
        """
        offset = wanted.to_offset
        if offset is None:
            offset = await changes.snapshot_offset(app, str(wanted.snapshot))
        excluded = await changes.roll_back(app, offset, caller_name(request), dry_run=wanted.dry_run)
        add_to_audit(request, **excluded)
        return excluded

    @web.post("/v1/model/restore", tags=["control"], response_model=ExclusionChange, responses=CHANGED)
    async def restore(request: Request, wanted: Restore) -> dict[str, Any]:
        """Undo a rollback: let the model learn excluded examples again, from an offset up to another one."""
        between = wanted.from_offset, wanted.to_offset
        restored = await changes.restore(app, *between, caller_name(request), dry_run=wanted.dry_run)
        add_to_audit(request, **restored)
        return restored
