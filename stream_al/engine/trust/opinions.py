"""Opinions: what is known of the class of one sample, from annotators and from the model.

Classes are compared by their key: the text that stands for a class in the probabilities of a prediction
(`stream_al.class_names`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from stream_al.messages import ClassLabel, encode, label_text

__all__ = ["Given", "Opinions", "class_key", "most_probable"]


@dataclass(frozen=True, slots=True)
class Given:
    """A label, and who gave it; None if nobody has said."""

    annotator: str | None
    label: ClassLabel


@dataclass(frozen=True, slots=True)
class Opinions:
    """What is known of one sample.

    Attributes:
        labels: Its labels, the first one first.
        probabilities: What the model predicted before it learned any of them, by the key of the class. It may
            lack improbable classes, whose probability counts as 0.
        classes: How many classes there are, at least 2.
    """

    labels: tuple[Given, ...]
    probabilities: Mapping[str, float]
    classes: int

    def keys(self) -> list[str]:
        """The key of each label."""
        return [class_key(given.label, self.probabilities) for given in self.labels]

    def majority(self) -> str:
        """The key that most labels have; of equals the one that the model holds for more probable.

        >>> labels = (Given("ann", "ham"), Given("bob", "spam"))
        >>> Opinions(labels, {"ham": 0.3, "spam": 0.7}, 2).majority()
        'spam'
        """
        counts = Counter(self.keys())
        return max(counts, key=lambda key: (counts[key], self.probabilities.get(key, 0.0)))

    @property
    def disputed(self) -> bool:
        """Whether two labels are most frequent, so that the labels alone decide nothing."""
        counts = sorted(Counter(self.keys()).values(), reverse=True)
        return len(counts) > 1 and counts[0] == counts[1]


def class_key(label: ClassLabel, probabilities: Mapping[str, float]) -> str:
    """The key of a class in probabilities.

    >>> class_key(1, {"1": 0.5}), class_key("1", {"1": 0.5}), class_key("1", {"1": 0.5, '"1"': 0.5})
    ('1', '1', '"1"')
    """
    if isinstance(label, str) and (quoted := encode(label).decode()) in probabilities:
        return quoted
    return label_text(label)


def most_probable(probabilities: Mapping[str, float]) -> str | None:
    """The key of the most probable class, the first of equals; None without any."""
    return max(probabilities, key=probabilities.__getitem__, default=None)
