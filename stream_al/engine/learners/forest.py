"""The aggregated Mondrian forest, over a window of the examples.

Trees are `trees`; here is when they are grown, and on which scale. What a split falls on depends on the scale
of the columns, so a forest may hold trees on several:

    deviation   each column by its deviation
    units       the columns as the stream has them, all by one number

A tree keeps the scale that it began with. At the start that is a guess, so all trees are grown anew, from all
examples so far, after 5, 15 and 40 examples. Later they are grown anew in turn, one every `pace` examples,
each on the scale of that time; a new tree does not vote until it has learned `pace` examples. So the forest
remembers the last `n_trees * pace` examples at most, it cannot grow without bound, and it follows a stream
that changes.
"""

from __future__ import annotations

import numpy as np

from stream_al.engine.learners.base import RowClassifier
from stream_al.engine.learners.encoder.rows import Floats, Ints, Rows
from stream_al.engine.learners.trees import Trees

__all__ = ["MondrianForest"]

BEGINNINGS = (5, 15, 40)
SETTLED = 20  # values of a column after which its deviation can be relied on
SCALES = ("deviation", "units")


class MondrianForest(RowClassifier):
    """An aggregated Mondrian forest that follows the stream.

    Args:
        n_trees: How many trees a scale.
        scales: `deviation`, `units`, or both, each with a prediction of its own.
        pace: After how many examples a tree is grown anew.
        seed: For the splits.

    Examples:
        >>> model = MondrianForest(seed=1)
        >>> for x, y in [(1.0, "low"), (2.0, "low"), (8.0, "high"), (9.0, "high")] * 3:
        ...     model.learn_one({"x": x}, y)
        >>> model.predict_one({"x": 2.5})
        'low'
    """

    def __init__(
        self, n_trees: int = 10, scales: tuple[str, ...] = ("deviation",), pace: int = 250, seed: int = 0
    ) -> None:
        super().__init__()
        if not scales or not set(scales) <= set(SCALES):
            raise ValueError(f"scales are {scales}; there are {', '.join(SCALES)}")
        self.n_trees = n_trees
        self.scales = scales
        self.pace = pace
        self.seed = seed
        self._trees = Trees(n_trees * len(scales), seed)
        self._learned = 0
        self._beginning: list[tuple[Floats, int]] = []

    def learn_row(self, row: Rows, label: int, classes: int) -> None:
        """Learn one example."""
        if not row.numbers.shape[1]:
            return  # there are only texts so far
        self._learned += 1
        trees = self._trees
        trees.widen(row.numbers.shape[1], classes)
        x = row.numbers[0]
        if self._learned <= BEGINNINGS[-1]:
            self._beginning.append((x, label))
        if self._learned in BEGINNINGS:
            self._begin_anew(row)
            return
        if self._learned > 2 * self.pace and self._learned % self.pace == 0:
            turn = self._learned // self.pace % self.n_trees
            again = turn + self.n_trees * np.arange(len(self.scales))
            trees.clear(again)
            self._set_scales(row, again)
        self._see_new_columns(row)
        trees.learn(x, label)

    def scores(self, rows: Rows, classes: int) -> list[Floats]:
        """The probabilities of the samples, a prediction a scale."""
        if self._learned < BEGINNINGS[0]:
            return []
        trees = self._trees
        old = trees.age >= min(self.pace, int(trees.age.max()))
        x = rows.numbers[:, : trees.width]
        voters = np.flatnonzero(old)
        leaves = trees.leaves(x, voters)
        met = np.zeros(int(leaves.max(initial=0)) + 1, np.bool_)
        met[leaves] = True
        number_of = np.cumsum(met) - 1
        predicted = np.zeros((int(met.sum()), classes))
        predicted[:, : trees.classes] = trees.probabilities(np.flatnonzero(met))
        predictions = []
        for group in range(len(self.scales)):
            members = np.flatnonzero(voters // self.n_trees == group)
            total = np.zeros((len(rows), classes))
            for member in members:
                total += predicted[number_of[leaves[member]]]
            predictions.append(total / len(members))
        return predictions

    def _begin_anew(self, row: Rows) -> None:
        every = np.arange(self._trees.number)
        self._trees.clear(every)
        self._set_scales(row, every)
        width = row.numbers.shape[1]
        for x, label in self._beginning:
            filled = row.scale.fill.copy()
            filled[: len(x)] = x
            self._trees.learn(filled[:width], label)
        if self._learned == BEGINNINGS[-1]:
            self._beginning = []

    def _set_scales(self, row: Rows, trees: Ints) -> None:
        """Give trees the scale of now."""
        rates = self._rates(row)
        self._trees.center[trees] = row.scale.fill
        self._trees.rate[trees] = rates[trees // self.n_trees]

    def _rates(self, row: Rows) -> Floats:
        """The rate of each column, a row a scale."""
        known = row.scale.rate > 0.0
        least = float(row.scale.rate[known].min(initial=np.inf))
        units = np.where(known, least, 0.0) if np.isfinite(least) else np.zeros_like(row.scale.rate)
        # In units of deviations, not of steps.
        every = {"deviation": row.scale.rate / 1024.0, "units": units / 1024.0}
        return np.array([every[scale] for scale in self.scales])

    def _see_new_columns(self, row: Rows) -> None:
        """Let all trees see the columns that came after them, once these have a scale."""
        settled = (row.scale.rate > 0.0) & ((row.scale.value_counts >= SETTLED) | ~row.scale.is_number)
        unseen = settled & (self._trees.rate <= 0.0)
        if unseen.any():
            rates = self._rates(row)[np.arange(self._trees.number) // self.n_trees]
            self._trees.rate[unseen] = rates[unseen]
            self._trees.center[unseen] = np.broadcast_to(row.scale.fill, unseen.shape)[unseen]
