"""Diversity: how unlike what was asked about lately is it?

    utility = 1 - exp(-2 (d / t)^2)

d is the distance to the nearest of the partition's recent queries, t a typical distance between its
recent samples (root mean square), both between sketches. A sample that repeats a query has utility 0,
one half a typical distance away 0.39, one as far as any two samples are 0.86: the gate for
near-duplicates needs no threshold, and no scale of the features.

Distance to what is labelled already as a criterion: Brinker: Incorporating Diversity in Active Learning
with Support Vector Machines (ICML 2003); Sener, Savarese: Active Learning for Convolutional Neural
Networks: A Core-Set Approach (ICLR 2018), for the nearest one. Queries count whether answered or not: a
label that is on its way is worth nothing twice.
"""

from __future__ import annotations

import numpy as np

from stream_al.engine.model.sketch import Points, points, spread, squared_distances
from stream_al.engine.samples.table import Floats
from stream_al.engine.strategies.history import HistoryCursor


def diversity(sketches: Points, history: HistoryCursor, pending: int = 0) -> Floats:
    """How far the nearest recent query is, beside the distance between any two samples.

    >>> near, far = bytes(16), bytes([100] * 16)
    >>> from stream_al.engine.strategies.history import History
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
    found: Floats = 1.0 - np.exp(-2.0 * nearest / typical)
    return found
