"""Baselines: simple rules to compare query strategies with.

baseline   | buys                                         | predicts
-----------|----------------------------------------------|----------------------------------
random     | as many labels as the budget allows, at      | with the model
           | uniformly random positions of the stream     |
periodic   | as many labels, one at the end of every      | with the model
           | interval of 1 / budget samples               |
last-label | as random                                    | the label that it learned last
majority   | as random                                    | the label that it learned most often
all-labels | every label                                  | with the model

Random shows whether the choice of samples is worth anything. Periodic shows how much of that comes from
spreading the labels evenly. Last-label uses no features: where it is hard to beat, equal labels follow each
other, and accuracy alone says little (Zliobaite et al.: Evaluation methods and decision theory for
classification of streaming data with temporal dependence, 2015). All-labels shows what all labels would have
been worth.

All baselines get their labels with the same delay and the same errors as the strategies.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from fractions import Fraction
from math import ceil

from stream_al.engine.randomness import uniform
from stream_al.messages import ClassLabel
from stream_al.simulate.run import identity

__all__ = [
    "ALL_LABELS",
    "BASELINE",
    "LAST_LABEL",
    "MAJORITY",
    "PERIODIC",
    "RANDOM",
    "LastLabel",
    "Majority",
    "affordable",
    "periodic_positions",
    "positions",
    "random_positions",
]

BASELINE = "baseline"
"""What a baseline has in the place of a budget manager."""

RANDOM, PERIODIC, LAST_LABEL = "random", "periodic", "last-label"
MAJORITY, ALL_LABELS = "majority", "all-labels"


class LastLabel:
    """Predicts the label that it learned last."""

    ready = True

    def __init__(self) -> None:
        self.examples = 0
        self.label: ClassLabel | None = None

    def probabilities(self, features: Mapping[str, object]) -> dict[ClassLabel, float]:
        """Probability 1 for the last label."""
        return {} if self.label is None else {self.label: 1.0}

    def learn(self, features: Mapping[str, object], label: ClassLabel) -> None:
        """Remember the label."""
        self.examples += 1
        self.label = label


class Majority:
    """Predicts the label that it learned most often; among equals, the one learned first."""

    ready = True

    def __init__(self) -> None:
        self.counts: Counter[ClassLabel] = Counter()

    @property
    def examples(self) -> int:
        """The number of labels learned."""
        return self.counts.total()

    def probabilities(self, features: Mapping[str, object]) -> dict[ClassLabel, float]:
        """The share of each label among those learned."""
        number = self.counts.total()
        return {label: count / number for label, count in self.counts.items()}

    def learn(self, features: Mapping[str, object], label: ClassLabel) -> None:
        """Count the label."""
        self.counts[label] += 1


def affordable(budget: float, samples: int) -> int:
    """The number of labels that a budget allows.

    >>> affordable(0.07, 100), affordable(0.5, 3)
    (7, 1)
    """
    return int(Fraction(str(budget)) * samples)


def random_positions(number: int, samples: int, seed: int) -> set[int]:
    """Uniformly random positions, the same for the same seed.

    >>> len(random_positions(3, 10, seed=1)), random_positions(2, 2, seed=1) == {0, 1}
    (3, True)
    """
    return set(sorted(range(samples), key=lambda p: uniform(seed, "random baseline", identity(p)))[:number])


def periodic_positions(budget: float, samples: int) -> set[int]:
    """The last position of every interval of 1 / budget samples.

    >>> sorted(periodic_positions(0.25, 10))
    [3, 7]
    """
    interval = 1 / Fraction(str(budget))
    return {ceil(k * interval) - 1 for k in range(1, affordable(budget, samples) + 1)}


def positions(baseline: str, budget: float, samples: int, seed: int) -> Collection[int]:
    """The positions of the samples whose label a baseline buys."""
    if baseline == ALL_LABELS:
        return range(samples)
    if baseline == PERIODIC:
        return periodic_positions(budget, samples)
    return random_positions(affordable(budget, samples), samples, seed)
