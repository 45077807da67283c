"""Calibration after the vote: one temperature.

    q_c  =  p_c^b / sum over classes

`b` sharpens probabilities that are too modest and flattens those that are too sure. It is learned from what the
mixture said of each example before it learned it, by gradient steps on the logarithmic loss, in log b. It never
changes which class is likeliest.

    Guo, Pleiss, Sun, Weinberger: On calibration of modern neural networks. ICML 2017.
"""

from __future__ import annotations

import math

import numpy as np

from stream_al.engine.learners.base import softmax
from stream_al.engine.learners.rows import Floats

__all__ = ["Temperature"]

STEP = 0.02
FARTHEST = math.log(3.0)
SMALLEST = 1e-6


class Temperature:
    """The exponent of probabilities.

    Examples:
        >>> temperature = Temperature()
        >>> for _ in range(200):
        ...     temperature.learn(np.array([0.6, 0.4]), 0)
        >>> temperature.apply(np.array([[0.6, 0.4]])).round(2).tolist()
        [[0.72, 0.28]]
    """

    def __init__(self) -> None:
        self._log = 0.0

    @property
    def exponent(self) -> float:
        """What probabilities are raised to."""
        return math.exp(self._log)

    def apply(self, shares: Floats) -> Floats:
        """Calibrate probabilities, a row a sample."""
        return softmax(self.exponent * np.log(np.maximum(shares, SMALLEST)))

    def learn(self, shares: Floats, label: int) -> None:
        """Learn from what was said of one example."""
        logs = np.log(np.maximum(shares, SMALLEST))
        told = softmax((self.exponent * logs)[None])[0]
        slope = self.exponent * float((told * logs).sum() - logs[label])
        self._log = min(FARTHEST, max(-FARTHEST, self._log - STEP * max(-1.0, min(1.0, slope))))
