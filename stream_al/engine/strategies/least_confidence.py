"""Least confidence: how unlikely is the best guess?

    utility = (1 - p1) k / (k - 1),   p1 the highest probability, k the number of classes

Lewis, Gale: A Sequential Algorithm for Training Text Classifiers (SIGIR 1994), scaled to [0, 1].
"""

from __future__ import annotations

from collections.abc import Sequence


def least_confidence(probabilities: Sequence[float], sample_id: str, seed: int) -> float:
    """The chance that the best guess is wrong, as a share of the highest possible.

    >>> least_confidence([0.75, 0.25], "a", 0)
    0.5
    """
    classes = len(probabilities)
    return (1.0 - max(probabilities)) * classes / (classes - 1)
