"""Accuracy on the whole stream, estimated from the labels that were bought, with its interval.

The labels bought are no fair sample: they hold too many uncertain samples, and plain accuracy over them is
wrong by many points. Every selected sample carries the probability p with which it was selected, so each one
represents 1/p arrivals (Horvitz, Thompson 1952). With weights w = 1/p, and c = 1 where the prediction made at
the query was right, the self-normalised estimate (Hajek 1971) is

    accuracy = sum(w c) / sum(w)

The interval is Wilson's at Kish's effective size (`engine.intervals`).

The predictions that are compared are those of the queries, made before their labels were learned: the
evaluation is prequential.

A sample counts only if a class was predicted for it. Where labels come hours or days late, all that is asked
about until then is asked about by a model that knows no class. To count this as errors would show an accuracy
near 0% with a narrow interval, of a model that may be right ever since, for as long as the sums are kept.
"""

from __future__ import annotations

from dataclasses import dataclass

from stream_al.engine.intervals import interval

__all__ = ["Accuracy", "Estimate"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """Accuracy over all arrivals, with a 95% interval.

    Attributes:
        accuracy: The estimate, in [0, 1].
        low: Lower end of the interval.
        high: Upper end.
        effective: How many labels of samples drawn uniformly would be as certain.
    """

    accuracy: float
    low: float
    high: float
    effective: float


@dataclass(slots=True)
class Accuracy:
    """Running sums for the estimate.

    Args:
        decay: The factor by which earlier examples fade with each new one; 1 forgets nothing.

    >>> accuracy = Accuracy()
    >>> accuracy.estimate() is None
    True
    >>> accuracy.update(correct=True, propensity=0.01)  # represents 100 arrivals
    >>> accuracy.update(correct=False, propensity=1.0)  # represents itself
    >>> round(accuracy.estimate().accuracy, 2)
    0.99
    """

    decay: float = 1.0
    weight: float = 0.0
    weight_squared: float = 0.0
    weight_correct: float = 0.0

    def update(self, *, correct: bool, propensity: float) -> None:
        """Count one example, whose sample was selected with probability `propensity`, in (0, 1]."""
        w = 1.0 / propensity
        self.weight = self.weight * self.decay + w
        self.weight_squared = self.weight_squared * self.decay**2 + w * w
        self.weight_correct = self.weight_correct * self.decay + w * correct

    def estimate(self) -> Estimate | None:
        """The estimate so far; None before the first example."""
        if not self.weight:
            return None
        n = self.weight**2 / self.weight_squared
        mean = self.weight_correct / self.weight
        return Estimate(mean, *interval(mean, n), n)
