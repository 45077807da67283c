"""Why the model is uncertain about a query, for annotators; made on request, in time slices."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from stream_al.engine.explanation.words import texts, word_effects, words
from stream_al.engine.labels.learner import Learner
from stream_al.engine.model.importance import effects, feature_names
from stream_al.engine.samples.table import sample_of
from stream_al.errors import BadMessage
from stream_al.messages import Query
from stream_al.service.timing.clock import Clock
from stream_al.service.timing.time_slices import TimeSlices

__all__ = ["Explanations"]

MOST_FEATURES = 100
MOST_KEPT = 200
MOST_OTHERS = 8  # examples whose values take the place of the query's


class Explanations:
    """Explains queries, one at a time, in time slices.

    The last ones are kept, because a desk that is loaded again asks for the same.

    Args:
        clock: Measures the work.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._one = asyncio.Lock()
        self._kept: dict[tuple[str, str], dict[str, Any]] = {}

    async def of(self, learner: Learner, query: Query) -> dict[str, Any]:
        """What each feature of a query, and each word of its texts, does for the class that is predicted now.

        Both are the largest first, from -1 to 1: above 0 they speak for the class, below 0 against it.
        """
        key = query.id, query.version
        async with self._one:
            kept = self._kept.get(key)
            if kept is not None and kept["examples"] == learner.model.examples:
                return kept
            found = await self._measured(learner, query)
            self._kept.pop(key, None)
            self._kept[key] = found
            if len(self._kept) > MOST_KEPT:
                del self._kept[next(iter(self._kept))]
            return found

    async def _measured(self, learner: Learner, query: Query) -> dict[str, Any]:
        model, examples = learner.model, learner.model.examples
        sample, others = sample_of("", query.features), learner.recent_features.samples()[-MOST_OTHERS:]
        by_feature, by_word = dict[str, float](), dict[str, dict[str, float]]()
        slices = TimeSlices(self._clock)
        names = feature_names([sample])[:MOST_FEATURES]
        for part in (names[:1], names[1:]):  # the first one tells how many others fit a time slice
            for chunk in slices.cut(part):
                by_feature |= await slices.in_steps(effects(model, sample, others, chunk))
            slices.fit()
        for name in texts(query.features):
            found = dict[str, float]()
            for chunk in slices.cut(words(str(query.features[name]))):
                found |= await slices.in_steps(word_effects(model, query.features, name, chunk))
            by_word[name] = _ranked(found)
        predicted = None
        with suppress(BadMessage):  # what the model cannot do is no fault of the request
            predicted = learner.rule.label(model.probabilities(query.features))
        return {
            "id": query.id,
            "examples": examples,
            "label": predicted,
            "features": _ranked(by_feature),
            "words": by_word,
        }


def _ranked(found: dict[str, float]) -> dict[str, float]:
    return dict(sorted(found.items(), key=lambda item: -abs(item[1])))
