"""Margin: how close is the runner-up?

    utility = 1 - (p1 - p2),   p1 and p2 the two highest class probabilities

Scheffer, Decomain, Wrobel: Active Hidden Markov Models for Information Extraction (IDA 2001).
"""

from __future__ import annotations

from collections.abc import Sequence


def margin(probabilities: Sequence[float], sample_id: str, seed: int) -> float:
    """One minus the distance between the two highest probabilities.

    >>> margin([0.5, 0.3, 0.2], "a", 0)
    0.8
    """
    best = second = 0.0
    for p in probabilities:
        if p > best:
            best, second = p, best
        elif p > second:
            second = p
    return 1.0 - (best - second)
