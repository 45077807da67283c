"""Surprise: whether the model errs more than it expects to.

A calibrated model expects to err with the probability that it gives to all but the likeliest class. Errors
and what was expected of them are summed, fading, over a short and a longer memory:

    S  <-  g S + error - (1 - p)        V  <-  g V + p (1 - p)        z = S / sqrt(V + 1/4)

While the stream stays as it was, z is about standard normal. Where it exceeds `ALARM`, what the model knows
is likely to be over. An alarm needs `BEGIN` examples, and `PAUSE` of them after the one before.

It is the sequential test of Page, on the errors that calibrated probabilities predict.

    E. S. Page: Continuous inspection schemes. Biometrika 41, 1954.
"""

from __future__ import annotations

import numpy as np

__all__ = ["Surprise"]

MEMORIES = (0.9, 0.97)  # about 10 and 33 examples
ALARM = 2.0
BEGIN = 40
PAUSE = 20


class Surprise:
    """The fading sums of errors, and of the errors that were expected.

    Examples:
        >>> surprise = Surprise()
        >>> any(surprise.learn(error=False, certainty=0.9) for _ in range(100))
        False
        >>> [surprise.learn(error=True, certainty=0.9) for _ in range(4)]
        [False, False, False, True]
    """

    def __init__(self) -> None:
        self._sums = np.zeros(len(MEMORIES))
        self._variances = np.zeros(len(MEMORIES))
        self._wait = BEGIN

    def learn(self, *, error: bool, certainty: float) -> bool:
        """Learn how one prediction came out, and say whether it is an alarm.

        Args:
            error: Whether the likeliest class was the wrong one.
            certainty: The probability that it had.
        """
        fading = np.asarray(MEMORIES)
        self._sums = fading * self._sums + error - (1.0 - certainty)
        self._variances = fading * self._variances + certainty * (1.0 - certainty)
        self._wait -= 1
        if self._wait > 0 or (self._sums / np.sqrt(self._variances + 0.25)).max() <= ALARM:
            return False
        self._sums[:] = 0.0
        self._variances[:] = 0.0
        self._wait = PAUSE
        return True
