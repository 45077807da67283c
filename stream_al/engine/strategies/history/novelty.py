"""Novelty: how different is the sample from the pending queries?

    utility = d^2 / (d^2 + 1)

d is the distance to the nearest of the partition's pending queries, in standard deviations of a feature,
between sketches. While no query is pending, all samples have the same utility. A model does not know the
labels that are pending, and stays uncertain near them. So without this factor, the later the labels come, the
more queries repeat each other.

Pending queries are counted over all partitions. A partition takes its share of that number, as the number of
its latest queries that are pending.
"""

from __future__ import annotations

import numpy as np

from stream_al.engine.model.sketch import COMPONENTS, STEP, Points, points, squared_distances
from stream_al.engine.samples.table import Floats
from stream_al.engine.strategies.history.history import HistoryCursor


def novelty(sketches: Points, history: HistoryCursor, pending: int) -> Floats:
    """How far the nearest pending query is.

    >>> here, there = bytes(16), bytes([32] * 16)
    >>> from stream_al.engine.strategies.history.history import History
    >>> cursor, both = History(queries=here).cursor(), points(here + there)
    >>> novelty(both, cursor, pending=0).tolist(), novelty(both, cursor, pending=1).tolist()
    ([1.0, 1.0], [0.0, 0.5])
    """
    queries = history.last_queries(pending)
    if not queries:
        return np.ones(len(sketches))
    nearest = squared_distances(sketches, points(queries)).min(axis=1) / (COMPONENTS * STEP * STEP)
    utilities: Floats = nearest / (nearest + 1.0)
    return utilities
