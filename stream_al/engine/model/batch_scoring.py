"""Batch scoring: the probabilities of a whole table at once, for models that are arithmetic on a row.

    LogisticRegression   p(True) = 1 / (1 + exp(-(w x + b)))
    SoftmaxRegression    p(c)    = exp(w_c x) / sum over classes
    GaussianNB           p(c)    = prior(c) prod_i (N(x_i; c) + 1e-9) / sum over classes

each with or without a `StandardScaler` before it. These are River's own formulas over River's own numbers,
read from the model as it is now; every other model predicts sample by sample. River's batches
(`predict_proba_many`) need a data frame of another library, take three to fifty times as long, and exist for
fewer models. A test compares each scorer with River: the two agree to 1e-12, to which every probability is
rounded (`engine.model.predictions`).

A scorer stores nothing. It reads the model at each call, and only those parts that the features of the table
need, so a model of a million words costs no more than the words that occur.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from math import log, pi, sqrt
from typing import Any

import numpy as np
from river import compose, linear_model, naive_bayes, optim

from stream_al.engine.model.bounds import bounded_table
from stream_al.engine.model.river_patches import StandardScaler
from stream_al.engine.samples.table import Floats, Sample, Table
from stream_al.errors import BadMessage

__all__ = ["Scorer", "part_scores", "scorer"]

FARTHEST = 30.0  # where River's sigmoid becomes 0 or 1
TINY = 1e-9  # added to every density by River's naive Bayes


class Scorer(ABC):
    """Probabilities of tables.

    Args:
        scaler: The scaler before the classifier; None if there is none.
    """

    def __init__(self, scaler: Any) -> None:
        self.scaler = scaler

    def scores(self, table: Table) -> Mapping[Hashable, Floats]:
        """The score of each class, a number a sample; classes are named as River names them.

        Where numbers are too large for arithmetic, scores are NaN; the caller has to check.
        """
        values = bounded_table(table.values)
        with np.errstate(all="ignore"):
            if self.scaler is not None:
                mean, rate = self._scale(table.names)
                values = (values - mean[table.columns]) * rate[table.columns]
            return self._score(table, values)

    def _scale(self, names: list[str]) -> tuple[Floats, Floats]:
        """Mean and reciprocal deviation of each feature; the latter is 0 without variance."""
        means, variances = self.scaler.means, self.scaler.vars
        known = [variances.get(name, 0.0) for name in names]
        rates = _floats([1.0 / sqrt(v) if v > 0.0 else 0.0 for v in known])
        return _floats([means.get(name, 0.0) for name in names]), rates

    @abstractmethod
    def _score(self, table: Table, values: Floats) -> Mapping[Hashable, Floats]:
        """The scores, from the scaled values of the table."""


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
    """The scorer of a model; None if there is none for it, so that River has to predict.

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


def part_scores(
    river: Any,
    samples: Sequence[Sample],
    targets: Sequence[object],
    *,
    one_by_one: Callable[[Mapping[str, object]], Sequence[float]],
    is_too_wide: Callable[[int], bool],
) -> tuple[Floats, dict[int, BadMessage]]:
    """The scores of many samples: as tables where there is a scorer, else sample by sample.

    Args:
        river: The model of River.
        samples: The samples.
        targets: The classes, as River names them.
        one_by_one: The scores of one sample, from its features. Raises BadMessage if River fails on them.
        is_too_wide: Whether a sample of so many features has to be scored alone.

    Returns:
        Scores, a row a sample and a column a class; and the failures, by the place of the sample.
    """
    scores = np.zeros((len(samples), len(targets)))
    failed: dict[int, BadMessage] = {}
    score = scorer(river)
    at_once = [
        place
        for place, sample in enumerate(samples)
        if score is not None and sample.shape.numeric and not is_too_wide(len(sample.shape.names))
    ]
    if score is not None and at_once:
        every = len(at_once) == len(samples)
        table = Table.of(samples if every else [samples[place] for place in at_once])
        for target, column in score.scores(table).items():
            if target in targets:
                scores[at_once, targets.index(target)] = column
    if len(at_once) < len(samples):
        for place in sorted(set(range(len(samples))) - set(at_once)):
            try:
                scores[place] = one_by_one(samples[place].features)
            except BadMessage as error:
                failed[place] = error.kept()
    return scores, failed


def _dot(table: Table, values: Floats, weights: Mapping[str, float]) -> Floats:
    """The product of each sample with the weights."""
    return table.sums(values * _floats([weights.get(name, 0.0) for name in table.names])[table.columns])


def _gaussian(known: Any) -> tuple[float, float, float]:
    """Mean, reciprocal deviation and density at the mean; without variance the density is 0 everywhere."""
    variance = known._var.get() if known is not None and known.n_samples > 1 else 0.0
    if not variance > 0.0:
        return 0.0, 1.0, 0.0
    return known.mu, 1.0 / sqrt(variance), 1.0 / sqrt(2.0 * pi * variance)


def _exponentials(logs: Mapping[Hashable, Floats]) -> Mapping[Hashable, Floats]:
    """The scores with these logarithms, scaled so that the largest of each sample is 1."""
    if not logs:
        return {}
    largest = np.maximum.reduce(list(logs.values()))
    return {label: np.exp(column - largest) for label, column in logs.items()}


def _floats(values: Sequence[Any]) -> Floats:
    return np.asarray(values, dtype=np.float64)
