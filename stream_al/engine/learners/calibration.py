"""Calibration: probabilities that are neither too modest nor too sure.

    q_c  =  p_c^b / sum over classes

`b` sharpens probabilities that are too modest and flattens those that are too sure; it never changes which
class is likeliest. It is learned from what was said of each example before it was learned, by gradient steps
on the logarithmic loss, in log b, each divided by the size of the recent ones. There is a `b` for each
opinion, since a learner that is right and modest must not look worse than one that is wrong and sure, and one
for the mixture.

    Guo, Pleiss, Sun, Weinberger: On calibration of modern neural networks. ICML 2017.
"""

from __future__ import annotations

import math

import numpy as np

from stream_al.engine.learners.base import softmax
from stream_al.engine.learners.rows import Bools, Floats

__all__ = ["Temperatures"]

STEP = 0.2
DECAY = 0.98  # of the squares of the steps
LEAST, MOST = math.log(0.1), math.log(10.0)
SMALLEST = 1e-6  # a probability


class Temperatures:
    """The exponents of several opinions.

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
        """What the probabilities of each opinion are raised to."""
        return np.exp(self._logs)

    def apply(self, number: int, shares: Floats) -> Floats:
        """Calibrate probabilities of one opinion, a row a sample."""
        return softmax(float(self.exponents[number]) * np.log(np.maximum(shares, SMALLEST)))

    def learn(self, shares: Floats, label: int, told: Bools) -> None:
        """Learn from what was said of one example.

        Args:
            shares: The probabilities before they are calibrated, a row an opinion.
            label: The number of the example's class.
            told: Which opinions there were.
        """
        exponents = self.exponents
        logs = np.log(np.maximum(shares, SMALLEST))
        said = softmax(exponents[:, None] * logs)
        slope = np.where(told, exponents * ((said * logs).sum(axis=1) - logs[:, label]), 0.0)
        self._squares = np.where(told, DECAY * self._squares + slope * slope, self._squares)
        self._logs -= STEP * slope / np.sqrt(self._squares + 1e-6)
        np.clip(self._logs, LEAST, MOST, out=self._logs)
