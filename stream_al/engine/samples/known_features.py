"""Known features: how many names a River model may meet.

River keeps something for each name of a feature, and most of its models for each name and class. A stream
with new names in every record makes such a model grow without end: 150 classes with 2,000 names each took a
`GaussianNB` from 145 MB to 1,170 MB. So two numbers are bounded:

    names    distinct names, over all classes
    pairs    distinct pairs of a class and a name that came with it

A name or a pair beyond a bound is left out of the example, and the rest of the example is learned. What
came first stays, so the choice depends on the examples and their order alone, as everything in the fold does.
Names count even if River fails on the example, since it may have learned a part of it.

*Time has bounds too.* The event loop stands still while River learns or predicts, and what that takes grows
with the names of the record: in an ensemble for each member, and for a prediction often for each class. So

- the caller divides `max_names` by how much longer its model takes than a simple one;
- of a record with more than `max_names` names, or more than `max_pairs / classes`, only those are used that
  are known and among the first of that number, to learn and to predict.

The names are a part of the model: which features it learns next depends on them. So they are part of its
digest. They are kept in dictionaries, in the order in which they came, since a digest walks those in steps.

*Classes that learn every example.* Where each class has a classifier of its own that learns the examples of
all, such as in a `OneVsRestClassifier`, every name that is used is met by all classes. So no more names are
used than `max_pairs / classes`, in narrow records too: those that came first.

`auto` and its members need no such bounds: their encoder has its own (`engine.learners.encoder.columns`). The
words that a `BagOfWords` finds in a text are no features of the record. It bounds them itself
(`engine.model.river_patches`).
"""

from __future__ import annotations

from collections.abc import Mapping

from stream_al.messages import ClassLabel

__all__ = ["KnownFeatures"]


class KnownFeatures:
    """The names that a model has met.

    Args:
        max_names: Most distinct names.
        max_pairs: Most distinct pairs of a class and a name.
        in_every_class: Whether a name is met by all classes, whatever the label.

    Attributes:
        left_out: How often a feature was left out.

    >>> known = KnownFeatures(max_names=2, max_pairs=3)
    >>> known.admitted({"a": 1, "b": 2, "c": 3}, "up")
    {'a': 1, 'b': 2}
    >>> known.admitted({"a": 1, "b": 2}, "down"), known.left_out
    ({'a': 1}, 2)
    >>> known.used({"a": 1}), known.used({"a": 1, "b": 2}), known.used({"b": 1})
    ({'a': 1}, {'a': 1}, {'b': 1})
    """

    def __init__(self, max_names: int, max_pairs: int, *, in_every_class: bool = False) -> None:
        self.left_out = 0
        self._in_every_class = in_every_class
        self._max_names, self._max_pairs = max_names, max_pairs
        self._names: dict[str, int] = {}  # with its place in the order in which they came
        self._of_class: dict[ClassLabel, dict[str, None]] = {}
        self._pairs = 0

    def admitted(self, features: Mapping[str, object], label: ClassLabel) -> Mapping[str, object]:
        """The features of an example of a class, without those for which there is no room."""
        met = self._of_class.setdefault(label, {})
        if met.keys() >= features.keys() and not self.is_too_wide(len(features)):  # nearly always
            return features
        for name in features:
            if name in met or self._pairs >= self._max_pairs:
                continue
            if name not in self._names:
                if len(self._names) >= (self._most if self._in_every_class else self._max_names):
                    continue
                self._names[name] = len(self._names)
            met[name] = None
            self._pairs += 1
        kept = self.used({name: value for name, value in features.items() if name in met})
        self.left_out += len(features) - len(kept)
        return kept

    def is_too_wide(self, number: int) -> bool:
        """Whether not all of a record's features are used, for its number of them or whatever it has."""
        return self._in_every_class or number > self._most

    @property
    def _most(self) -> int:
        return min(self._max_names, self._max_pairs // max(1, len(self._of_class)))

    def used(self, features: Mapping[str, object]) -> Mapping[str, object]:
        """The features of a record that are used: all, unless they would take too long."""
        if not self.is_too_wide(len(features)):
            return features
        most = self._most
        return {name: value for name, value in features.items() if self._names.get(name, most) < most}
