"""Least confidence: how unlikely is the best guess?

    utility = (1 - p1) k / (k - 1),   p1 the highest probability, k the number of classes

Lewis, Gale: A Sequential Algorithm for Training Text Classifiers (SIGIR 1994), scaled to [0, 1].
"""

from __future__ import annotations

from stream_al.engine.strategies.base import Sight


def least_confidence(sight: Sight) -> float:
    """The chance that the best guess is wrong, as a share of the highest possible."""
    classes = len(sight.probabilities)
    return (1.0 - max(sight.probabilities.values())) * classes / (classes - 1)
