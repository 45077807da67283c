"""Margin: how close is the runner-up?

    utility = 1 - (p1 - p2),   p1 and p2 the two highest class probabilities

Scheffer, Decomain, Wrobel: Active Hidden Markov Models for Information Extraction (IDA 2001).
"""

from __future__ import annotations

from stream_al.engine.strategies.base import Sight


def margin(sight: Sight) -> float:
    """One minus the distance between the two highest probabilities."""
    best = second = 0.0
    for p in sight.probabilities.values():
        if p > best:
            best, second = p, best
        elif p > second:
            second = p
    return 1.0 - (best - second)
