"""Novelty: how unlike what was asked about and has not been answered is it?

    utility = d^2 / (d^2 + 1)

d is the distance to the nearest of the partition's queries that are pending, in standard deviations of a
feature, between sketches. While nothing is pending every sample is as new as any other. A label that is on
its way is worth nothing twice, yet the model knows nothing of it and goes on doubting there: the later the
labels come, the more queries are alike without this.

What is pending is counted over all partitions; this one has its part of them, which are its latest.
"""

from __future__ import annotations

import numpy as np

from stream_al.engine.model.sketch import COMPONENTS, STEP, Points, points, squared_distances
from stream_al.engine.samples.table import Floats
from stream_al.engine.strategies.history import HistoryCursor


def novelty(sketches: Points, history: HistoryCursor, pending: int) -> Floats:
    """How far the nearest pending query is.

    >>> here, there = bytes(16), bytes([32] * 16)
    >>> from stream_al.engine.strategies.history import History
    >>> cursor, both = History(queries=here).cursor(), points(here + there)
    >>> novelty(both, cursor, pending=0).tolist(), novelty(both, cursor, pending=1).tolist()
    ([1.0, 1.0], [0.0, 0.5])
    """
    waiting = history.last_queries(pending)
    if not waiting:
        return np.ones(len(sketches))
    nearest = squared_distances(sketches, points(waiting)).min(axis=1) / (COMPONENTS * STEP * STEP)
    found: Floats = nearest / (nearest + 1.0)
    return found
