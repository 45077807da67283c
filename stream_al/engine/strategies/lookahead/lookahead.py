"""Lookahead: the predictions for the last examples, if the model learned one label or another of a sample.

For each likely label a copy of the model learns it. That costs a copy and `RECENT_PREDICTIONS` predictions a
label. So only the `LABELS` likeliest labels are tried, weighted by their probability. A label that the model
cannot learn changes nothing.

A model that takes long to copy is not copied (`Model.copies_fast`): the utility of every sample is then how
uncertain the model is, as by least confidence. `/v1/status` says so (`model.looks_ahead`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress

from stream_al.engine.strategies.base import Candidate
from stream_al.errors import BadMessage
from stream_al.messages import ClassLabel

__all__ = ["RecentPredictions", "lookahead", "without_lookahead"]

LABELS = 5

RecentPredictions = list[dict[ClassLabel, float]]
"""The probabilities of each of the last examples; empty without a prediction."""


def lookahead(candidate: Candidate) -> Iterator[tuple[float, RecentPredictions]]:
    """The probability of each likely label, and the recent predictions of the model that has learned it."""
    for label, p in _likeliest(candidate.probabilities):
        after = candidate.model
        with suppress(BadMessage):
            after = candidate.model.with_example(candidate.features, label)
        yield p, after.recent_predictions()


def without_lookahead(candidate: Candidate) -> float:
    """The least confidence of a sample, for a model that takes too long to look ahead.

    Returns:
        In [0, 1]: 1 if all classes are equally likely.
    """
    classes = len(candidate.probabilities)
    return (1.0 - max(candidate.probabilities.values())) * classes / (classes - 1)


def _likeliest(probabilities: Mapping[ClassLabel, float]) -> list[tuple[ClassLabel, float]]:
    ranked = sorted(probabilities.items(), key=lambda each: -each[1])[:LABELS]
    total = sum(p for _, p in ranked)
    return [(label, p / total) for label, p in ranked if p > 0.0]
