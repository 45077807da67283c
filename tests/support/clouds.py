"""Models and samples for the tests of strategies: two clouds of points."""

from __future__ import annotations

import random
from typing import Any

from stream_al.engine.model.model import Model
from stream_al.engine.strategies import Candidate, strategy
from stream_al.messages import ClassLabel

__all__ = ["Features", "candidate", "clouds", "folded"]

Features = dict[str, Any]


def clouds(number: int = 60, seed: int = 3) -> list[tuple[Features, ClassLabel]]:
    """Two clouds that overlap."""
    draw = random.Random(seed)  # noqa: S311 -- a fixed stream
    return [
        ({"x": draw.gauss(2.0 * (i % 2), 1.0), "y": draw.gauss(0.0, 5.0)}, "ham" if i % 2 else "spam")
        for i in range(number)
    ]


def folded(text: str, definition: str, examples: list[tuple[Features, ClassLabel]], **more: Any) -> Model:
    model = strategy(text).model(definition, seed=1, **more)
    for features, label in examples:
        model.learn(features, label)
    return model


def candidate(model: Model, features: Features, **more: Any) -> Candidate:
    return Candidate("s", features, model.probabilities(features), model, **more)
