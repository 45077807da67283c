"""What the learners share: classes, columns, and predictions of many samples at once.

Each learner is a classifier of River's in its own right, which takes samples of any kind: it learns its own
columns. In `Auto` the learners share one set of columns, and are handed the rows.

A learner works on rows and on numbers of classes:

    learn_row(row, label, classes)   learn one example
    scores(rows, classes)            its probabilities of samples: a list of arrays (samples, classes)
                                     whose rows sum to 1, one array a prediction; empty while it
                                     cannot predict
    forget(tokens)                   these tokens mean something else from now on

A learner may make several predictions that together cost little more than one, such as those of the nearest
and of the five nearest neighbours. Used alone, it predicts their mean.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from river import base

from stream_al.engine.learners.encoder.batch import Record
from stream_al.engine.learners.encoder.columns import Columns
from stream_al.engine.learners.encoder.rows import Floats, Ints, Rows

__all__ = ["RowClassifier", "normalised", "softmax"]


class RowClassifier(base.Classifier):
    """A classifier of samples of any kind, many at once.

    Attributes:
        classes: The number of each class, in order of first appearance.
        columns: The encoder of samples.
    """

    def __init__(self) -> None:
        self.classes: dict[Any, int] = {}
        self.columns = Columns()

    @property
    def _multiclass(self) -> bool:
        return True

    def learn_one(self, x: dict[Any, Any], y: Any) -> None:
        """Learn one example."""
        label = self.classes.setdefault(y, len(self.classes))
        row, given_up = self.columns.learn(x)
        if len(given_up):
            self.forget(given_up)
        self.learn_row(row, label, len(self.classes))

    def predict_proba_one(self, x: dict[Any, Any], **kwargs: Any) -> dict[Any, float]:
        """The probability of each class learned; none before the first example."""
        if not self.classes:
            return {}
        probabilities = self.predict_proba_table([(tuple(x), tuple(x.values()))])[0].tolist()
        return dict(zip(self.classes, probabilities, strict=True))

    def predict_proba_table(self, records: Sequence[Record]) -> Floats:
        """The probabilities of many samples, of each those of `predict_proba_one`.

        Args:
            records: Of each sample the names of its features and their values, in the same order.

        Returns:
            A row a sample, a column a class, in the order of `classes`.
        """
        classes = len(self.classes)
        if classes < 2:
            return np.ones((len(records), classes))
        return self.probabilities(self.columns.encode(records))

    def probabilities(self, rows: Rows) -> Floats:
        """The probabilities of rows, for two classes or more."""
        found = self.scores(rows, len(self.classes))
        if not found:
            return np.full((len(rows), len(self.classes)), 1.0 / len(self.classes))
        total = found[0].copy()
        for prediction in found[1:]:
            total += prediction
        return normalised(total)

    def forget(self, tokens: Ints) -> None:
        """Forget what is known of these tokens."""

    def learn_rows(self, rows: Sequence[tuple[Rows, int]], classes: int) -> None:
        """Learn several examples, each a row and the number of its class."""
        for row, label in rows:
            self.learn_row(row, label, classes)

    @abstractmethod
    def learn_row(self, row: Rows, label: int, classes: int) -> None:
        """Learn one example."""

    @abstractmethod
    def scores(self, rows: Rows, classes: int) -> list[Floats]:
        """The probabilities of each prediction of the samples; an empty list while there is none."""


def normalised(scores: Floats) -> Floats:
    """Scores as shares of their sum, over the classes, which are the last axis."""
    probabilities: Floats = scores / scores.sum(axis=-1, keepdims=True)
    return probabilities


def softmax(logs: Floats) -> Floats:
    """Probabilities from logarithms of scores, over the classes, which are the last axis."""
    return normalised(np.exp(logs - logs.max(axis=-1, keepdims=True)))
