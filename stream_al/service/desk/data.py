"""Data of the desk: the parts that keep and compute what the desk shows of this process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from stream_al.service.desk.explorer import Explorer
from stream_al.service.desk.figures import Figures
from stream_al.service.desk.items import Items
from stream_al.service.desk.recent_samples import RecentSamples
from stream_al.service.desk.review import Review
from stream_al.service.loops.select import Select
from stream_al.settings import BudgetSettings, Settings

__all__ = ["DeskData"]


class DeskData:
    """What the desk shows of this process. Without a desk nothing is kept.

    Args:
        settings: The settings.
        selection: The stage that decides about samples.
        budget: Returns the budget in force.

    Attributes:
        enabled: Whether there is a desk.
        figures: The figures of the last hour.
        recent: The last samples.
        explorer: Looks at them.
        review: Looks through the last labelled samples.
    """

    def __init__(self, settings: Settings, selection: Select, budget: Callable[[], BudgetSettings]) -> None:
        self.enabled = settings.desk.enabled
        self._clock = clock = selection.clock
        model, asked = selection.local_model, selection.asked
        self.figures = Figures(selection.metrics, model, asked, budget, clock)
        self.recent = RecentSamples(selection.sample, settings.desk.recent_bytes, clock.monotonic)
        self.explorer = Explorer(Items(self.recent, selection.pending, model, asked), clock)
        self.review = Review(selection)
        if self.enabled:
            selection.on_decided = self.recent.add

    async def run(self) -> None:
        """Take a point of the figures every few seconds."""
        while self.enabled:
            self.figures.take()
            await asyncio.sleep(self._clock.pace.watch_seconds)
