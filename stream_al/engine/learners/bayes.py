"""Naive Bayes over numbers, categories and words.

    p(c | x)  ~  (n_c + a)  *  prod_j N(x_j; mean_cj, var_cj)  *  prod_t p(t | c)

A variance mixes the class's own with that of the column as if the class had `SHARED` more examples of the
column's variance, so that a class of three examples is not certain of everything. A token t of kind g (the
categories of a feature, the words of a text) is drawn from the tokens of its kind:

    p(t | c)  =  (n_ct + a) / (n_cg + a V_g)        V_g: how many tokens of the kind were seen

so tokens that a sample lacks do not count: most texts lack most words.

Old examples fade: every `EVERY` examples all counts are multiplied by `FADE`, once there are `MEMORY` of
them.
"""

from __future__ import annotations

import numpy as np

from stream_al.engine.learners.base import RowClassifier, softmax
from stream_al.engine.learners.encoder.rows import Bools, Floats, Ints, Rows
from stream_al.engine.learners.encoder.scales import grown

__all__ = ["NaiveBayes"]

SHARED = 1.0
PRIOR = 0.5
EVERY, FADE, MEMORY = 256, 0.9, 2048
LARGEST_TABLE = 2_000_000  # numbers: tokens times classes
SMALLEST = 1e-240  # a variance; the square of the largest distance, divided by it, is still finite


class NaiveBayes(RowClassifier):
    """Naive Bayes over numbers, categories and words.

    Examples:
        >>> model = NaiveBayes()
        >>> for x, y in [(1.0, "low"), (2.0, "low"), (8.0, "high"), (9.0, "high")]:
        ...     model.learn_one({"x": x}, y)
        >>> model.predict_one({"x": 2.5})
        'low'
    """

    def __init__(self) -> None:
        super().__init__()
        self._count = np.zeros(0)  # examples of each class
        self._value_counts = np.zeros((0, 0))  # class, column: values
        self._mean = np.zeros((0, 0))
        self._m2 = np.zeros((0, 0))
        self._all_mean = np.zeros(0)  # the same of all classes
        self._all_value_counts = np.zeros(0)
        self._all_m2 = np.zeros(0)
        self._tokens = np.zeros((0, 0))  # token, class: examples
        self._group = np.zeros(0, np.intp)  # of each token its kind
        self._kinds = np.zeros((0, 0))  # kind, class: tokens met
        self._sizes = np.zeros(0)  # of each kind, how many tokens were seen
        self._learned = 0

    def learn_row(self, row: Rows, label: int, classes: int) -> None:
        """Learn one example."""
        self._widen(row, classes)
        self._learned += 1
        self._count[label] += 1.0
        x = row.numbers[0]
        value_counts = row.scale.is_number if row.missing is None else row.scale.is_number & ~row.missing[0]
        _welford(self._all_value_counts, self._all_mean, self._all_m2, x, value_counts)
        _welford(self._value_counts[label], self._mean[label], self._m2[label], x, value_counts)
        tokens = row.tokens[row.tokens < len(self._tokens)]
        if len(tokens):
            groups = row.group[tokens]
            if groups.max() >= len(self._kinds):
                self._kinds = grown(self._kinds, int(groups.max()) + 1)
                self._sizes = grown(self._sizes, len(self._kinds))
            self._group[tokens] = groups
            np.add.at(self._sizes, groups[self._tokens[tokens].sum(axis=1) <= 0.0], 1.0)
            np.add.at(self._kinds[:, label], groups, 1.0)
            self._tokens[tokens, label] += 1.0
        if self._learned % EVERY == 0 and self._count.sum() > MEMORY:
            counts = [self._count, self._value_counts, self._m2, self._all_value_counts, self._all_m2]
            for array in [*counts, self._tokens, self._kinds]:
                np.multiply(array, FADE, out=array)

    def scores(self, rows: Rows, classes: int) -> list[Floats]:
        """The probabilities of the samples."""
        known = len(self._count)
        if not known:
            return []
        logs = np.full((len(rows), classes), -np.inf)
        logs[:, :known] = np.log((self._count + PRIOR) / (self._count.sum() + PRIOR * known))
        width = self._mean.shape[1]
        use = np.flatnonzero(rows.scale.is_number[:width] & (self._all_value_counts > 0.0))
        if len(use):
            self._score_numbers(rows, use, logs)
        size = len(self._tokens)
        if size and len(rows.tokens):
            counted = rows.tokens < size
            met, where = np.unique(rows.tokens[counted], return_inverse=True)
            counts, group = self._tokens[met], self._group[met]
            chance = np.log(
                (counts + PRIOR) / (self._kinds[group] + PRIOR * np.maximum(self._sizes[group], 1.0)[:, None])
            )
            # A token that no class has seen speaks for none.
            chance[counts.sum(axis=1) <= 0.0] = 0.0
            logs[:, :known] += rows.token_sums(chance[where], counted)
        return [softmax(logs)]

    def _score_numbers(self, rows: Rows, use: Ints, logs: Floats) -> None:
        common = self._all_m2[use] / self._all_value_counts[use]
        value_counts = self._value_counts[:, use]
        # A class that has not seen a column takes the column's own distribution for it.
        mean = np.where(value_counts > 0.0, self._mean[:, use], self._all_mean[use])
        variance = (self._m2[:, use] + SHARED * common) / (value_counts + SHARED)
        varies = variance > SMALLEST  # a column of one value tells no classes apart
        inverse = np.divide(0.5, variance, out=np.ones_like(variance), where=varies)
        rate = np.where(varies, np.sqrt(inverse), 0.0)
        offset = 0.5 * np.log(inverse)
        x = np.ascontiguousarray(rows.numbers[:, use])
        known = len(self._count)
        if len(rows) == 1 and rows.missing is None:  # the same sums, of all classes at once
            away = (x - mean) * rate
            logs[0, :known] += (offset - away * away).sum(axis=1)
            return
        missing = None if rows.missing is None else rows.missing[:, use]
        for label in range(known):
            away = (x - mean[label]) * rate[label]
            density = offset[label] - away * away
            if missing is not None:
                density[missing] = 0.0
            logs[:, label] += density.sum(axis=1)

    def forget(self, tokens: Ints) -> None:
        """Forget what is known of these tokens."""
        gone = tokens[tokens < len(self._tokens)]
        seen = gone[self._tokens[gone].sum(axis=1) > 0.0]
        np.subtract.at(self._kinds, self._group[seen], self._tokens[seen])
        np.maximum(self._kinds, 0.0, out=self._kinds)  # what is left of rounding
        np.subtract.at(self._sizes, self._group[seen], 1.0)
        self._tokens[gone] = 0.0

    def _widen(self, row: Rows, classes: int) -> None:
        known, width = self._mean.shape
        if classes > known:
            self._count = grown(self._count, classes)
            self._value_counts, self._mean, self._m2 = (
                grown(a, classes) for a in (self._value_counts, self._mean, self._m2)
            )
            self._tokens = grown(self._tokens, classes, axis=1)[: LARGEST_TABLE // classes]
            self._kinds = grown(self._kinds, classes, axis=1)
        wider = row.numbers.shape[1]
        if wider > width:
            self._value_counts, self._mean, self._m2 = (
                grown(a, wider, 1) for a in (self._value_counts, self._mean, self._m2)
            )
            self._all_value_counts, self._all_mean, self._all_m2 = (
                grown(a, wider) for a in (self._all_value_counts, self._all_mean, self._all_m2)
            )
        tokens = min(len(row.dense), LARGEST_TABLE // classes)
        if tokens > len(self._tokens):
            self._tokens = grown(self._tokens, tokens)
            self._group = grown(self._group, max(tokens, len(self._group)))


def _welford(value_counts: Floats, mean: Floats, m2: Floats, x: Floats, present: Bools) -> None:
    """Learn a value of each column that is present."""
    value_counts += present
    away = np.where(present, x - mean, 0.0)
    mean += away / np.maximum(value_counts, 1.0)
    m2 += away * np.where(present, x - mean, 0.0)
