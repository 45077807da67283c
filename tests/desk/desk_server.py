"""Replicas of the service with their HTTP servers on loopback, for a browser."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from playwright.async_api import Page

from stream_al.service.app import App
from stream_al.service.serve import serving
from tests.support.world import World

SERVED = (
    *("http.enabled=true", "http.port=0", "limits.stop_seconds=4", "budget.share=0.5", "budget.pending=500"),
    *("labels.classes=[down, up]", "desk.guidelines=Is `x` *above* one half?"),
)

"""The settings of replicas that serve the desk."""


class Served:
    """A replica of a world that serves HTTP, as a task of the test."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.task = asyncio.create_task(serving(app))

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.app.port}"

    def metric(self, name: str, **labels: str) -> float:
        """The value of a metric now; 0 if it has none."""
        return self.app.metrics.registry.get_sample_value("stream_al_" + name, labels) or 0.0

    async def stop(self) -> None:
        """Stop in order."""
        self.app.stopping.set()
        await self.task


OpenDesk = Callable[..., Awaitable[Page]]
"""Opens the desk of a replica in a session of its own."""

MakeDesks = Callable[..., Awaitable[tuple[World, list[Served]]]]
"""Starts replicas on one broker; the arguments are settings."""


async def serve(world: World, name: str) -> Served:
    """Start a replica, and wait until it is ready."""
    own = world.settings.snapshots.model_copy(update={"directory": str(world.snapshots(name))})
    settings = world.settings.model_copy(update={"snapshots": own})
    replica = Served(App(settings, world.connect(settings), clock=world.clock))
    world.at_end(replica.stop)

    def ready() -> bool:
        assert not replica.task.done(), replica.task.exception()
        return replica.app.ready and replica.app.port is not None

    await world.until(ready, f"replica {name} is ready")
    return replica
