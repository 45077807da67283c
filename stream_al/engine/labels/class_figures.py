"""Recall and precision of each class on the whole stream, estimated from the labels that were bought.

A class that is rare hardly moves the accuracy: with 3% fraud, a model that never says fraud has 97%. Two
figures show what it does for a class:

    recall      the share of the samples of the class that are predicted as it
    precision   the share of the samples predicted as the class that are of it

Each is an accuracy over a part of the stream: the samples whose label, or whose prediction, is the class. So
the estimate and the interval of `evaluation` serve for both, over the labels of that part. A sample for which
an untrained model had no prediction counts for neither (`evaluation` says why); its label is counted.

*Bounded.* The first `MOST` classes of the stream have figures of their own, and all further ones are counted
together: a sample of any of them is predicted correctly if its own class is predicted. An example costs the
update of two sums, whatever the number of classes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from stream_al.engine.labels.evaluation import Accuracy
from stream_al.engine.labels.judge import same_label
from stream_al.messages import ClassLabel

__all__ = ["MOST", "ClassFigures", "PerClass"]

MOST = 50


@dataclass(slots=True)
class ClassFigures:
    """The figures of one class.

    Attributes:
        labels: How many labels of the class were bought.
        weight: How many samples of the stream they stand for, with a prediction or without.
        recall: Of the samples of the class.
        precision: Of the samples predicted as the class.
    """

    labels: int = 0
    weight: float = 0.0
    recall: Accuracy = field(default_factory=Accuracy)
    precision: Accuracy = field(default_factory=Accuracy)


@dataclass(slots=True)
class PerClass:
    """The figures of all classes.

    Attributes:
        classes: The figures of the first `MOST` classes, by class.
        others: The figures of all further classes together.

    >>> figures = PerClass()
    >>> figures.update("spam", "ham", propensity=0.5)
    >>> figures.update("spam", "spam", propensity=1.0)
    >>> spam = figures.classes["spam"]
    >>> spam.labels, round(spam.recall.estimate().accuracy, 2), spam.precision.estimate().accuracy
    (2, 0.33, 1.0)
    """

    classes: dict[ClassLabel, ClassFigures] = field(default_factory=dict)
    others: ClassFigures = field(default_factory=ClassFigures)

    def update(self, label: ClassLabel, predicted: ClassLabel | None, *, propensity: float) -> None:
        """Count one label that was bought.

        Args:
            label: The label.
            predicted: What was predicted when it was queried; None without a prediction.
            propensity: The probability with which the sample was selected, in (0, 1].
        """
        figures = self._of(label)
        figures.labels += 1
        figures.weight += 1.0 / propensity
        if predicted is None:
            return
        correct = same_label(predicted, label)
        figures.recall.update(correct=correct, propensity=propensity)
        self._of(predicted).precision.update(correct=correct, propensity=propensity)

    @property
    def weight(self) -> float:
        """How many samples of the stream all labels stand for, with a prediction or without."""
        return sum(one.weight for one in (*self.classes.values(), self.others))

    def _of(self, label: ClassLabel) -> ClassFigures:
        if label not in self.classes:
            if len(self.classes) >= MOST:
                return self.others
            self.classes[label] = ClassFigures()
        return self.classes[label]
