"""Probabilistic gain: how much would one label, or two, improve the decisions near the sample?

    k(y)    = sum over the last examples of class y of exp(-d^2 / (2 h^2)),   alpha(y) = k(y) + 1/1000
    gain(m) = (E[accuracy after m labels] - accuracy now) / m,   utility = max(gain(1), gain(2))

k counts the labels near the sample, weighted by their nearness. The true class probabilities there are then
Dirichlet(alpha), and the next m labels Dirichlet-multinomial. The accuracy of the best decision is the
largest of (alpha + labels) / sum, before and after, so the expectations are sums over one label and over
pairs. A sample gains much where few labels are near, or where the labels near it contradict each other.

Kottke, Krempl, Lang, Teschner, Spiliopoulou: Multi-class Probabilistic Active Learning (ECAI 2016), with
its prior and its two labels. The paper weights the gain by the density, as in `probabilistic_gain *
density`. d is the distance between sketches, and h their bandwidth by the mean criterion of Chaudhuri et al.:
The Mean and Median Criteria for Kernel Bandwidth Selection for Support Vector Data Description (ICDM
Workshops 2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log

import numpy as np
from numpy.typing import NDArray

from stream_al.engine.model.sketch import points, spread, squared_distances
from stream_al.engine.strategies.base import Candidate

PRIOR = 1e-3
DELTA = 2.0**0.5 * 1e-6  # of the mean criterion, as its authors set it
CLASSES = 20  # those with the most labels near; pairs are expensive, and the other classes hardly occur


def probabilistic_gain(candidate: Candidate) -> float:
    """The expected gain per label, from the recent examples near the sample."""
    reference = candidate.model.reference_set
    counts = dict.fromkeys(candidate.probabilities, 0.0)
    if reference is not None and reference.recent:
        those = reference.points()
        distances = squared_distances(points(reference.sketch(candidate.features)), those)[0]
        width = bandwidth(len(those), spread(those))
        near = np.exp(distances / (-2.0 * width)) if width > 0.0 else distances == 0
        for (_, label), share in zip(reference.recent, near.tolist(), strict=True):
            counts[label] = counts.get(label, 0.0) + share
    return gain(sorted(counts.values(), reverse=True)[:CLASSES])


def bandwidth(number: int, spread: float) -> float:
    """h^2 by the mean criterion, from the mean squared distance between two of a number of points.

    The criterion uses twice the sum of the variances, which is the mean squared distance.
    """
    return number * spread / ((number - 1) * log((number - 1) / DELTA**2)) if number > 1 else 0.0


def gain(counts: Sequence[float]) -> float:
    """The expected gain in accuracy per label, from the count of each class near the sample.

    >>> gain([5.0, 0.0]) < gain([1.0, 1.0]) < gain([0.0, 0.0])
    True
    """
    alpha: NDArray[np.float64] = np.asarray(counts, dtype=np.float64) + PRIOR
    total, best = float(alpha.sum()), alpha.max()
    now = float(best / total)
    chances = alpha / total
    one = float(chances @ np.maximum(best, alpha + 1.0)) / (total + 1.0)
    # The second label of a pair depends on the first: the class of the first has one count more.
    same = np.eye(len(alpha))
    pairs = chances[:, None] * (alpha + same) / (total + 1.0)
    reached = np.maximum(best, np.maximum(alpha[:, None], alpha[None, :]) + 1.0 + same)
    two = float((pairs * reached).sum()) / (total + 2.0)
    return max(one - now, (two - now) / 2.0)
