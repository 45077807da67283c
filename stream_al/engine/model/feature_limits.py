"""Feature limits: the features of one classifier, held within the limits of its model.

They are the names of features (`engine.samples.known_features`) and the words of texts
(`engine.model.river_patches.WordBound`). A classifier that takes longer for each of them may learn fewer.
`auto` and its members have an encoder with limits of its own, so their features pass unchanged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream_al.engine.learners.base import RowClassifier
from stream_al.engine.model.introspection import has_copy_for_each_class, parts
from stream_al.engine.model.river_patches import WordBound, Words
from stream_al.engine.samples.known_features import KnownFeatures

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stream_al.engine.model.classifier import Classifier
    from stream_al.engine.model.limits import Limits
    from stream_al.messages import ClassLabel

__all__ = ["FeatureLimits"]

CLASSES_AT_ONCE = 4


class FeatureLimits:
    """The features that a classifier may learn. Its parts that read words are bounded from here on.

    Args:
        classifier: The classifier.
        limits: The limits of the model.

    Attributes:
        fingerprint: What the limits of the model are to this classifier.
        words: How many words its parts know, and take of a text.
        known: The names that it has met; None for a classifier that limits itself.
    """

    def __init__(self, classifier: Classifier, limits: Limits) -> None:
        names = max(1, limits.features // classifier.cost)
        pairs = max(1, limits.pairs // classifier.pair_cost)
        self._pair_cost = classifier.pair_cost
        self.words = WordBound(names, classifier.pair_cost)
        for part in parts(classifier.river):
            if isinstance(part, Words):
                part.bound = self.words
        self.known: KnownFeatures | None = None
        self.fingerprint: object = limits.classes
        if not isinstance(classifier.river, RowClassifier):
            every = has_copy_for_each_class(classifier.river)
            self.known = KnownFeatures(names, pairs, in_every_class=every)
            self.fingerprint = (limits.classes, names, pairs)

    def fit(self, classes: int) -> None:
        """Bound the words by the number of classes."""
        self.words.fit(classes)

    def admitted(self, features: Mapping[str, object], label: ClassLabel) -> Mapping[str, object]:
        """The features of an example that are learned; new names become known."""
        return features if self.known is None else self.known.admitted(features, label)

    def used(self, features: Mapping[str, object]) -> Mapping[str, object]:
        """The features that the classifier gets for a prediction."""
        return features if self.known is None else self.known.used(features)

    def is_too_wide(self, number: int) -> bool:
        """Whether of a record with as many features not all are used."""
        return self.known is not None and self.known.is_too_wide(number)

    def relative_work(self, classes: int) -> float:
        """How many times as long a value takes as in `auto`: more for each class of a River model."""
        return 1.0 if self.known is None else max(1.0, classes * self._pair_cost / CLASSES_AT_ONCE)

    def left_out(self) -> dict[str, str]:
        """The features that were not learned, with the reason: how many, since their names are not kept."""
        if self.known is None or not self.known.left_out:
            return {}
        return {"*": f"{self.known.left_out} times there was no room (model.max_features, model.max_pairs)"}
