"""The figures of a model: how good its predictions were, estimated over the whole stream.

An example carries the prediction that was made when its label was bought, and which model made it. After a
change of the model, all examples are learned by the new one, but their predictions are still those of the old
one. So the figures are kept apart by the version of the model:

    current    the predictions of this model
    previous   those of the model before it: the newest other version in the log

An example that does not say which model it was (a version is null) belongs to the previous one. Two versions
are kept, however many there were; examples of an older one than the previous no longer count.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from stream_al.engine.labels.class_figures import PerClass
from stream_al.engine.labels.evaluation import Accuracy
from stream_al.engine.labels.judge import same_label
from stream_al.messages import ClassLabel

__all__ = ["Evaluation", "Figures"]

RECENT = 0.995  # the decay of the recent accuracy, which covers about 200 examples


@dataclass(slots=True)
class Figures:
    """The figures of one version of the model.

    Attributes:
        version: The version; None if it is unknown.
        labels: How many labels were bought. Accuracy, recall and precision are estimated from those for whose
            samples a class was predicted.
        overall: Accuracy over the whole stream.
        recent: The same, with fading memory.
        per_class: Recall and precision of each class over the whole stream.
    """

    version: str | None = None
    labels: int = 0
    overall: Accuracy = field(default_factory=Accuracy)
    recent: Accuracy = field(default_factory=lambda: Accuracy(decay=RECENT))
    per_class: PerClass = field(default_factory=PerClass)

    @property
    def predicted(self) -> float | None:
        """The share of the stream for which a class was predicted, estimated; None without labels.

        The accuracy says nothing about the rest.

        >>> figures = Figures()
        >>> for predicted in (None, "ham", "ham"):
        ...     correct = figures.update("ham", predicted, propensity=0.5)
        >>> figures.predicted, figures.overall.estimate().accuracy
        (0.6666666666666666, 1.0)
        """
        weight = self.per_class.weight
        return self.overall.weight / weight if weight else None

    def update(self, label: ClassLabel, predicted: ClassLabel | None, *, propensity: float) -> bool:
        """Count one label that was bought; return whether there was a prediction and it was right.

        Args:
            label: The label.
            predicted: What was predicted when it was queried; None without a prediction.
            propensity: The probability with which the sample was selected, in (0, 1].
        """
        self.labels += 1
        self.per_class.update(label, predicted, propensity=propensity)
        if predicted is None:
            return False
        correct = same_label(predicted, label)
        self.overall.update(correct=correct, propensity=propensity)
        self.recent.update(correct=correct, propensity=propensity)
        return correct


@dataclass(slots=True)
class Evaluation:
    """The figures of the model, and of the one before it.

    Attributes:
        current: Those of the model.
        previous: Those of the model before it; None if there was none.

    >>> evaluation = Evaluation(Figures("new"))
    >>> for version in ("older", "old", "new", None, "new"):
    ...     figures = evaluation.of(version)
    ...     correct = figures.update("spam", "spam", propensity=1.0)
    >>> evaluation.current.labels, evaluation.previous.version, evaluation.previous.labels
    (2, None, 1)
    """

    current: Figures = field(default_factory=Figures)
    previous: Figures | None = None

    def of(self, version: str | None) -> Figures:
        """The figures to which a prediction of this version belongs."""
        if version is not None and version == self.current.version:
            return self.current
        if self.previous is None or self.previous.version != version:
            self.previous = Figures(version)
        return self.previous
