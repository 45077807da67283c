"""Least confidence: how unlikely is the best guess?

    utility = (1 - p1) k / (k - 1),   p1 the highest probability, k the number of classes

Lewis, Gale: A Sequential Algorithm for Training Text Classifiers (SIGIR 1994), scaled to [0, 1].
"""

from __future__ import annotations

from stream_al.engine.samples.table import Floats
from stream_al.engine.strategies.base import Candidates


def least_confidence(candidates: Candidates) -> Floats:
    """The chance that the best guess is wrong, as a share of the highest possible."""
    classes = len(candidates.labels)
    found: Floats = (1.0 - candidates.probabilities.max(axis=1)) * (classes / (classes - 1))
    return found
