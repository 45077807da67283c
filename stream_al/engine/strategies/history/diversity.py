"""Diversity: how different is the sample from the recent queries?

    utility = 1 - exp(-2 (d / t)^2)

d is the distance to the nearest of the partition's recent queries, and t a typical distance between its
recent samples (root mean square), both between sketches. A sample that repeats a query has a utility of 0,
one at half a typical distance 0.39, and one at a typical distance 0.86. So near-duplicates are held back
without a threshold, and without a scale of the features.

The distance to what is labelled is a criterion of Brinker: Incorporating Diversity in Active Learning with
Support Vector Machines (ICML 2003), and the distance to the nearest one of Sener, Savarese: Active Learning
for Convolutional Neural Networks: A Core-Set Approach (ICLR 2018). Queries count with a label or without,
since a pending label need not be bought twice.
"""

from __future__ import annotations

import numpy as np

from stream_al.engine.model.sketch import Points, points, spread, squared_distances
from stream_al.engine.samples.table import Floats
from stream_al.engine.strategies.history.history import HistoryCursor


def diversity(sketches: Points, history: HistoryCursor, pending: int = 0) -> Floats:
    """How far the nearest recent query is, relative to the distance between two samples.

    >>> near, far = bytes(16), bytes([100] * 16)
    >>> from stream_al.engine.strategies.history.history import History
    >>> cursor = History(samples=near + far, queries=near).cursor()
    >>> [round(float(value), 2) for value in diversity(points(near + far), cursor)]
    [0.0, 0.86]
    """
    if not history.queries:
        return np.ones(len(sketches))
    nearest = squared_distances(sketches, points(history.queries)).min(axis=1)
    typical = spread(points(history.samples))
    if typical == 0.0:
        return np.where(nearest > 0, 1.0, 0.0)
    utilities: Floats = 1.0 - np.exp(-2.0 * nearest / typical)
    return utilities
