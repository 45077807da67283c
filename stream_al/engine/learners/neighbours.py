"""Nearest neighbours among the last examples.

Distances are Euclidean, on standardised columns. The columns of a row are integers (`rows`), so a distance is
one, exactly. With the place of the neighbour in its last bits it makes a key that orders neighbours without
ties, and one matrix product gives the keys of a batch:

    |a - b|^2 - |a|^2 = |b|^2 - 2 a b        key = 1024 (|b|^2 - 2 a b) + place

Of each sample the smallest k keys are wanted, of a thousand. The examples are split into 64 blocks; the k
smallest keys lie in the k blocks whose smallest keys are smallest, so only those are looked through.

The examples are put on the current scale when their number has grown by a sixteenth, and every hundred
examples. In between, samples are put on the scale of the examples, and columns that came since do not count.
"""

from __future__ import annotations

import numpy as np

from stream_al.engine.learners.base import RowClassifier
from stream_al.engine.learners.encoder.rows import Floats, Ints, Rows, Scale
from stream_al.engine.learners.encoder.scales import grown

__all__ = ["NearestNeighbours"]

PLACES = 1024.0  # the most examples
BLOCKS = 64
LONGEST_BATCH = 256  # samples whose keys are held at once
NEVER = 2.0**52  # larger than any key


class NearestNeighbours(RowClassifier):
    """The classes of the nearest among the last examples.

    Args:
        n_neighbors: How many vote; several numbers for several predictions.
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
        self._keys = np.zeros((0, 1))  # the same on a scale, as they enter the product
        self._scale: Scale | None = None
        self._learned = 0
        self._rescaled = 0  # examples

    def learn_row(self, row: Rows, label: int, classes: int) -> None:
        """Learn one example."""
        if not row.numbers.shape[1]:
            return  # there are only texts so far
        width, known = row.numbers.shape[1], self._numbers.shape[1]
        if width > known:
            self._numbers = grown(self._numbers, width, axis=1)
            self._numbers[:, known:] = row.scale.fill[known:]
        place = self._learned % self.window
        if place >= len(self._numbers):
            size = min(self.window, max(BLOCKS, 2 * len(self._numbers)))
            self._numbers, self._labels = grown(self._numbers, size), grown(self._labels, size)
        self._numbers[place] = row.numbers[0]
        self._labels[place] = label
        self._learned += 1
        if self._learned * 16 > self._rescaled * 17 or self._learned > self._rescaled + 100:
            self._scale, self._rescaled = row.scale, self._learned
            self._keys = np.zeros((-(-self.window // BLOCKS) * BLOCKS, width + 1))
            self._keys[:, -1] = NEVER
            self._set_keys(np.arange(min(self._learned, self.window)), self._scale)
        elif self._scale is not None:
            self._set_keys(np.asarray([place]), self._scale)

    def _set_keys(self, places: Ints, scale: Scale) -> None:
        b = scale.steps(self._numbers[places, : len(scale.mean)])
        self._keys[places, :-1] = b * (-2.0 * PLACES)
        self._keys[places, -1] = PLACES * (b * b).sum(axis=1) + places

    def scores(self, rows: Rows, classes: int) -> list[Floats]:
        """The probabilities of the samples, a prediction for each number of neighbours."""
        if not self._learned:
            return []
        sizes = self.n_neighbors if isinstance(self.n_neighbors, tuple) else (self.n_neighbors,)
        nearest = self._labels[self._nearest(rows, max(sizes))]
        predictions = []
        for size in sizes:
            probabilities = np.zeros((len(rows), classes))
            voters = min(size, nearest.shape[1])
            here = np.arange(len(rows))
            for voter in range(voters):
                probabilities[here, nearest[:, voter]] += 1.0 / voters
            predictions.append(probabilities)
        return predictions

    def _nearest(self, rows: Rows, number: int) -> Ints:
        """The places of the nearest examples of each sample, the nearest first."""
        if self._scale is None:
            return np.zeros((len(rows), 0), np.intp)
        learned = min(self._learned, self.window)
        keys = self._keys[: -(-learned // BLOCKS) * BLOCKS]
        width = keys.shape[1] - 1
        a = np.ones((len(rows), width + 1))
        a[:, :-1] = self._scale.steps(rows.numbers[:, :width])
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
    blocks = keys.reshape(BLOCKS, length // BLOCKS, samples)
    if number < BLOCKS:
        least = np.ascontiguousarray(blocks.min(axis=1).T)
        which = np.argpartition(least, number - 1, axis=1)[:, :number]
        chosen = blocks[which, :, np.arange(samples)[:, None]].reshape(samples, -1)
    else:
        chosen = np.ascontiguousarray(keys.T)
    smallest = np.partition(chosen, number - 1, axis=1)[:, :number]
    return np.sort(smallest, axis=1)
