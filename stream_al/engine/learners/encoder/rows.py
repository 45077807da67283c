"""Rows: samples as the learners take them, side by side.

A sample is a row of numbers and a handful of tokens:

    z        a number a column, standardised, in steps of 1/STEPS and at most 10 deviations from the mean
    numbers  the same in the units of the stream
    tokens   which of the known categories and words it has, as numbers of the vocabulary

The steps make sums of products exact: they are sums of integers, held in floats, and come out the same in any
order. So a matrix product over a batch gives each sample the very bits that it would get alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["FARTHEST", "STEPS", "Bools", "Floats", "Ints", "Rows", "Scale"]

STEPS = 1024.0
FARTHEST = 10.0  # deviations from the mean

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Bools = NDArray[np.bool_]


class Scale(NamedTuple):
    """The scale of columns.

    Attributes:
        mean: Of each column, in the units of the stream.
        rate: By what a distance from the mean is multiplied to give steps; 0 for columns that are not used.
        fill: What stands in for a missing value.
        low: Values below it count as it.
        high: Values above it count as it.
        value_counts: From how many values the mean comes.
        is_number: Whether the column holds a number; the others tell of a token whether it is there.
    """

    mean: Floats
    rate: Floats
    fill: Floats
    low: Floats
    high: Floats
    value_counts: Ints
    is_number: Bools

    def steps(self, numbers: Floats) -> Floats:
        """Numbers as steps away from the mean, at most `FARTHEST` deviations.

        >>> one = np.ones(1)
        >>> Scale(one, 512 * one, one, one, one, one, one).steps(np.array([[3.0], [1e9]]))
        array([[ 1024.],
               [10240.]])
        """
        z = numbers - self.mean
        z *= self.rate
        np.maximum(z, -FARTHEST * STEPS, out=z)
        np.minimum(z, FARTHEST * STEPS, out=z)
        return np.rint(z, out=z)


@dataclass(frozen=True)
class Rows:
    """Samples side by side.

    Attributes:
        numbers: A row a sample, a number a column; what is missing is filled in.
        z: The same standardised, in units of 1/STEPS: integers.
        scale: By which they are standardised.
        missing: Where a number was filled in; None if nowhere.
        tokens: The tokens of all samples, end to end.
        owners: The sample of each token, rising.
        dense: Of each token of the vocabulary the column that tells of it, -1 if none does.
        group: Of each token of the vocabulary its kind; tokens of a kind are alternatives.
    """

    numbers: Floats
    z: Floats
    scale: Scale
    missing: Bools | None
    tokens: Ints
    owners: Ints
    dense: Ints
    group: Ints

    @classmethod
    def of(cls, numbers: Floats, tokens: Ints, owners: Ints, scale: Scale, dense: Ints, group: Ints) -> Rows:
        """Fill in what is missing, mark the tokens that have columns, standardise.

        Args:
            numbers: A row a sample, in the units of the stream, NaN where one is missing. It is overwritten.
            tokens: The tokens of all samples, end to end.
            owners: The sample of each token, rising.
            scale: By which numbers are standardised.
            dense: Of each token of the vocabulary the column that tells of it, -1 if none does.
            group: Of each token of the vocabulary its kind.
        """
        if not scale.is_number.all():
            numbers[:, ~scale.is_number] = 0.0
            marked = dense[tokens]
            numbers[owners[marked >= 0], marked[marked >= 0]] = 1.0
        missing: Bools | None = np.isnan(numbers)
        if missing is not None and missing.any():
            numbers = np.where(missing, scale.fill, numbers)
        else:
            missing = None
        numbers = np.minimum(np.maximum(numbers, scale.low), scale.high)
        return cls(numbers, scale.steps(numbers), scale, missing, tokens, owners, dense, group)

    def __len__(self) -> int:
        return len(self.numbers)

    def token_sums(self, value_counts: Floats, counted: Bools | None = None) -> Floats:
        """The sum over the tokens of each sample.

        Args:
            value_counts: A row for each of the tokens that count.
            counted: Which of `tokens` count; all if None.
        """
        out = np.zeros((len(self), value_counts.shape[1]))
        owners = self.owners if counted is None else self.owners[counted]
        if len(owners):
            begins = np.flatnonzero(np.r_[True, owners[1:] != owners[:-1]])
            # The order of a sum of `reduceat` depends on the number of the addends alone.
            out[owners[begins]] = np.add.reduceat(value_counts, begins, axis=0)
        return out
