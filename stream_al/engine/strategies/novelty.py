"""Novelty: how unlike what was asked about and has not been answered is it?

    utility = d^2 / (d^2 + 1)

d is the distance to the nearest of the partition's queries that are pending, in standard deviations of a
feature, between sketches. While nothing is pending every sample is as new as any other. A label that is on
its way is worth nothing twice, yet the model knows nothing of it and goes on doubting there: the later the
labels come, the more queries are alike without this.

What is pending is counted over all partitions; this one has its part of them, which are its latest.
"""

from __future__ import annotations

from stream_al.engine.memory import Recall
from stream_al.engine.sketch import STEP, Point, points, squared_distances


def novelty(sketch: Point, memory: Recall, pending: int) -> float:
    """How far the nearest pending query is.

    >>> here, there = bytes(16), bytes([32] * 16)
    >>> from stream_al.engine.memory import Memory
    >>> memory = Memory(queries=here).recall()
    >>> novelty(there, memory, pending=0), novelty(there, memory, pending=1), novelty(here, memory, pending=1)
    (1.0, 0.5, 0.0)
    """
    waiting = memory.last_queries(pending)
    if not waiting:
        return 1.0
    nearest = float(squared_distances(points(waiting), sketch).min()) / (len(sketch) * STEP * STEP)
    return nearest / (nearest + 1.0)
