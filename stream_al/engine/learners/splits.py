"""Splits: the best of some random ones, of many nodes of trees at once.

Of each node some columns that are not constant in it are drawn, and of each column some thresholds. One
threshold is uniform between smallest and largest value. Several are the values of examples of the node, so
that a skewed column is cut where its examples are. The best is that with the purest halves, by Gini's
measure.

Where there are many columns, all nodes consider the same random share of them, so that wide records do not
cost in proportion.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from stream_al.engine.learners.encoder.rows import Floats, Ints
from stream_al.engine.randomness import Draws

__all__ = ["best_splits"]

ALL_COLUMNS = 32  # as many columns are all looked at
MAX_SPLITS = 256  # of a node
MAX_CELLS = 2_000_000  # counts of nodes, draws and classes; beyond it, fewer draws


def best_splits(x: Floats, y: Ints, node: Ints, counts: Any, draws: Draws, breadth: float, cuts: int) -> Any:
    """The best of some random splits of each node: column, threshold, and whether there is one.

    Args:
        x: The examples, a row each, in the order of their nodes, and of their classes within a node.
        y: Their classes.
        node: Their nodes, rising.
        counts: Of each node the examples of each class.
        draws: Of the splits.
        breadth: How many columns are drawn, times the root of their number.
        cuts: How many thresholds are drawn of a column.
    """
    nodes, classes = counts.shape
    width = x.shape[1]
    most = min(MAX_SPLITS, MAX_CELLS // (nodes * classes)) // cuts
    tried = max(1, min(int(np.ceil(breadth * np.sqrt(width))), most))
    columns = np.arange(width)
    if width > ALL_COLUMNS:
        columns = np.sort(draws.permutation(width)[: max(ALL_COLUMNS, 2 * tried)])
        x = x[:, columns]
    sizes = counts.sum(axis=1)
    begins = np.cumsum(sizes) - sizes
    low, high = np.minimum.reduceat(x, begins, axis=0), np.maximum.reduceat(x, begins, axis=0)
    if tried < len(columns):
        drawn = draws.uniform(nodes, len(columns) + tried * cuts)
        key, place = drawn[:, tried * cuts :], drawn[:, : tried * cuts]
        key[high <= low] = 2.0
        chosen = np.argpartition(key, tried - 1, axis=1)[:, :tried]
        here = np.arange(nodes)[:, None]
        low, high = low[here, chosen], high[here, chosen]
    else:
        tried = len(columns)
        chosen = np.broadcast_to(np.arange(tried), low.shape)
        place = draws.uniform(nodes, tried * cuts)
    place = place.reshape(nodes, tried, cuts)
    low, high = low[:, :, None], high[:, :, None]
    if cuts == 1:
        thresholds = low + place * (high - low)
    else:
        drawn_rows = begins[:, None, None] + (place * sizes[:, None, None]).astype(np.intp)
        thresholds = x[drawn_rows, chosen[:, :, None]]
    thresholds = np.where(thresholds < high, thresholds, low)
    left = x[np.arange(len(x))[:, None], chosen[node]][:, :, None] <= thresholds[node]
    # Examples of a node and a class lie side by side, so they are summed up there.
    cell = node * classes + y
    begin = np.ones(len(cell), np.bool_)
    np.not_equal(cell[1:], cell[:-1], out=begin[1:])
    first = np.flatnonzero(begin)
    lefts = np.zeros((nodes * classes, tried * cuts), np.intp)
    lefts[cell[first]] = np.add.reduceat(
        left.reshape(len(x), -1).view(np.uint8), first, axis=0, dtype=np.intp
    )
    lefts = lefts.reshape(nodes, classes, tried * cuts)
    rights = counts[:, :, None] - lefts
    size = lefts.sum(axis=1)
    other = sizes[:, None] - size
    gain = (lefts * lefts).sum(axis=1) / np.maximum(size, 1)
    gain += (rights * rights).sum(axis=1) / np.maximum(other, 1)
    gain[np.repeat((high <= low)[:, :, 0], cuts, axis=1)] = -1.0
    best = gain.argmax(axis=1)
    flat = np.arange(nodes)
    threshold = thresholds.reshape(nodes, tried * cuts)[flat, best]
    return columns[chosen[flat, best // cuts]], threshold, gain[flat, best] >= 0.0
