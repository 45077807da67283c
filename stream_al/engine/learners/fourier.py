"""Softmax regression on random Fourier features: a linear learner of curved boundaries.

    phi_j(z) = sqrt(2) cos(w_j z / sqrt(d) + b_j),   w_j standard normal, b_j uniform in [0, 2 pi)

Products of such features approximate a Gaussian kernel, so a linear function of them is a smooth function of
the sample. The d columns are standardised and cut off at 3 deviations.

    Rahimi, Recht: Random features for large-scale kernel machines. NeurIPS 2007.

The w of a column are drawn when it comes, from its number. They are kept in steps of 1/STEPS, and so are the
features, so that all products are sums of integers (`rows`).
"""

from __future__ import annotations

import math

import numpy as np

from stream_al.engine.learners.base import RowClassifier, softmax
from stream_al.engine.learners.encoder.rows import STEPS, Floats, Rows
from stream_al.engine.learners.encoder.scales import grown
from stream_al.engine.learners.linear import FINE, cut, longest
from stream_al.engine.randomness import Draws

__all__ = ["FourierSoftmax"]


class FourierSoftmax(RowClassifier):
    """Softmax regression on random Fourier features of the numbers and categories.

    Args:
        features: How many features.
        step: The length of a step, for a sample of no length.
        long: The squared length of a sample at which it is halved.
        seed: For the features.

    Examples:
        >>> model = FourierSoftmax(seed=1)
        >>> for x, y in [(1.0, "mid"), (-5.0, "far"), (0.0, "mid"), (5.0, "far")] * 20:
        ...     model.learn_one({"x": x}, y)
        >>> model.predict_one({"x": 0.5}), model.predict_one({"x": 4.5})
        ('mid', 'far')
    """

    def __init__(self, features: int = 128, step: float = 0.4, long: float = 3.0, seed: int = 0) -> None:
        super().__init__()
        self.features = features
        self.step = step
        self.long = long
        self.seed = seed
        self._directions = np.zeros((0, features))  # column, feature; in steps
        self._phases = Draws(seed, "phases", 0).uniform(features) * 2.0 * math.pi
        self._bias = np.zeros(0)
        self._weights = np.zeros((0, features))

    def learn_row(self, row: Rows, label: int, classes: int) -> None:
        """Learn one example."""
        if not row.numbers.shape[1]:
            return  # there are only texts so far
        known, width = len(self._directions), row.z.shape[1]
        if width > known:
            new = Draws.normals(self.seed, "directions", range(known, width), self.features)
            self._directions = np.concatenate([self._directions, np.rint(new * STEPS)])
        if classes > len(self._bias):
            self._bias, self._weights = grown(self._bias, classes), grown(self._weights, classes)
        seen = self._see(row)
        gradient = softmax(self._logits(seen))[0]
        gradient[label] -= 1.0
        phi = seen[0] / STEPS
        step = self.step / (1.0 + float((phi * phi).sum()) / self.long)
        self._bias -= step * gradient
        self._weights -= (step * gradient)[:, None] * phi
        longest(self._weights)

    def scores(self, rows: Rows, classes: int) -> list[Floats]:
        """The probabilities of the samples."""
        known = len(self._bias)
        if not known:
            return []
        logs = np.full((len(rows), classes), -np.inf)
        logs[:, :known] = self._logits(self._see(rows))
        return [softmax(logs)]

    def _see(self, rows: Rows) -> Floats:
        """The features of the samples, in steps."""
        used = max(1, int(np.count_nonzero(rows.scale.rate)))
        known = len(self._directions)
        angle = (cut(rows.z[:, :known]) @ self._directions) * (1.0 / (STEPS * STEPS * math.sqrt(used)))
        features: Floats = np.rint(np.cos(angle + self._phases) * (math.sqrt(2.0) * STEPS))
        return features

    def _logits(self, seen: Floats) -> Floats:
        logits: Floats = (seen @ np.rint(self._weights * FINE).T) * (1.0 / (FINE * STEPS)) + self._bias
        return logits
