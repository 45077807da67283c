"""Hypotheses: what the model would say of the last examples if it learned this or that label of a sample.

For each label that is likely enough a copy of the model learns it. That costs a copy and `OUTLOOK`
predictions a label, so only the `LABELS` likeliest labels are tried, weighed by their probability; a
label that the model cannot learn would change nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress

from stream_al.engine.model.model import Label
from stream_al.engine.strategies.base import Sight
from stream_al.errors import BadMessage

__all__ = ["Outlook", "outlooks"]

LABELS = 5

Outlook = list[dict[Label, float]]
"""What a model says of each of the last examples; empty where it has no opinion."""


def outlooks(sight: Sight) -> Iterator[tuple[float, Outlook]]:
    """The probability of each likely label, and the outlook of the model that has learned it."""
    for label, p in _likeliest(sight.probabilities):
        after = sight.model
        with suppress(BadMessage):
            after = sight.model.after(sight.features, label)
        yield p, after.outlook()


def _likeliest(probabilities: Mapping[Label, float]) -> list[tuple[Label, float]]:
    ranked = sorted(probabilities.items(), key=lambda each: -each[1])[:LABELS]
    total = sum(p for _, p in ranked)
    return [(label, p / total) for label, p in ranked if p > 0.0]
