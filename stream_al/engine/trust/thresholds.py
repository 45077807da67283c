"""Scores of a label, by what the model predicted before it learned the label.

    self-confidence      p_y
    normalised margin    (p_y - the largest other p + 1) / 2
    suspicious           another class is the most probable one, and its probability reaches the threshold
                         t_k: the mean of p_k over the samples labelled k (confident learning: Northcutt,
                         Jiang, Chuang 2021)

The means fade, so that they follow a model that learns and a stream that drifts.

*What the scores are worth.* They compare a label with the model. Among labels bought at random they rank the
wrong ones well (area under the curve .83 to .86 with a tenth of wrong labels). Among labels that were bought
because the model doubted, a wrong label looks more like a hard sample (.73 to .79, and .63 with another
model; tests/benchmarks/README.md). So each suspicion says which kind of label it is about
(`engine.trust.suspects`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from stream_al.engine.trust.opinions import class_key, most_probable
from stream_al.messages import ClassLabel

__all__ = ["Thresholds", "normalised_margin", "self_confidence"]

DECAY = 0.998  # of the means, which so cover about the last 500 labels of each class
MOST = 1000  # classes with a threshold
UNKNOWN = 2.0  # the threshold of a class without labels, which no probability reaches


@dataclass(slots=True)
class Thresholds:
    """The threshold of each class.

    Args:
        decay: The factor by which earlier labels of a class fade with each new one; 1 forgets nothing.

    >>> thresholds = Thresholds()
    >>> for p in (0.9, 0.7):
    ...     thresholds.add("ham", {"ham": p, "spam": 1 - p})
    >>> round(thresholds.of("ham"), 2)
    0.8
    >>> thresholds.suspicious("spam", {"ham": 0.85, "spam": 0.15})
    True
    """

    decay: float = DECAY
    sums: dict[str, tuple[float, float]] = field(default_factory=dict)

    def of(self, key: str) -> float:
        """The threshold of a class; more than 1 if the class has no label."""
        weight, total = self.sums.get(key, (0.0, 0.0))
        return total / weight if weight else UNKNOWN

    def suspicious(self, label: ClassLabel, probabilities: Mapping[str, float]) -> bool:
        """Whether a label is suspicious by the labels before it."""
        most = most_probable(probabilities)
        return (
            most is not None
            and most != class_key(label, probabilities)
            and probabilities[most] >= self.of(most)
        )

    def add(self, label: ClassLabel, probabilities: Mapping[str, float]) -> None:
        """Count a label."""
        key = class_key(label, probabilities)
        if key in self.sums or len(self.sums) < MOST:
            weight, total = self.sums.get(key, (0.0, 0.0))
            self.sums[key] = (
                weight * self.decay + 1.0,
                total * self.decay + probabilities.get(key, 0.0),
            )


def self_confidence(label: ClassLabel, probabilities: Mapping[str, float]) -> float:
    """The probability of the label.

    >>> self_confidence("spam", {"ham": 0.75, "spam": 0.25})
    0.25
    """
    return probabilities.get(class_key(label, probabilities), 0.0)


def normalised_margin(label: ClassLabel, probabilities: Mapping[str, float]) -> float:
    """How much more probable the label is than any other class, from 0 to 1.

    >>> normalised_margin("spam", {"ham": 0.75, "spam": 0.25})
    0.25
    """
    key = class_key(label, probabilities)
    other = max((p for one, p in probabilities.items() if one != key), default=0.0)
    return (probabilities.get(key, 0.0) - other + 1.0) / 2.0
