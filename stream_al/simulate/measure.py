"""The measures of a run.

Every measure is prequential: it counts the predictions for all samples, each made before its label could be
known. A missing prediction counts as wrong.

- Accuracy is the share of correct predictions.
- Cohen's kappa is the accuracy above what the same predictions would reach if they were shuffled:
  (accuracy - chance) / (1 - chance), chance = sum over classes of P(true) P(predicted)
  (Cohen: A Coefficient of Agreement for Nominal Scales, 1960). It is 0 where chance is 1.
- G-mean is the geometric mean of the recalls of all classes (Kubat, Matwin: Addressing the Curse of
  Imbalanced Training Sets, 1997). It is 0 if one class is never recognised.
- Recall and precision of a class are the shares of correct predictions among the samples of the class and
  among the samples predicted as it. Without a sample predicted as it, its precision is 0. The rarest class is
  the one with the fewest samples in the stream.
- The worst window is the largest number of labels bought in any `INTERVALS / budget` samples in a row,
  divided by `INTERVALS`, the number that the budget allows in them. It is 1 if the budget is kept
  everywhere, and 5 for a burst of five times the budget. A manager that buys one label in each interval of
  1 / budget samples has at most 1 + 1 / INTERVALS, because the window may touch one interval more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, exp, log

from stream_al.engine.labels.judge import same_label
from stream_al.messages import ClassLabel
from stream_al.simulate.class_scores import ClassScore

__all__ = ["INTERVALS", "Confusion", "Point", "curve", "worst_window"]

INTERVALS = 10
POINTS = 200


@dataclass(slots=True)
class Confusion:
    """Counts of predictions and true labels.

    >>> confusion = Confusion()
    >>> for truth, predicted in [("a", "a"), ("a", "a"), ("b", "a"), ("b", "b")]:
    ...     confusion.add(truth, predicted)
    >>> confusion.accuracy, confusion.kappa, round(confusion.g_mean, 3)
    (0.75, 0.5, 0.707)
    """

    number: int = 0
    correct: int = 0
    true: Counter[ClassLabel] = field(default_factory=Counter)
    predicted: Counter[ClassLabel | None] = field(default_factory=Counter)
    recognised: Counter[ClassLabel] = field(default_factory=Counter)

    def add(self, truth: ClassLabel, predicted: ClassLabel | None) -> None:
        """Count one prediction."""
        self.number += 1
        self.true[truth] += 1
        self.predicted[predicted] += 1
        if predicted is not None and same_label(predicted, truth):
            self.correct += 1
            self.recognised[truth] += 1

    @property
    def accuracy(self) -> float:
        """The share of correct predictions."""
        return self.correct / self.number if self.number else 0.0

    @property
    def kappa(self) -> float:
        """Cohen's kappa."""
        if not self.number:
            return 0.0
        chance = sum(count * self.predicted[label] for label, count in self.true.items()) / self.number**2
        return (self.accuracy - chance) / (1.0 - chance) if chance < 1.0 else 0.0

    @property
    def g_mean(self) -> float:
        """The geometric mean of the recalls of the classes that occurred."""
        if not self.number or len(self.recognised) < len(self.true):
            return 0.0
        recalls = (self.recognised[label] / count for label, count in self.true.items())
        return exp(sum(map(log, recalls)) / len(self.true))

    def classes(self, bought: Mapping[ClassLabel, int]) -> list[ClassScore]:
        """The scores of the classes that occurred, the rarest first; among equals, the one that came first.

        Args:
            bought: The number of labels bought of each class.
        """
        return [
            ClassScore(
                label,
                samples=count,
                labels=bought.get(label, 0),
                recall=self.recognised[label] / count,
                precision=self.recognised[label] / max(1, self.predicted[label]),
                predicted=self.predicted[label],
            )
            for label, count in sorted(self.true.items(), key=lambda item: item[1])
        ]


@dataclass(frozen=True, slots=True)
class Point:
    """The measures after some samples.

    Attributes:
        samples: The number of samples predicted.
        labels: The number of labels bought.
        accuracy: The accuracy over these samples.
        kappa: Cohen's kappa over these samples.
        g_mean: The G-mean over these samples.
    """

    samples: int
    labels: int
    accuracy: float
    kappa: float
    g_mean: float


def curve(
    truth: Sequence[ClassLabel], predicted: Sequence[ClassLabel | None], bought: Sequence[int]
) -> tuple[list[Point], Confusion]:
    """The measures at evenly spaced samples, the last of them at the end; and the counts of the whole run.

    Args:
        truth: The true labels.
        predicted: The predictions.
        bought: The positions of the labels bought, ascending.
    """
    number = len(truth)
    marks = {ceil(number * k / POINTS) for k in range(1, POINTS + 1)}
    confusion, points, labels = Confusion(), [], 0
    for done, (true, prediction) in enumerate(zip(truth, predicted, strict=True), 1):
        confusion.add(true, prediction)
        if done in marks:
            while labels < len(bought) and bought[labels] < done:
                labels += 1
            points.append(Point(done, labels, confusion.accuracy, confusion.kappa, confusion.g_mean))
    return points, confusion


def worst_window(bought: Sequence[int], samples: int, budget: float) -> float:
    """The largest share of labels bought in any window, relative to the budget; see the top of this module.

    Args:
        bought: The positions of the labels bought, ascending.
        samples: The length of the stream. A stream shorter than a window is one window.
        budget: The share allowed.

    >>> worst_window(range(0, 1000, 10), 1000, 0.1), worst_window(range(30), 1000, 0.1)
    (1.0, 3.0)
    """
    window = min(samples, ceil(INTERVALS / budget))
    most = first = 0
    for last, position in enumerate(bought):
        while bought[first] <= position - window:
            first += 1
        most = max(most, last - first + 1)
    return most / (budget * window) if window else 0.0
