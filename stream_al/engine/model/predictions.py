"""Predictions: what a model says of many samples at once.

Whatever answered, River sample by sample or a scorer, becomes shares of the classes learned: a row a sample,
summing to 1, rounded to `DIGITS`. An answer that is no distribution (nothing, all zeros, NaN) is no opinion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stream_al.engine.samples.table import Floats
from stream_al.messages import ClassLabel

if TYPE_CHECKING:
    from stream_al.errors import BadMessage

__all__ = ["DIGITS", "Predictions"]

# Some of River's sums run through a set, in an order that differs between processes, and so do their
# last bits; a replay shall compute the same utilities.
DIGITS = 12


@dataclass(frozen=True)
class Predictions:
    """Probabilities of a batch.

    Attributes:
        labels: The classes, in the order in which they were learned.
        probabilities: Their probabilities, a row a sample.
        known: For each sample whether there is an opinion at all; else its row says nothing.
        failed: Samples that the model fails on, by their place in the batch, and why.
    """

    labels: tuple[ClassLabel, ...]
    probabilities: Floats
    known: NDArray[np.bool_]
    failed: Mapping[int, BadMessage] = field(default_factory=dict)

    @classmethod
    def none(cls, number: int) -> Predictions:
        """No opinion about so many samples."""
        return cls((), np.zeros((number, 0)), np.zeros(number, dtype=np.bool_))

    @classmethod
    def of(
        cls, labels: Sequence[ClassLabel], scores: Floats, failed: Mapping[int, BadMessage] | None = None
    ) -> Predictions:
        """The beliefs in what a model answered.

        Args:
            labels: The classes.
            scores: What it gave each of them, a row a sample.
            failed: The samples that it failed on; their rows do not matter.

        >>> predictions = Predictions.of(["ham", "spam"], np.array([[3.0, 1.0], [0.0, 0.0], [np.nan, 1.0]]))
        >>> predictions.known.tolist(), predictions.row(0), predictions.row(1)
        ([True, False, False], {'ham': 0.75, 'spam': 0.25}, {})
        """
        with np.errstate(all="ignore"):
            totals = scores.sum(axis=1)
            known = np.isfinite(totals) & (totals > 0.0) & (scores >= 0.0).all(axis=1)
            probabilities = np.round(scores / totals[:, None], DIGITS)
        return cls(tuple(labels), probabilities, known, failed or {})

    def some(self, places: Sequence[int]) -> Predictions:
        """What is said of some of them, failures apart."""
        return Predictions(self.labels, self.probabilities[places], self.known[places])

    def row(self, place: int) -> dict[ClassLabel, float]:
        """What it says of one sample; empty without an opinion."""
        return (
            dict(zip(self.labels, self.probabilities[place].tolist(), strict=True))
            if self.known[place]
            else {}
        )

    def rows(self) -> list[dict[ClassLabel, float]]:
        """What it says of each."""
        labels = self.labels
        return [
            dict(zip(labels, row, strict=True)) if known else {}
            for row, known in zip(self.probabilities.tolist(), self.known.tolist(), strict=True)
        ]
