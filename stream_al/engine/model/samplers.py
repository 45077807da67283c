"""Samplers: River's wrappers against imbalance, which name the classes.

    RandomUnderSampler   learns fewer examples of the classes that are too frequent
    RandomOverSampler    learns examples of rare classes several times
    RandomSampler        both

Each takes the shares that the classes should have: `desired_dist={'fraud': 0.3, 'fine': 0.7}`. So it has to
see the classes as the annotators write them, while the classifier in it may know only False and True, or only
classes of one kind (`engine.model.classes`). `Renamed` stands between the two. A class without a share is
refused with a sentence that says what to write.

An expression that names a sampler gets it from here; a factory may import it.
"""

from __future__ import annotations

from typing import Any

from river import base, imblearn

from stream_al.engine.model.classes import Classes
from stream_al.errors import BadMessage
from stream_al.messages import ClassLabel

__all__ = ["SAMPLERS", "RandomOverSampler", "RandomSampler", "RandomUnderSampler", "Renamed"]


class Renamed(base.Wrapper, base.Classifier):  # type: ignore[type-arg]  # generic in its stub alone
    """A classifier that learns other names of the classes than its caller gives.

    Args:
        classifier: The classifier.

    >>> from river.linear_model import LogisticRegression
    >>> renamed = Renamed(LogisticRegression())
    >>> for x, label in [(0.0, "fine"), (9.0, "fraud")] * 9:
    ...     renamed.learn_one({"x": x}, label)
    >>> renamed.predict_one({"x": 9.0})
    'fraud'
    """

    def __init__(self, classifier: Any) -> None:
        self.classifier = classifier
        self._names = Classes(binary=not classifier._multiclass, model=str(classifier))

    @property
    def _wrapped_model(self) -> Any:
        return self.classifier

    @property
    def _multiclass(self) -> bool:
        return True  # it refuses a class that its classifier cannot learn

    def learn_one(self, x: dict[Any, Any], y: Any) -> None:
        """Learn one example. Raises BadMessage as `Classes.admit` says."""
        self._names.admit(y)
        self.classifier.learn_one(x, self._names.target(y))
        self._names.count(y)

    def predict_proba_one(self, x: dict[Any, Any], **kwargs: Any) -> dict[Any, float]:
        """The probability of each class learned."""
        found = self.classifier.predict_proba_one(x, **kwargs)
        return {label: found.get(self._names.target(label), 0.0) for label in self._names.counts}


class RandomUnderSampler(imblearn.RandomUnderSampler):
    """`imblearn.RandomUnderSampler`, whose shares are of the classes as annotators write them."""

    def __init__(self, classifier: Any, desired_dist: dict[Any, float], seed: int | None = None) -> None:
        super().__init__(_renamed(classifier), desired_dist, seed)

    def learn_one(self, x: dict[Any, Any], y: Any, **kwargs: Any) -> None:
        """Learn one example. Raises BadMessage for a class without a share."""
        _require_share(self, y)
        super().learn_one(x, y, **kwargs)  # type: ignore[no-untyped-call]


class RandomOverSampler(imblearn.RandomOverSampler):
    """`imblearn.RandomOverSampler`, whose shares are of the classes as annotators write them.

    >>> from river.linear_model import LogisticRegression
    >>> sampler = RandomOverSampler(LogisticRegression(), {"fraud": 0.5, "fine": 0.5}, seed=1)
    >>> for x, label in [(0.0, "fine"), (1.0, "fine"), (9.0, "fraud")] * 9:
    ...     sampler.learn_one({"x": x}, label)
    >>> sampler.predict_one({"x": 9.0})
    'fraud'
    """

    def __init__(self, classifier: Any, desired_dist: dict[Any, float], seed: int | None = None) -> None:
        super().__init__(_renamed(classifier), desired_dist, seed)

    def learn_one(self, x: dict[Any, Any], y: Any, **kwargs: Any) -> None:
        """Learn one example. Raises BadMessage for a class without a share."""
        _require_share(self, y)
        super().learn_one(x, y, **kwargs)  # type: ignore[no-untyped-call]


class RandomSampler(imblearn.RandomSampler):
    """`imblearn.RandomSampler`, whose shares are of the classes as annotators write them."""

    def __init__(
        self,
        classifier: Any,
        desired_dist: dict[Any, float] | None,
        sampling_rate: float = 1.0,
        seed: int | None = None,
    ) -> None:
        super().__init__(_renamed(classifier), desired_dist, sampling_rate, seed)  # type: ignore[arg-type]

    def learn_one(self, x: dict[Any, Any], y: Any, **kwargs: Any) -> None:
        """Learn one example. Raises BadMessage for a class without a share."""
        if self.desired_dist is not self._actual_dist:  # without shares, those of the stream count
            _require_share(self, y)
        super().learn_one(x, y, **kwargs)  # type: ignore[no-untyped-call]


SAMPLERS: dict[str, type] = {
    f"imblearn.{sampler.__name__}": sampler
    for sampler in (RandomUnderSampler, RandomOverSampler, RandomSampler)
}


def _renamed(classifier: Any) -> Renamed:
    """The classifier with names of its own; River's clones of a sampler have it already."""
    return classifier if isinstance(classifier, Renamed) else Renamed(classifier)


def _require_share(sampler: Any, label: ClassLabel) -> None:
    if label not in sampler.desired_dist:
        raise BadMessage(
            "model_error",
            f"{type(sampler).__name__} has no share for the class {label!r:.60}: give one to each class in "
            "desired_dist, a class in quotes if it is a text",
        )
