"""Predictions: the probabilities of the classes, for one sample or for many.

Whatever a classifier returns becomes probabilities of the classes learned, summing to 1, rounded to `DIGITS`.
Where it returns no distribution (nothing, all zeros, a negative number, NaN), there is no prediction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stream_al.engine.samples.table import Floats
from stream_al.messages import ClassLabel

if TYPE_CHECKING:
    from stream_al.errors import BadMessage

__all__ = ["DIGITS", "Predictions", "distribution", "likeliest_label"]

# Some of River's sums run through a set, whose order differs between processes, and so do their last bits.
# A replay must compute the same utilities.
DIGITS = 12


def likeliest_label(probabilities: Mapping[ClassLabel, float]) -> ClassLabel | None:
    """The most probable label, the one learned first among equals; None without probabilities.

    >>> likeliest_label({"ham": 0.4, "spam": 0.4, "eggs": 0.2})
    'ham'
    """
    return max(probabilities, key=probabilities.__getitem__, default=None)


def distribution(labels: Iterable[ClassLabel], scores: Sequence[float]) -> dict[ClassLabel, float]:
    """The probabilities of one sample; empty if the scores are no distribution.

    Args:
        labels: The classes.
        scores: What a classifier gives each of them; at least one.

    >>> distribution(["ham", "spam"], [3.0, 1.0]), distribution(["ham", "spam"], [0.0, 0.0])
    ({'ham': 0.75, 'spam': 0.25}, {})
    """
    total = sum(scores)
    if not (isfinite(total) and total > 0.0 and min(scores) >= 0.0):
        return {}
    return {label: round(score / total, DIGITS) for label, score in zip(labels, scores, strict=True)}


@dataclass(frozen=True)
class Predictions:
    """The probabilities of a batch.

    Attributes:
        labels: The classes, in the order in which they were learned.
        probabilities: Their probabilities, a row a sample.
        known: For each sample whether there is a prediction; without one its row means nothing.
        failed: The samples that the model fails on, by their place in the batch, and why.
    """

    labels: tuple[ClassLabel, ...]
    probabilities: Floats
    known: NDArray[np.bool_]
    failed: Mapping[int, BadMessage] = field(default_factory=dict)

    @classmethod
    def none(cls, number: int) -> Predictions:
        """No prediction for that many samples."""
        return cls((), np.zeros((number, 0)), np.zeros(number, dtype=np.bool_))

    @classmethod
    def of(
        cls, labels: Sequence[ClassLabel], scores: Floats, failed: Mapping[int, BadMessage] | None = None
    ) -> Predictions:
        """The predictions that follow from scores; the same as `distribution` of each row.

        Args:
            labels: The classes.
            scores: What a classifier gives each of them, a row a sample.
            failed: The samples that it failed on; their rows do not matter.

        >>> predictions = Predictions.of(["ham", "spam"], np.array([[3.0, 1.0], [0.0, 0.0], [np.nan, 1.0]]))
        >>> predictions.known.tolist(), predictions.rows()
        ([True, False, False], [{'ham': 0.75, 'spam': 0.25}, {}, {}])
        """
        with np.errstate(all="ignore"):
            totals = scores.sum(axis=1)
            known = np.isfinite(totals) & (totals > 0.0) & (scores >= 0.0).all(axis=1)
            probabilities = np.round(scores / totals[:, None], DIGITS)
        return cls(tuple(labels), probabilities, known, failed or {})

    @classmethod
    def joined(cls, parts: Sequence[Predictions]) -> Predictions:
        """The predictions of all parts, in order, for the classes that the first one knows.

        A later part may know more classes, if the model has learned meanwhile. Failures are left out.
        """
        labels = parts[0].labels
        tables = [part.probabilities[:, : len(labels)] for part in parts]
        return cls(labels, np.concatenate(tables), np.concatenate([part.known for part in parts]))

    def some(self, places: Sequence[int]) -> Predictions:
        """The predictions of some samples, without failures."""
        return Predictions(self.labels, self.probabilities[places], self.known[places])

    def rows(self) -> list[dict[ClassLabel, float]]:
        """The probabilities of each sample by class; empty without a prediction."""
        labels = self.labels
        return [
            dict(zip(labels, row, strict=True)) if known else {}
            for row, known in zip(self.probabilities.tolist(), self.known.tolist(), strict=True)
        ]
