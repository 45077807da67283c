"""The scores of a class in a run: recall, precision and the labels bought of it.

Recall and precision are those of the whole stream, so for this stream they are exact. Their 95% intervals
(`engine.intervals`) say how far another stream of the same kind may differ: a recall over 12 samples says
little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from stream_al.engine.intervals import interval
from stream_al.engine.labels.rare_classes import FEW, SeenClass, advice
from stream_al.messages import ClassLabel

__all__ = ["ClassScore", "about_rare_classes", "mean_score", "mean_scores"]


@dataclass(frozen=True, slots=True)
class ClassScore:
    """What a run has done for one class.

    Attributes:
        label: The class.
        samples: The number of samples of the class.
        labels: The number of labels bought of it, by the truth.
        recall: Its recall.
        precision: Its precision.
        predicted: The number of samples predicted as it.
    """

    label: ClassLabel
    samples: int
    labels: int
    recall: float
    precision: float
    predicted: int = 0

    @property
    def recall_interval(self) -> tuple[float, float]:
        """The 95% interval of the recall."""
        return interval(self.recall, self.samples)

    @property
    def precision_interval(self) -> tuple[float, float] | None:
        """The 95% interval of the precision; None if no sample is predicted as the class."""
        return interval(self.precision, self.predicted) if self.predicted else None

    def record(self) -> dict[str, Any]:
        """The scores, ready for JSON."""
        return {
            **asdict(self),
            "recall_interval": self.recall_interval,
            "precision_interval": self.precision_interval,
        }


def mean_score(scores: Sequence[ClassScore]) -> ClassScore:
    """The mean of what several runs have done for one class.

    >>> mean_score([ClassScore("spam", 9, 3, 0.5, 0.25, 4), ClassScore("spam", 9, 5, 1.0, 0.75, 6)])
    ClassScore(label='spam', samples=9, labels=4, recall=0.75, precision=0.5, predicted=5)
    """
    return ClassScore(
        label=scores[0].label,
        samples=scores[0].samples,
        labels=round(fmean(score.labels for score in scores)),
        recall=fmean(score.recall for score in scores),
        precision=fmean(score.precision for score in scores),
        predicted=round(fmean(score.predicted for score in scores)),
    )


def mean_scores(runs: Sequence[Sequence[ClassScore]]) -> list[ClassScore]:
    """The means over several runs on one stream, of each class, in the order of the first run."""
    return [mean_score(same) for same in zip(*runs, strict=True)]


def about_rare_classes(scores: Sequence[ClassScore], objective: str) -> str | None:
    """What to do about the rare classes that a run misses; None if there is nothing to do.

    A class with very few samples is left out, as nobody can learn it from this stream.
    """
    if len(scores) < 2:
        return None
    samples = sum(score.samples for score in scores)
    seen = [
        SeenClass(score.label, score.samples / samples, score.labels, score.recall)
        for score in scores
        if score.samples >= FEW
    ]
    return advice(seen, objective, bought=sum(score.labels for score in scores))
