"""Baselines: what a query strategy has to be better than, and what it cannot be.

baseline   | buys                                         | predicts
-----------|----------------------------------------------|----------------------------------
random     | as many labels as the budget allows, at      | with the model
           | uniformly random positions of the stream     |
periodic   | as many, one at the end of every stretch     | with the model
           | of 1 / budget samples                        |
last-label | as random                                    | the label that it learned last
majority   | as random                                    | the label that it learned most often
all-labels | every label                                  | with the model

Random says whether the choice of samples is worth anything; periodic, how much of that comes from spreading
labels evenly. Last-label needs no features: where it is hard to beat, labels come in runs, and accuracy
alone says little (Zliobaite et al.: Evaluation methods and decision theory for classification of streaming
data with temporal dependence, 2015). All-labels is what the labels that were saved would have been worth.

All of them get their labels as late, and as often wrong, as the strategies do.
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
"""What stands in the place of a budget manager."""

RANDOM, PERIODIC, LAST_LABEL = "random", "periodic", "last-label"
MAJORITY, ALL_LABELS = "majority", "all-labels"


class LastLabel:
    """Predicts the label that it learned last."""

    ready = True

    def __init__(self) -> None:
        self.examples = 0
        self.label: ClassLabel | None = None

    def probabilities(self, features: Mapping[str, object]) -> dict[ClassLabel, float]:
        """All on one label."""
        return {} if self.label is None else {self.label: 1.0}

    def learn(self, features: Mapping[str, object], label: ClassLabel) -> None:
        """Remember it."""
        self.examples += 1
        self.label = label


class Majority:
    """Predicts the label that it learned most often, the one learned first among equals."""

    ready = True

    def __init__(self) -> None:
        self.counts: Counter[ClassLabel] = Counter()

    @property
    def examples(self) -> int:
        """How many there were."""
        return self.counts.total()

    def probabilities(self, features: Mapping[str, object]) -> dict[ClassLabel, float]:
        """The shares of the labels learned."""
        number = self.counts.total()
        return {label: count / number for label, count in self.counts.items()}

    def learn(self, features: Mapping[str, object], label: ClassLabel) -> None:
        """Count it."""
        self.counts[label] += 1


def affordable(budget: float, samples: int) -> int:
    """How many labels a budget allows.

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
    """The last position of every stretch of 1 / budget samples.

    >>> sorted(periodic_positions(0.25, 10))
    [3, 7]
    """
    stretch = 1 / Fraction(str(budget))
    return {ceil(k * stretch) - 1 for k in range(1, affordable(budget, samples) + 1)}


def positions(baseline: str, budget: float, samples: int, seed: int) -> Collection[int]:
    """The positions whose label a baseline buys."""
    if baseline == ALL_LABELS:
        return range(samples)
    if baseline == PERIODIC:
        return periodic_positions(budget, samples)
    return random_positions(affordable(budget, samples), samples, seed)
