"""Scales: where the numbers of each column lie and how far they spread.

Mean and variance are Welford's, over the examples, with a memory of `MEMORY` of them: a step of 1/n while
there are fewer, of 1/MEMORY afterwards, so that a stream whose units change is followed.

One extreme value must not decide them. A value counts as at most `FARTHEST` deviations away from the mean. A
stream whose values grow for good is followed all the same, since each such value widens the deviation. While
there are fewer than `FIRST` values there is no deviation to trust: the first ones are kept, and one counts
as at most twenty times as far from their median as those that differ from it usually are.

    B. P. Welford: Note on a method for calculating corrected sums of squares and products.
    Technometrics 4(3), 1962.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from stream_al.engine.learners.encoder.rows import FARTHEST, Bools, Floats, Ints

__all__ = ["Scales", "grown"]

MEMORY = 5000  # examples
FIRST = 20  # values
USUAL = 20.0  # times the usual distance from the median


Kind = TypeVar("Kind", bound=np.generic)


def grown(array: NDArray[Kind], size: int, axis: int = 0) -> NDArray[Kind]:
    """The array with so many places along an axis, the new ones 0."""
    shape = list(array.shape)
    shape[axis] = size - shape[axis]
    return np.concatenate([array, np.zeros(shape, array.dtype)], axis=axis)


class Scales:
    """Means and deviations of columns.

    Attributes:
        count: How many values were learned of each column.
        mean: Their means.
        variance: Their variances.

    Examples:
        >>> scales = Scales()
        >>> scales.widen(1)
        >>> for value in (1.0, 3.0, 1.8e300):
        ...     scales.learn(np.array([value]))
        >>> scales.mean.round(2).tolist()
        [15.67]
    """

    def __init__(self) -> None:
        self.count = np.zeros(0, np.int64)
        self.mean = np.zeros(0)
        self.variance = np.zeros(0)
        self._first = np.zeros((FIRST, 0))

    def widen(self, width: int) -> None:
        """Make room for so many columns."""
        self.count = grown(self.count, width)
        self.mean = grown(self.mean, width)
        self.variance = grown(self.variance, width)
        self._first = grown(self._first, width, axis=1)

    def deviation(self) -> Floats:
        """The deviation of each column, 0 where its values are equal."""
        return np.sqrt(self.variance)

    def bounds(self) -> tuple[Floats, Floats]:
        """Between which numbers the values of each column count as they are."""
        # Where all values were equal so far, the size of the value is the only measure there is.
        reach = np.where(self.variance > 0.0, FARTHEST * self.deviation(), 1.0 + FARTHEST * np.abs(self.mean))
        reach[self.count == 0] = np.inf
        return self.mean - reach, self.mean + reach

    def learn(self, row: Floats) -> None:
        """Learn a value of each column, NaN where there is none."""
        present: Bools = ~np.isnan(row)
        young = present & (self.count < FIRST)
        self.count += present
        if young.any():
            self._learn_first(row, np.flatnonzero(young))
            present &= ~young
        if present.any():
            low, high = self.bounds()
            step = 1.0 / np.minimum(self.count, MEMORY)
            away = np.where(present, np.minimum(np.maximum(row, low), high) - self.mean, 0.0)
            grow = np.where(present, step, 0.0)
            self.mean += grow * away
            self.variance = (1.0 - grow) * (self.variance + grow * away * away)

    def _learn_first(self, row: Floats, places: Ints) -> None:
        """Compute mean and variance anew from the first values."""
        self._first[self.count[places] - 1, places] = row[places]
        count = self.count[places]
        here = np.arange(FIRST)[:, None] < count
        values = self._first[:, places]
        median = _median(np.where(here, values, np.inf), count)
        away = values - median
        differ = here & (away != 0.0)
        usual = _median(np.where(differ, np.abs(away), np.inf), differ.sum(axis=0))
        reach = np.where(np.isfinite(usual), USUAL * usual, 0.0)
        away = np.where(here, np.clip(away, -reach, reach), 0.0)
        middle = away.sum(axis=0) / count
        self.mean[places] = median + middle
        self.variance[places] = (np.where(here, away - middle, 0.0) ** 2).sum(axis=0) / count


def _median(values: Floats, count: NDArray[np.int64]) -> Floats:
    """The lower median of so many values of each column, which stand before infinities when sorted."""
    ordered = np.sort(values, axis=0)
    median: Floats = ordered[np.maximum(count - 1, 0) // 2, np.arange(values.shape[1])]
    return median
