"""Entropy: how much is left to know?

    utility = -sum p log p / log k,   k the number of classes

Shannon's entropy (A Mathematical Theory of Communication, 1948), divided by its largest value so
that it lies in [0, 1] however many classes have been seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log


def entropy(probabilities: Sequence[float], sample_id: str, seed: int) -> float:
    """The entropy of the class probabilities as a share of the highest possible.

    >>> entropy([0.25, 0.25, 0.25, 0.25], "a", 0)
    1.0
    """
    return -sum(p * log(p) for p in probabilities if p > 0.0) / log(len(probabilities))
