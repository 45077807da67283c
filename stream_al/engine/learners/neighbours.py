"""Nearest neighbours among the last examples.

Distances are Euclidean, on standardised columns. The columns of a row are integers (`rows`), so a distance is
one, exactly. With the place of the neighbour in its last bits it makes a key that orders neighbours without
ties, and one matrix product gives the keys of a batch:

    |a - b|^2 - |a|^2 = |b|^2 - 2 a b        key = 1024 (|b|^2 - 2 a b) + place

Of each sample the smallest k keys are wanted, of a thousand. The examples are split into 64 stretches; the k
smallest keys lie in the k stretches whose smallest keys are smallest, so only those are looked through.
(Columns that came after an example are at their mean in it, tokens that came after it are absent.)
"""

from __future__ import annotations

import numpy as np

from stream_al.engine.learners.base import Learner
from stream_al.engine.learners.rows import Floats, Ints, Rows
from stream_al.engine.learners.scales import grown

__all__ = ["NearestNeighbours"]

PLACES = 1024.0  # the most examples
STRETCHES = 64
LONGEST_BATCH = 256  # samples whose keys are held at once
NEVER = 2.0**52  # larger than any key


class NearestNeighbours(Learner):
    """The classes of the nearest among the last examples.

    Args:
        n_neighbors: How many vote; several numbers for several opinions.
        window: How many examples are kept, at most 1,024.

    Examples:
        >>> model = NearestNeighbours(n_neighbors=1)
        >>> for x, y in [(1.0, "low"), (2.0, "low"), (8.0, "high"), (9.0, "high")]:
        ...     model.learn_one({"x": x}, y)
        >>> model.predict_proba_one({"x": 2.5})
        {'low': 1.0, 'high': 0.0}
    """

    def __init__(self, n_neighbors: int | tuple[int, ...] = 5, window: int = 1000) -> None:
        super().__init__()
        if not 1 <= window <= PLACES:
            raise ValueError(f"window is {window}; from 1 to {PLACES:.0f} examples can be kept")
        self.n_neighbors = n_neighbors
        self.window = window
        self._numbers = np.zeros((0, 0))  # the last examples, in the units of the stream
        self._labels = np.zeros(0, np.intp)
        self._learned = 0

    def learn_row(self, row: Rows, label: int, classes: int) -> None:
        """Learn one example."""
        known = self._numbers.shape[1]
        if row.numbers.shape[1] > known:
            self._numbers = grown(self._numbers, row.numbers.shape[1], axis=1)
            self._numbers[:, known:] = np.where(row.is_number[known:], np.nan, 0.0)
        place = self._learned % self.window
        if place >= len(self._numbers):
            size = min(self.window, max(32, 2 * len(self._numbers)))
            self._numbers = grown(self._numbers, size)
            self._labels = grown(self._labels, size)
        self._numbers[place] = row.numbers[0]
        self._labels[place] = label
        self._learned += 1

    def scores(self, rows: Rows, classes: int) -> list[Floats]:
        """What it says of the samples, an opinion for each number of neighbours."""
        if not self._learned:
            return []
        sizes = self.n_neighbors if isinstance(self.n_neighbors, tuple) else (self.n_neighbors,)
        nearest = self._labels[self._nearest(rows, max(sizes))]
        opinions = []
        for size in sizes:
            shares = np.zeros((len(rows), classes))
            voters = min(size, nearest.shape[1])
            here = np.arange(len(rows))
            for voter in range(voters):
                shares[here, nearest[:, voter]] += 1.0 / voters
            opinions.append(shares)
        return opinions

    def _nearest(self, rows: Rows, number: int) -> Ints:
        """The places of the nearest examples of each sample, the nearest first."""
        learned = min(self._learned, self.window)
        known = self._numbers.shape[1]
        numbers = self._numbers if known == rows.z.shape[1] else grown(self._numbers, rows.z.shape[1], axis=1)
        b = rows.standardised(numbers[:learned])
        size = -(-learned // STRETCHES) * STRETCHES
        keys = np.zeros((size, b.shape[1] + 1))
        keys[:learned, :-1] = b * (-2.0 * PLACES)
        keys[:learned, -1] = PLACES * (b * b).sum(axis=1) + np.arange(learned)
        keys[learned:, -1] = NEVER
        a = np.ones((len(rows), b.shape[1] + 1))
        a[:, :-1] = rows.z
        number = min(number, learned)
        found = [_smallest(keys @ part.T, number) for part in _parts(a)]
        nearest = np.concatenate(found) if found else np.zeros((0, number))
        # A key may be negative; its last bits are what is left above a multiple of PLACES.
        return np.mod(nearest, PLACES).astype(np.intp)


def _parts(rows: Floats) -> list[Floats]:
    return [rows[begin : begin + LONGEST_BATCH] for begin in range(0, len(rows), LONGEST_BATCH)]


def _smallest(keys: Floats, number: int) -> Floats:
    """The smallest keys of each column, in rising order, a row for each column."""
    length, samples = keys.shape
    stretches = keys.reshape(STRETCHES, length // STRETCHES, samples)
    if number < STRETCHES:
        least = np.ascontiguousarray(stretches.min(axis=1).T)
        which = np.argpartition(least, number - 1, axis=1)[:, :number]
        chosen = stretches[which, :, np.arange(samples)[:, None]].reshape(samples, -1)
    else:
        chosen = np.ascontiguousarray(keys.T)
    smallest = np.partition(chosen, number - 1, axis=1)[:, :number]
    return np.sort(smallest, axis=1)
