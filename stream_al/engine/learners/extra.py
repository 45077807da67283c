"""Extremely randomised trees, grown anew in turn from the last examples.

A tree is grown at once, from the last `window` examples. Each of its nodes draws 2 sqrt(d) columns that are
not constant in it, and of each a threshold between smallest and largest value; the best by Gini's measure is
taken, until a node has one class alone or lies `MAX_DEPTH` deep. At a leaf p(k) = (n_k + 0.1) / (n + 0.1 K).

    Geurts, Ernst, Wehenkel: Extremely randomized trees. Machine Learning 63, 2006.

A new tree replaces the oldest one every `every` examples, and more often while there are few: after each
of the first fifty, every second of the next, and so on. So the forest follows a stream that changes without
having to notice. In between, the leaves go on counting. Splits depend on the order of a column's values
alone, so scales do not matter. The nodes of one depth are split together, in some NumPy calls.

Where there are many columns, a depth considers a random share of them, so that wide records do not cost in
proportion.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from stream_al.engine.learners.base import RowClassifier
from stream_al.engine.learners.descent import leaf_of_one, leaves_of
from stream_al.engine.learners.encoder.rows import Floats, Ints, Rows
from stream_al.engine.learners.encoder.scales import grown
from stream_al.engine.randomness import Draws

__all__ = ["ExtraTrees"]

PRIOR = 0.1
FIRST = 30  # examples up to which all trees are grown anew when their number has grown by a quarter
ALL_COLUMNS = 32  # as many columns are all looked at
MAX_DEPTH = 24  # sparse records would make trees that split off one example after the other
MAX_CELLS = 2_000_000  # counts of nodes, draws and classes; beyond it, fewer draws
MOST_PLACES = 40_000  # examples in the windows of all trees together


class ExtraTrees(RowClassifier):
    """Extremely randomised trees that are grown anew in turn.

    Args:
        n_trees: How many.
        window: From how many of the last examples a tree is grown.
        every: After how many examples the next tree is grown.
        seed: For the splits.

    Examples:
        >>> model = ExtraTrees(seed=1)
        >>> for x, y in [(1.0, "low"), (2.0, "low"), (8.0, "high"), (9.0, "high")] * 3:
        ...     model.learn_one({"x": x}, y)
        >>> model.predict_one({"x": 2.5})
        'low'
    """

    def __init__(self, n_trees: int = 10, window: int = 400, every: int = 8, seed: int = 0) -> None:
        super().__init__()
        if not (n_trees > 0 and window > 0 and n_trees * window <= MOST_PLACES):
            raise ValueError(
                f"n_trees is {n_trees} and window {window}; their product is from 1 to {MOST_PLACES}"
            )
        self.n_trees = n_trees
        self.window = window
        self.every = every
        self.seed = seed
        self._learned = 0
        self._grown = 0
        self._next = 2  # the number of examples at which all trees are grown anew
        self._numbers = np.zeros((0, 0))
        self._labels = np.zeros(0, np.intp)
        self._size = 2 * window  # places of a tree
        self._child = np.arange(self._size * n_trees)
        self._feature = np.zeros(self._size * n_trees, np.intp)
        self._threshold = np.full(self._size * n_trees, np.inf)
        self._counts = np.zeros((self._size * n_trees, 0), np.float32)

    @property
    def _roots(self) -> Ints:
        return self._size * np.arange(self.n_trees)

    def learn_row(self, row: Rows, label: int, classes: int) -> None:
        """Learn one example."""
        if not row.numbers.shape[1]:
            return  # there are only texts so far
        self._keep(row, label, classes)
        if self._learned == self._next:
            self._next = self._later(self._next)
            self._grow(np.arange(self.n_trees))
            return
        self._counts[self._leaves_of_one(row), label] += 1.0
        if self._learned > FIRST and self._learned % min(self.every, 1 + self._learned // 50) == 0:
            self._grow(np.asarray([self._grown % self.n_trees]))

    def learn_rows(self, rows: Sequence[tuple[Rows, int]], classes: int) -> None:
        """Learn several examples, and grow all trees after the last."""
        for row, label in rows:
            if row.numbers.shape[1]:
                self._keep(row, label, classes)
        while self._next <= self._learned:
            self._next = self._later(self._next)
        if self._learned:
            self._grow(np.arange(self.n_trees))

    @staticmethod
    def _later(number: int) -> int:
        return number + max(1, number // 4) if number < FIRST else 2**62

    def scores(self, rows: Rows, classes: int) -> list[Floats]:
        """The probabilities of the samples."""
        if not self._grown:
            return []
        known = min(classes, self._counts.shape[1])
        if len(rows) == 1:
            probabilities = np.full((self.n_trees, classes), PRIOR)
            probabilities[:, :known] += self._counts[self._leaves_of_one(rows), :known]
            probabilities /= probabilities.sum(axis=1, keepdims=True)
            # Summed one after the other, as below.
            return [np.add.accumulate(probabilities, axis=0)[-1:] / self.n_trees]
        leaves = leaves_of(rows.numbers, self._roots, self._child, self._feature, self._threshold)
        total = np.zeros((len(rows), classes))
        for tree in leaves:
            probabilities = np.full((len(rows), classes), PRIOR)
            probabilities[:, :known] += self._counts[tree, :known]
            total += probabilities / probabilities.sum(axis=1, keepdims=True)
        return [total / self.n_trees]

    def _leaves_of_one(self, row: Rows) -> Ints:
        return leaf_of_one(row.numbers[0], self._roots, self._child, self._feature, self._threshold)

    def _keep(self, row: Rows, label: int, classes: int) -> None:
        width = row.numbers.shape[1]
        known = self._numbers.shape[1]
        if width > known:
            self._numbers = grown(self._numbers, width, axis=1)
            self._numbers[:, known:] = row.scale.fill[known:]
        if classes > self._counts.shape[1]:
            self._counts = grown(self._counts, classes, axis=1)
        place = self._learned % self.window
        if place >= len(self._numbers):
            size = min(self.window, max(32, 2 * len(self._numbers)))
            self._numbers, self._labels = grown(self._numbers, size), grown(self._labels, size)
        self._numbers[place] = row.numbers[0]
        self._labels[place] = label
        self._learned += 1

    def _grow(self, trees: Ints) -> None:
        """Grow these trees anew."""
        kept = min(self._learned, self.window)
        x, y = self._numbers[:kept], self._labels[:kept]
        classes = self._counts.shape[1]
        draws = Draws(self.seed, "extra trees", self._learned)
        self._grown += len(trees)
        span = (self._size * trees[:, None] + np.arange(self._size)).ravel()
        self._child[span] = span
        self._feature[span] = 0
        self._threshold[span] = np.inf
        self._counts[span] = 0.0
        places = self._size * trees  # of the nodes of this depth
        free = places + 1  # of each tree, its next place
        of = np.arange(len(trees))  # the tree of each node
        rows = np.tile(np.arange(kept), len(trees))
        node = np.repeat(of, kept)  # of each row, among the nodes of this depth
        for depth in range(MAX_DEPTH + 1):
            count = len(places)
            counts = np.bincount(node * classes + y[rows], minlength=count * classes).reshape(count, classes)
            self._counts[places] = counts
            mixed = counts.max(axis=1) < counts.sum(axis=1)
            if not mixed.any() or depth == MAX_DEPTH:
                return
            keep = mixed[node]
            rows, node = rows[keep], (np.cumsum(mixed) - 1)[node[keep]]
            places, counts, of = places[mixed], counts[mixed], of[mixed]
            feature, threshold, splits = _best(x[rows], y[rows], node, counts, draws)
            if not splits.any():
                return
            at, of = places[splits], of[splits]
            # Of each tree the new nodes take the next places, in pairs.
            number = np.bincount(of, minlength=len(trees))
            before = np.cumsum(number) - number
            children = free[of] + 2 * (np.arange(len(at)) - before[of])
            free += 2 * number
            self._child[at], self._feature[at], self._threshold[at] = (
                children,
                feature[splits],
                threshold[splits],
            )
            if not splits.all():
                keep = splits[node]
                rows, node = rows[keep], (np.cumsum(splits) - 1)[node[keep]]
                feature, threshold = feature[splits], threshold[splits]
            right = x[rows, feature[node]] > threshold[node]
            node = 2 * node + right
            order = np.argsort(node, kind="stable")
            rows, node = rows[order], node[order]
            places = np.repeat(children, 2)
            places[1::2] += 1
            of = np.repeat(of, 2)


def _best(x: Floats, y: Ints, node: Ints, counts: Any, draws: Draws) -> Any:
    """The best of some random splits of each node: column, threshold, and whether there is one.

    Args:
        x: The examples, a row each.
        y: Their classes.
        node: Their nodes, rising.
        counts: Of each node the examples of each class.
        draws: Of the splits.
    """
    nodes, classes = counts.shape
    width = x.shape[1]
    tried = max(1, min(int(np.ceil(2.0 * np.sqrt(width))), MAX_CELLS // (nodes * classes)))
    columns = np.arange(width)
    if width > ALL_COLUMNS:
        columns = np.sort(draws.permutation(width)[: max(ALL_COLUMNS, 2 * tried)])
        x = x[:, columns]
    sizes = counts.sum(axis=1)
    begins = np.cumsum(sizes) - sizes
    low, high = np.minimum.reduceat(x, begins, axis=0), np.maximum.reduceat(x, begins, axis=0)
    if tried < len(columns):
        drawn = draws.uniform(nodes, len(columns) + tried)
        key, place = drawn[:, tried:], drawn[:, :tried]
        key[high <= low] = 2.0
        chosen = np.argpartition(key, tried - 1, axis=1)[:, :tried]
        here = np.arange(nodes)[:, None]
        low, high = low[here, chosen], high[here, chosen]
    else:
        tried = len(columns)
        chosen = np.broadcast_to(np.arange(tried), low.shape)
        place = draws.uniform(*low.shape)
    thresholds = low + place * (high - low)
    thresholds = np.where(thresholds < high, thresholds, low)
    left = x[np.arange(len(x))[:, None], chosen[node]] <= thresholds[node]
    cells = (node[:, None] * tried + np.arange(tried)) * classes + y[:, None]
    lefts = np.bincount(cells[left], minlength=nodes * tried * classes).reshape(nodes, tried, classes)
    rights = counts[:, None, :] - lefts
    size = lefts.sum(axis=2)
    other = sizes[:, None] - size
    gain = (lefts * lefts).sum(axis=2) / np.maximum(size, 1) + (rights * rights).sum(axis=2) / np.maximum(
        other, 1
    )
    gain[high <= low] = -1.0
    best = gain.argmax(axis=1)
    flat = np.arange(nodes)
    return columns[chosen[flat, best]], thresholds[flat, best], gain[flat, best] >= 0.0
