"""Entropy: how uncertain is the model over all classes?

    utility = -sum p log p / log k,   k the number of classes

Shannon's entropy (A Mathematical Theory of Communication, 1948), divided by its largest value, so that it
lies in [0, 1] for any number of classes.
"""

from __future__ import annotations

from collections.abc import Collection
from math import log

from stream_al.engine.strategies.base import Candidate


def entropy(candidate: Candidate) -> float:
    """The entropy of the class probabilities as a share of the highest possible."""
    return uncertainty(candidate.probabilities.values())


def uncertainty(probabilities: Collection[float]) -> float:
    """The entropy of two probabilities or more as a share of the highest possible.

    >>> uncertainty([0.25, 0.25, 0.25, 0.25])
    1.0
    """
    return sum(-p * log(p) for p in probabilities if p > 0.0) / log(len(probabilities))
