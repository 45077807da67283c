"""Scoring: the probabilities of a whole table at once, for models that are arithmetic on a row.

    LogisticRegression   p(True) = 1 / (1 + exp(-(w x + b)))
    SoftmaxRegression    p(c)    = exp(w_c x) / sum over classes
    GaussianNB           p(c)    = prior(c) prod_i (N(x_i; c) + 1e-9) / sum over classes

each with or without a `StandardScaler` before it. These are River's own formulas over River's own numbers,
read out of the model as it stands; River is asked sample by sample for everything else. River's batches
(`predict_proba_many`) want a data frame from another library, take three to fifty times as long, and are
there for fewer models. A test holds each scorer against River: the two agree to 1e-12, to which every
probability is rounded (`engine.model.predictions`).

A scorer keeps nothing: it reads the model as it stands when it is asked, and of it what the features of a
table need, so a model of a million words costs no more than those that occur.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from math import log, pi, sqrt
from typing import Any

import numpy as np
from river import compose, linear_model, naive_bayes, optim

from stream_al.engine.model.river_patches import StandardScaler
from stream_al.engine.samples.table import Floats, Table

__all__ = ["Scorer", "scorer"]

FARTHEST = 30.0  # beyond it, River's sigmoid is 0 or 1
TINY = 1e-9  # added to every density by River's naive Bayes


class Scorer(ABC):
    """Probabilities of tables.

    Args:
        scaler: What comes before the classifier, if anything does.
    """

    def __init__(self, scaler: Any) -> None:
        self.scaler = scaler

    def scores(self, table: Table) -> Mapping[Hashable, Floats]:
        """What the classifier gives each of its classes, a number a sample; the classes as River calls them.

        Numbers that are too large for arithmetic end as NaN; whoever asked has to look.
        """
        values = table.values
        with np.errstate(all="ignore"):
            if self.scaler is not None:
                mean, rate = self._scale(table.names)
                values = (values - mean[table.columns]) * rate[table.columns]
            return self._score(table, values)

    def _scale(self, names: list[str]) -> tuple[Floats, Floats]:
        """Mean and reciprocal deviation of each feature; what has no variance becomes 0."""
        means, variances = self.scaler.means, self.scaler.vars
        known = [variances.get(name, 0.0) for name in names]
        rates = _floats([1.0 / sqrt(v) if v > 0.0 else 0.0 for v in known])
        return _floats([means.get(name, 0.0) for name in names]), rates

    @abstractmethod
    def _score(self, table: Table, values: Floats) -> Mapping[Hashable, Floats]:
        """The masses, from the table's values as they are scaled."""


class _Logistic(Scorer):
    def __init__(self, scaler: Any, river: Any) -> None:
        super().__init__(scaler)
        self.weights, self.intercept = river._weights, river.intercept

    def _score(self, table: Table, values: Floats) -> Mapping[Hashable, Floats]:
        logits = _dot(table, values, self.weights) + self.intercept
        true = 1.0 / (1.0 + np.exp(-logits))
        true[logits > FARTHEST] = 1.0
        true[logits < -FARTHEST] = 0.0
        return {False: 1.0 - true, True: true}


class _Softmax(Scorer):
    def __init__(self, scaler: Any, river: Any) -> None:
        super().__init__(scaler)
        self.weights = river.weights

    def _score(self, table: Table, values: Floats) -> Mapping[Hashable, Floats]:
        return _exponentials({label: _dot(table, values, known) for label, known in self.weights.items()})


class _GaussianNB(Scorer):
    def __init__(self, scaler: Any, river: Any) -> None:
        super().__init__(scaler)
        self.counts, self.gaussians = river.class_counts, river.gaussians

    def _score(self, table: Table, values: Floats) -> Mapping[Hashable, Floats]:
        logs, total, columns = {}, sum(self.counts.values()), table.columns
        for label, count in self.counts.items():
            known = self.gaussians.get(label, {})
            facts = _floats([_gaussian(known.get(name)) for name in table.names])[columns]
            z = (values - facts[:, 0]) * facts[:, 1]
            densities = np.exp(z * z / -2.0) * facts[:, 2]
            logs[label] = table.sums(np.log(TINY + densities)) + log(count / total)
        return _exponentials(logs)


def scorer(river: Any) -> Scorer | None:
    """The scorer of a model, None if it is none of these: then River itself is asked.

    >>> model = StandardScaler() | linear_model.LogisticRegression()
    >>> model.learn_one({"x": 1.0}, True)
    >>> type(scorer(model)).__name__, scorer(linear_model.Perceptron())
    ('_Logistic', None)
    """
    before, last = None, river
    if type(river) is compose.Pipeline:
        *steps, last = river.steps.values()
        if [type(step) for step in steps] not in ([], [StandardScaler]):
            return None
        before = steps[0] if steps else None
        if before is not None and not (before.with_std and before.window_size is None):
            return None
    if type(last) is linear_model.LogisticRegression and type(last.loss) is optim.losses.Log:
        return _Logistic(before, last)
    if type(last) is linear_model.SoftmaxRegression:
        return _Softmax(before, last)
    if type(last) is naive_bayes.GaussianNB:
        return _GaussianNB(before, last)
    return None


def _dot(table: Table, values: Floats, weights: Mapping[str, float]) -> Floats:
    """The product of each sample with the weights."""
    return table.sums(values * _floats([weights.get(name, 0.0) for name in table.names])[table.columns])


def _gaussian(known: Any) -> tuple[float, float, float]:
    """Mean, reciprocal deviation, density at the mean; without a variance the density is 0 everywhere."""
    variance = known._var.get() if known is not None and known.n_samples > 1 else 0.0
    if not variance > 0.0:
        return 0.0, 1.0, 0.0
    return known.mu, 1.0 / sqrt(variance), 1.0 / sqrt(2.0 * pi * variance)


def _exponentials(logs: Mapping[Hashable, Floats]) -> Mapping[Hashable, Floats]:
    """Logarithms of masses as masses, the largest of each sample 1."""
    if not logs:
        return {}
    most = np.maximum.reduce(list(logs.values()))
    return {label: np.exp(found - most) for label, found in logs.items()}


def _floats(values: Sequence[Any]) -> Floats:
    return np.asarray(values, dtype=np.float64)
