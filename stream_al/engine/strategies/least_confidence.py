"""Least confidence: how likely is the most probable class to be wrong?

    utility = (1 - p1) k / (k - 1),   p1 the highest probability, k the number of classes

Lewis, Gale: A Sequential Algorithm for Training Text Classifiers (SIGIR 1994), scaled to [0, 1].
"""

from __future__ import annotations

from stream_al.engine.samples.table import Floats
from stream_al.engine.strategies.base import Candidates


def least_confidence(candidates: Candidates) -> Floats:
    """The probability that the most probable class is wrong, as a share of the highest possible."""
    classes = len(candidates.labels)
    utilities: Floats = (1.0 - candidates.probabilities.max(axis=1)) * (classes / (classes - 1))
    return utilities
