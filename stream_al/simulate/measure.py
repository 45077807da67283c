"""What came out of a run, in numbers.

Every number is prequential: it is made of the predictions for all samples, each given before its label could
be known, and no prediction is a wrong one.

- Accuracy, the share of right predictions.
- Cohen's kappa, accuracy above what the same predictions would reach if they were shuffled:
  (accuracy - chance) / (1 - chance), chance = sum over classes of P(true) P(predicted)
  (Cohen: A Coefficient of Agreement for Nominal Scales, 1960). 0 where chance is 1.
- G-mean, the geometric mean of the recalls of all classes (Kubat, Matwin: Addressing the Curse of
  Imbalanced Training Sets, 1997); 0 as soon as one class is never recognised.
- The worst window: the largest number of labels bought in any `STRETCHES / budget` samples in a row, divided
  by `STRETCHES`, the number that the budget allows in them. 1 is a budget kept everywhere; a manager that
  buys one label in each stretch of 1 / budget samples has at most 1 + 1 / STRETCHES, since such a window may
  touch one stretch more; 5 is a burst of five times the budget.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil, exp, log

from stream_al.engine.labels.judge import same_label
from stream_al.messages import ClassLabel

__all__ = ["STRETCHES", "Confusion", "Point", "curve", "worst_window"]

STRETCHES = 10
POINTS = 200


@dataclass(slots=True)
class Confusion:
    """Predictions held against the truth.

    >>> confusion = Confusion()
    >>> for truth, said in [("a", "a"), ("a", "a"), ("b", "a"), ("b", "b")]:
    ...     confusion.add(truth, said)
    >>> confusion.accuracy, confusion.kappa, round(confusion.g_mean, 3)
    (0.75, 0.5, 0.707)
    """

    number: int = 0
    right: int = 0
    true: Counter[ClassLabel] = field(default_factory=Counter)
    said: Counter[ClassLabel | None] = field(default_factory=Counter)
    recognised: Counter[ClassLabel] = field(default_factory=Counter)

    def add(self, truth: ClassLabel, said: ClassLabel | None) -> None:
        """Count one prediction."""
        self.number += 1
        self.true[truth] += 1
        self.said[said] += 1
        if said is not None and same_label(said, truth):
            self.right += 1
            self.recognised[truth] += 1

    @property
    def accuracy(self) -> float:
        """The share of right predictions."""
        return self.right / self.number if self.number else 0.0

    @property
    def kappa(self) -> float:
        """Cohen's kappa."""
        if not self.number:
            return 0.0
        chance = sum(count * self.said[label] for label, count in self.true.items()) / self.number**2
        return (self.accuracy - chance) / (1.0 - chance) if chance < 1.0 else 0.0

    @property
    def g_mean(self) -> float:
        """The geometric mean of the recalls of the classes met."""
        if not self.number or len(self.recognised) < len(self.true):
            return 0.0
        recalls = (self.recognised[label] / count for label, count in self.true.items())
        return exp(sum(map(log, recalls)) / len(self.true))


@dataclass(frozen=True, slots=True)
class Point:
    """How things stood after some samples.

    Attributes:
        samples: Samples predicted.
        labels: Labels bought.
        accuracy: Over those samples.
        kappa: Over those samples.
        g_mean: Over those samples.
    """

    samples: int
    labels: int
    accuracy: float
    kappa: float
    g_mean: float


def curve(
    truth: Sequence[ClassLabel], predicted: Sequence[ClassLabel | None], bought: Sequence[int]
) -> list[Point]:
    """How a run went, at evenly spaced samples; the last point is the whole run.

    Args:
        truth: The labels.
        predicted: The predictions.
        bought: The positions of the labels bought, ascending.
    """
    number = len(truth)
    marks = {ceil(number * k / POINTS) for k in range(1, POINTS + 1)}
    confusion, points, labels = Confusion(), [], 0
    for done, (true, said) in enumerate(zip(truth, predicted, strict=True), 1):
        confusion.add(true, said)
        if done in marks:
            while labels < len(bought) and bought[labels] < done:
                labels += 1
            points.append(Point(done, labels, confusion.accuracy, confusion.kappa, confusion.g_mean))
    return points


def worst_window(bought: Sequence[int], samples: int, budget: float) -> float:
    """The largest share bought in any window, relative to the budget; see the top of this module.

    Args:
        bought: Positions, ascending.
        samples: The length of the stream; one shorter than a window is a window.
        budget: The share asked.

    >>> worst_window(range(0, 1000, 10), 1000, 0.1), worst_window(range(30), 1000, 0.1)
    (1.0, 3.0)
    """
    window = min(samples, ceil(STRETCHES / budget))
    most = first = 0
    for last, position in enumerate(bought):
        while bought[first] <= position - window:
            first += 1
        most = max(most, last - first + 1)
    return most / (budget * window) if window else 0.0
