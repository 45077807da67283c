"""Which features matter: a description for people, made on request, beside other work of the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from stream_al.engine.labels.learner import Learner
from stream_al.engine.model.importance import feature_names, importances, ranked
from stream_al.service.timing.clock import Clock
from stream_al.service.timing.time_slices import TimeSlices

__all__ = ["FeatureImportance", "describe_importance"]

SHOWN = 20  # features
GROWTH = 1.02  # by so much the examples grow before it is computed again


class FeatureImportance:
    """The importance of the features to the model in force.

    It takes some milliseconds of processor time for ten features and some tenths of a second for hundreds.
    Other tasks run meanwhile, and requests that come meanwhile wait for the same result. A result is kept
    until there are 2% more examples, or until other examples count.

    Args:
        clock: Measures the work.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._one = asyncio.Lock()
        self._known: tuple[object, dict[str, Any]] | None = None

    async def of(self, learner: Learner) -> dict[str, Any]:
        """The description of now, or that of a little earlier."""
        async with self._one:
            examples, excluded = learner.model.examples, learner.excluded
            if self._known is not None:
                key, known = self._known
                if key == excluded and known["examples"] <= examples < max(1, known["examples"]) * GROWTH:
                    return known
            described = describe_importance(await self._measured(learner), examples)
            self._known = excluded, described
            return described

    async def _measured(self, learner: Learner) -> dict[str, float]:
        samples = learner.recent_features.samples()
        names, found = feature_names(samples), dict[str, float]()
        slices = TimeSlices(self._clock)
        for part in (names[:1], names[1:]):  # the first one tells how many others fit a time slice
            for chunk in slices.cut(part):
                found |= await slices.in_steps(importances(learner.model, samples, chunk))
            slices.fit()
        return found


def describe_importance(found: Mapping[str, float], examples: int) -> dict[str, Any]:
    """The most important features, as values that are ready for JSON.

    Args:
        found: The importance of each feature (`engine.model.importance`).
        examples: How many examples the model had learned.
    """
    largest = {name: value for name, value in list(ranked(found).items())[:SHOWN] if value > 0.0}
    return {"examples": examples, "examined": len(found), "features": largest}
