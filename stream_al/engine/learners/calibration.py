"""Calibration: probabilities that are right as often as they claim.

    q_c  =  p_c^b / sum over classes

An exponent `b` above 1 sharpens probabilities that are too even, and one below 1 flattens those that are too
extreme. It never changes which class is likeliest. It is learned from the predictions of each example before
it was learned, by gradient steps on the logarithmic loss, in log b. Each step is divided by the size of the
recent ones. Each member has its own `b`: a member that is right with low confidence must not lose to one
that is wrong with high confidence. The mixture has one too.

    Guo, Pleiss, Sun, Weinberger: On calibration of modern neural networks. ICML 2017.
"""

from __future__ import annotations

import math

import numpy as np

from stream_al.engine.learners.base import softmax
from stream_al.engine.learners.encoder.rows import Bools, Floats

__all__ = ["Temperatures"]

STEP = 0.2
DECAY = 0.98  # of the squares of the steps
LEAST, MOST = math.log(0.1), math.log(10.0)
SMALLEST = 1e-6  # a probability


class Temperatures:
    """The exponents of several predictions.

    Args:
        number: How many.

    Examples:
        >>> one = Temperatures(1)
        >>> for _ in range(200):
        ...     one.learn(np.array([[0.6, 0.4]]), 0, np.array([True]))
        >>> one.apply(0, np.array([[0.6, 0.4]])).round(2).tolist()
        [[0.98, 0.02]]
    """

    def __init__(self, number: int) -> None:
        self._logs = np.zeros(number)
        self._squares = np.zeros(number)

    @property
    def exponents(self) -> Floats:
        """The exponent of each prediction's probabilities."""
        return np.exp(self._logs)

    def apply(self, number: int, probabilities: Floats) -> Floats:
        """Calibrate the probabilities of one predictor, a row a sample."""
        return softmax(float(self.exponents[number]) * np.log(np.maximum(probabilities, SMALLEST)))

    def apply_all(self, probabilities: Floats) -> Floats:
        """Calibrate the probabilities of all predictors at once: (predictor, sample, class)."""
        return softmax(self.exponents[:, None, None] * np.log(np.maximum(probabilities, SMALLEST)))

    def learn(self, probabilities: Floats, label: int, present: Bools) -> None:
        """Learn from the predictions of one example.

        Args:
            probabilities: Those before calibration, a row a prediction.
            label: The number of the example's class.
            present: Which predictions there were.
        """
        exponents = self.exponents
        logs = np.log(np.maximum(probabilities, SMALLEST))
        predicted = softmax(exponents[:, None] * logs)
        slope = np.where(present, exponents * ((predicted * logs).sum(axis=1) - logs[:, label]), 0.0)
        self._squares = np.where(present, DECAY * self._squares + slope * slope, self._squares)
        self._logs -= STEP * slope / np.sqrt(self._squares + 1e-6)
        self._logs = np.minimum(np.maximum(self._logs, LEAST), MOST)
