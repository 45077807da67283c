"""Randomised trees, grown anew in turn from the examples of a window.

A tree is grown at once. Each of its nodes draws `breadth` sqrt(d) columns that are not constant in it, and of
each `cuts` thresholds; the best split by Gini's measure is taken, until a node has one class alone or lies
`MAX_DEPTH` deep. A single threshold lies anywhere between smallest and largest value: extremely randomised
trees, which differ most. Several are values of examples of the node: they come near the best split, as in a
random forest, and so find a class that several columns define together.

    Geurts, Ernst, Wehenkel: Extremely randomized trees. Machine Learning 63, 2006.
    Breiman: Random forests. Machine Learning 45, 2001.

*Rare classes.* The window grants each of K classes window / 2K places. A full window drops the oldest example
of those classes that have more. So it holds the last examples of the stream, and of a class of 3% hundreds,
where the last 1,500 examples have 45. Its counts are then not in the proportions of the stream. Of class k
all examples since the last one that was dropped are held, so a leaf says after t examples

    p(k)  ~  (n_k + 0.1) / (t - d_k)        d_k: the number of the last example dropped of class k

A new tree replaces the oldest one every `every` examples, and more often while there are few: after each
of the first fifty, every second of the next, and so on. So the forest follows a stream that changes without
having to notice. In between, the leaves go on counting. Splits depend on the order of a column's values
alone, so scales do not matter. The nodes of one depth are split together, in some NumPy calls.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stream_al.engine.learners.base import RowClassifier
from stream_al.engine.learners.descent import leaf_of_one, leaves_of
from stream_al.engine.learners.encoder.rows import Floats, Ints, Rows
from stream_al.engine.learners.encoder.scales import grown
from stream_al.engine.learners.splits import best_splits
from stream_al.engine.randomness import Draws

__all__ = ["ExtraTrees"]

PRIOR = 0.1
FIRST = 30  # examples up to which all trees are grown anew when their number has grown by a quarter
MAX_DEPTH = 24  # sparse records would make trees that split off one example after the other
MOST_CUTS = 64
MAX_COUNTS = 10_000_000  # of all leaves and classes; with more classes trees have fewer nodes
GRANTED = 0.5  # of an equal part of the window
MOST_PLACES = 40_000  # examples in the windows of all trees together


class ExtraTrees(RowClassifier):
    """Randomised trees that are grown anew in turn.

    Args:
        n_trees: How many.
        window: From how many of the last examples a tree is grown.
        every: After how many examples the next tree is grown.
        breadth: How many columns a node draws, times the root of their number.
        cuts: How many thresholds a node draws of a column.
        seed: For the splits.

    Examples:
        >>> model = ExtraTrees(seed=1)
        >>> for x, y in [(1.0, "low"), (2.0, "low"), (8.0, "high"), (9.0, "high")] * 3:
        ...     model.learn_one({"x": x}, y)
        >>> model.predict_one({"x": 2.5})
        'low'
    """

    def __init__(
        self,
        n_trees: int = 10,
        window: int = 400,
        every: int = 8,
        breadth: float = 2.0,
        cuts: int = 1,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if not (n_trees > 0 and window > 0 and n_trees * window <= MOST_PLACES):
            raise ValueError(
                f"n_trees is {n_trees} and window {window}; their product is from 1 to {MOST_PLACES}"
            )
        if not (breadth > 0.0 and 1 <= cuts <= MOST_CUTS):
            raise ValueError(f"breadth is {breadth}, above 0, and cuts {cuts}, from 1 to {MOST_CUTS}")
        self.n_trees = n_trees
        self.window = window
        self.every = every
        self.breadth = breadth
        self.cuts = cuts
        self.seed = seed
        self._learned = 0
        self._grown = 0
        self._next = 2  # the number of examples at which all trees are grown anew
        self._numbers = np.zeros((0, 0))
        self._labels = np.zeros(0, np.intp)
        self._ages = np.zeros(0, np.int64)  # of each place, the number of its example
        self._dropped = np.zeros(0, np.int64)  # of each class, the number of the last example dropped
        self._since = np.zeros((n_trees, 0), np.int64)  # the same of each tree, when it was grown
        self._plant(2 * window, 0)

    def _plant(self, size: int, classes: int) -> None:
        """Let each tree be a leaf that has counted nothing.

        Args:
            size: How many nodes a tree may have.
            classes: The number of classes.
        """
        self._size = size
        self._child = np.arange(size * self.n_trees)
        self._feature = np.zeros(size * self.n_trees, np.intp)
        self._threshold = np.full(size * self.n_trees, np.inf)
        self._counts = np.zeros((size * self.n_trees, classes), np.float32)

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
            probabilities[:, :known] *= self._rates()[:, :known]
            probabilities /= probabilities.sum(axis=1, keepdims=True)
            # Summed one after the other, as below.
            return [np.add.accumulate(probabilities, axis=0)[-1:] / self.n_trees]
        leaves = leaves_of(rows.numbers, self._roots, self._child, self._feature, self._threshold)
        total = np.zeros((len(rows), classes))
        for tree, rates in zip(leaves, self._rates(), strict=True):
            probabilities = np.full((len(rows), classes), PRIOR)
            probabilities[:, :known] += self._counts[tree, :known]
            probabilities[:, :known] *= rates[:known]
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
            self._dropped, self._since = grown(self._dropped, classes), grown(self._since, classes, axis=1)
            most = MAX_COUNTS // (self.n_trees * 2 ** (classes - 1).bit_length())
            if most < self._size:
                self._plant(max(1, most), classes)
                self._since[:] = self._learned
            else:
                self._counts = grown(self._counts, classes, axis=1)
        place = self._learned
        if place >= self.window:
            place = self._oldest(label)
            self._dropped[self._labels[place]] = self._ages[place]
        elif place >= len(self._numbers):
            size = min(self.window, max(32, 2 * len(self._numbers)))
            self._numbers, self._labels = grown(self._numbers, size), grown(self._labels, size)
            self._ages = grown(self._ages, size)
        self._learned += 1
        self._numbers[place] = row.numbers[0]
        self._labels[place] = label
        self._ages[place] = self._learned

    def _oldest(self, label: int) -> int:
        """The place of the oldest example among the classes that have more than they are granted.

        Args:
            label: The class of the example that comes.
        """
        classes = len(self._dropped)
        held = np.bincount(self._labels, minlength=classes)
        held[label] += 1
        has_more = held * classes > GRANTED * self.window
        return int(np.where(has_more[self._labels], self._ages, self._learned + 1).argmin())

    def _rates(self) -> Floats:
        """How often a class came, for each example counted of it: a row a tree, the largest rate 1."""
        examples = 1.0 + self._learned - self._since
        rates: Floats = examples.min(axis=1, keepdims=True) / examples
        return rates

    def _grow(self, trees: Ints) -> None:
        """Grow these trees anew."""
        kept = min(self._learned, self.window)
        x, y = self._numbers[:kept], self._labels[:kept]
        classes = self._counts.shape[1]
        draws = Draws(self.seed, "extra trees", self._learned)
        self._grown += len(trees)
        self._since[trees] = self._dropped
        span = (self._size * trees[:, None] + np.arange(self._size)).ravel()
        self._child[span] = span
        self._feature[span] = 0
        self._threshold[span] = np.inf
        self._counts[span] = 0.0
        places = self._size * trees  # of the nodes of this depth
        free = places + 1  # of each tree, its next place
        of = np.arange(len(trees))  # the tree of each node
        # By class in each node, as `best_splits` needs them.
        rows = np.tile(np.argsort(y, kind="stable"), len(trees))
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
            feature, threshold, splits = best_splits(
                x[rows], y[rows], node, counts, draws, self.breadth, self.cuts
            )
            # Of each tree the new nodes take the next places, in pairs, as long as there are any.
            of = of[splits]
            number = np.bincount(of, minlength=len(trees))
            children = free[of] + 2 * (np.arange(len(of)) - (np.cumsum(number) - number)[of])
            fits = children + 1 < self._size * (trees[of] + 1)
            splits[splits] = fits
            if not splits.any():
                return
            at, of, children = places[splits], of[fits], children[fits]
            free += 2 * np.bincount(of, minlength=len(trees))
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
