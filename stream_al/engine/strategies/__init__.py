"""Query strategies: how informative would this sample's label be?

A strategy maps an arrival to its *utility*, a float in [0, 1]. Only the order of the utilities of
one strategy has a meaning; a budget manager turns them into yes or no.

One law binds all of them and is therefore kept here, once: a model that knows fewer than two
classes cannot be certain of anything, so every utility is 1. (River gives such a model an entropy
of 0, and a strategy that believes it never asks for the first label.)

A new strategy is one file with one function and one line in `STRATEGIES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from stream_al.engine.model import Label
from stream_al.engine.strategies.entropy import entropy
from stream_al.engine.strategies.least_confidence import least_confidence
from stream_al.engine.strategies.margin import margin
from stream_al.engine.strategies.random import random

__all__ = ["STRATEGIES", "Arrival", "Strategy", "utilities"]


@dataclass(frozen=True, slots=True)
class Arrival:
    """A sample as the selector sees it.

    Attributes:
        id: The sample's id; every random choice about the sample is drawn from it.
        probabilities: What the model says now, summing to 1; empty when it knows fewer than two classes.
    """

    id: str
    probabilities: Mapping[Label, float]


Strategy = Callable[[Sequence[float], str, int], float]
"""From the class probabilities (two or more), the sample's id and the seed to a utility."""

STRATEGIES: dict[str, Strategy] = {
    "margin": margin,
    "entropy": entropy,
    "least_confidence": least_confidence,
    "random": random,
}


def utilities(strategy: Strategy, arrivals: Sequence[Arrival], seed: int) -> list[float]:
    """The utility of each arrival, in order.

    >>> sure, torn = Arrival("a", {"x": 0.9, "y": 0.1}), Arrival("b", {"x": 0.5, "y": 0.5})
    >>> [round(u, 3) for u in utilities(margin, [sure, torn, Arrival("c", {})], seed=0)]
    [0.2, 1.0, 1.0]
    """
    result = []
    for arrival in arrivals:
        if len(arrival.probabilities) < 2:
            result.append(1.0)
        else:
            value = strategy(list(arrival.probabilities.values()), arrival.id, seed)
            result.append(min(1.0, max(0.0, value)))  # rounding may step over an end by one bit
    return result
