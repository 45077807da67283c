"""Softmax regression on standardised columns and on words, by stochastic gradient.

    p(c | x) = exp(b_c + w_c z + sum_t v_ct) / sum over classes
    w_c     -= rate (p(c | x) - [y = c]) z

    rate      = step / (1 + |z|^2 / (long sqrt(1 + |z|^2 / WIDE)))

A step that does not shrink with time follows a stream that changes. It shrinks with the length of the sample,
as in normalised least mean squares, so that 500 columns, or a text of 100 words, do not change the weights
too much; z is cut off at 3 deviations for the same reason.

A step changes the logits of its own sample by rate |z|^2, and those of another one by rate z z', which is
|z|^2 / sqrt(d) where the d columns are independent. So the root lets wide samples take longer steps, and
disturbs the others no more than narrow ones do. Without it the probabilities of 256 columns were nearly even
for the first hundred examples, and a mixture gave this learner little weight although it was right.

A prediction rounds the weights to 2**-20, so that their products with the steps of the rows are integers, and
the same in any order of summation (`rows`).
"""

from __future__ import annotations

import math

import numpy as np

from stream_al.engine.learners.base import RowClassifier, softmax
from stream_al.engine.learners.encoder.rows import STEPS, Floats, Ints, Rows
from stream_al.engine.learners.encoder.scales import grown

__all__ = ["FINE", "Softmax", "cut", "longest"]

FINE = 2.0**20
LARGEST = 2.0**8  # a weight
WIDE = 32.0  # the squared length of a sample from which on it counts as wide
FARTHEST = 3.0  # deviations
LARGEST_TABLE = 2_000_000  # numbers: tokens times classes


class Softmax(RowClassifier):
    """Softmax regression, by stochastic gradient.

    Args:
        step: The length of a step, for a sample of no length.
        long: The squared length at which it is halved, of a sample that is not wide.
        token: What a word counts as, in deviations.

    Examples:
        >>> model = Softmax()
        >>> for x, y in [(1.0, "low"), (2.0, "low"), (8.0, "high"), (9.0, "high")] * 5:
        ...     model.learn_one({"x": x}, y)
        >>> model.predict_one({"x": 2.5})
        'low'
    """

    def __init__(self, step: float = 0.4, long: float = 3.0, token: float = 2.0) -> None:
        super().__init__()
        self.step = step
        self.long = long
        self.token = token
        self._bias = np.zeros(0)
        self._weights = np.zeros((0, 0))  # class, column
        self._tokens = np.zeros((0, 0))  # token, class

    def learn_row(self, row: Rows, label: int, classes: int) -> None:
        """Learn one example."""
        self._widen(row, classes)
        gradient = softmax(self._logits(row))[0]
        gradient[label] -= 1.0
        z = cut(row.z)[0] / STEPS
        loose = row.tokens[(row.dense[row.tokens] < 0) & (row.tokens < len(self._tokens))]
        length = float((z * z).sum()) + self.token**2 * len(loose)
        step = self.step / (1.0 + length / (self.long * math.sqrt(1.0 + length / WIDE)))
        self._bias -= step * gradient
        self._weights -= (step * gradient)[:, None] * z
        self._tokens[loose] -= step * self.token * gradient
        longest(self._weights)

    def scores(self, rows: Rows, classes: int) -> list[Floats]:
        """The probabilities of the samples."""
        known = len(self._bias)
        if not known:
            return []
        if known == classes:
            return [softmax(self._logits(rows))]
        logs = np.full((len(rows), classes), -np.inf)
        logs[:, :known] = self._logits(rows)
        return [softmax(logs)]

    def _logits(self, rows: Rows) -> Floats:
        width = self._weights.shape[1]
        whole = np.rint(self._weights * FINE)
        logits: Floats = (cut(rows.z[:, :width]) @ whole.T) * (1.0 / (FINE * STEPS)) + self._bias
        if len(rows.tokens) and len(self._tokens):
            counted = (rows.dense[rows.tokens] < 0) & (rows.tokens < len(self._tokens))
            logits += self.token * rows.token_sums(self._tokens[rows.tokens[counted]], counted)
        return logits

    def forget(self, tokens: Ints) -> None:
        """Forget what is known of these tokens."""
        self._tokens[tokens[tokens < len(self._tokens)]] = 0.0

    def _widen(self, row: Rows, classes: int) -> None:
        known, width = self._weights.shape
        if classes > known:
            self._bias = grown(self._bias, classes)
            self._weights = grown(self._weights, classes)
            self._tokens = grown(self._tokens, classes, axis=1)[: LARGEST_TABLE // classes]
        if row.z.shape[1] > width:
            self._weights = grown(self._weights, row.z.shape[1], axis=1)
        tokens = min(len(row.dense), LARGEST_TABLE // classes)
        if tokens > len(self._tokens):
            self._tokens = grown(self._tokens, tokens)


def cut(z: Floats) -> Floats:
    """Columns of rows, cut off at `FARTHEST` deviations."""
    return np.minimum(np.maximum(z, -FARTHEST * STEPS), FARTHEST * STEPS)


def longest(weights: Floats) -> None:
    """Keep weights in the range in which their products stay exact."""
    np.minimum(np.maximum(weights, -LARGEST, out=weights), LARGEST, out=weights)
