"""The classes of a model: which ones there are, and what River calls them.

They come from the examples, in order of first appearance. `engine.labels.spelling` says
which labels name one class. A class is spelled as its first example spelled it.

River's trees sort the classes, so texts among numbers make a tree fail on every sample that it meets
thereafter. Therefore River gets targets of one kind, texts or numbers (truth values are numbers), by the kind
of the first class:

    a class of that kind     itself
    a class of the other     a stand-in of that kind: its text, or the next number that is not taken
    a value already taken    a stand-in, too

Targets depend on the order of first appearance alone, so all replicas give the same. A model without texts
among numbers gets every class as it is, which matters to code of the user's own.

A *binary* classifier knows only False and True. It gets these in place of the first two classes. A class that
equals False or True keeps its own value where that is possible. A third class is refused: a message that the
model cannot use, until its definition is changed.

A *named* model gets every class as it is, whatever its kind, because a part of it names classes
(`engine.model.samplers`).
"""

from __future__ import annotations

from stream_al.errors import BadMessage
from stream_al.messages import ClassLabel, label_text
from stream_al.terminal import shortened

__all__ = ["Classes"]

MOST_CHARACTERS = 60  # of a definition and of a class in an error


class Classes:
    """The classes learned.

    Args:
        binary: Whether the classifier knows only False and True.
        limit: The most classes to learn.
        model: The model in words, for errors.
        named: Whether the classifier gets every class as it is.

    Attributes:
        counts: How many examples of each class were learned, in order of first appearance.

    >>> classes = Classes(binary=True, limit=1000)
    >>> for label in ("ham", "spam", "ham"):
    ...     classes.count(label)
    >>> classes.counts, classes.targets()
    ({'ham': 2, 'spam': 1}, [False, True])
    >>> classes = Classes(binary=False, limit=1000)
    >>> for label in (0, 1, "unsure", 2):
    ...     classes.count(label)
    >>> classes.targets()
    [0, 1, 2, 3]
    """

    def __init__(
        self, *, binary: bool, limit: int = 2**31, model: str = "the model", named: bool = False
    ) -> None:
        self.binary = binary
        self.limit = limit
        self.model = model
        self.named = named
        self.counts: dict[ClassLabel, int] = {}
        self._targets: dict[ClassLabel, ClassLabel] = {}

    def count(self, label: ClassLabel) -> None:
        """Count one example of a class."""
        if label not in self.counts:
            self._targets[label] = self.target(label)
        self.counts[label] = self.counts.get(label, 0) + 1

    def copy(self) -> Classes:
        """The same classes, to be counted on by themselves."""
        copy = Classes(binary=self.binary, limit=self.limit, model=self.model, named=self.named)
        copy.counts, copy._targets = dict(self.counts), dict(self._targets)
        return copy

    def target(self, label: ClassLabel) -> ClassLabel:
        """What River calls this class."""
        if label in self._targets:
            return self._targets[label]
        first = next(iter(self.counts), label)
        if self.binary:
            return (label == first) == (first == True)  # noqa: E712 -- 1 and 1.0 mean True as well
        if self.named:
            return label
        taken = set(self._targets.values())
        if isinstance(label, str) == isinstance(first, str) and label not in taken:
            return label
        return _text_besides(taken, label) if isinstance(first, str) else _number_besides(taken)

    def targets(self) -> list[ClassLabel]:
        """What River calls the classes learned, in their order."""
        return list(self._targets.values())

    def admit(self, label: ClassLabel) -> None:
        """Check that a class may be learned.

        Raises:
            BadMessage: It is one class too many: `too_many_classes`, or `binary_model` for a binary
                classifier.
        """
        known = len(self.counts)
        if label in self.counts:
            return
        if self.binary and known == 2:
            one, other = map(_short, self.counts)
            raise BadMessage(
                "binary_model",
                f"{shortened(self.model, MOST_CHARACTERS)} tells only two classes apart, {one} and {other}, "
                f"and the label is {_short(label)}: set model.definition to auto, SoftmaxRegression(), or "
                "OneVsRestClassifier(...) around this one; or set labels.classes to the two, so that the "
                "query of such a label stays open",
                subject=_short(label),
            )
        if known >= self.limit:
            raise BadMessage(
                "too_many_classes",
                f"the label {_short(label)} would be class {known + 1}, and the limit is {self.limit}; "
                "raise model.max_classes if it is no mistake",
                subject=_short(label),
            )


def _text_besides(taken: set[ClassLabel], label: ClassLabel) -> str:
    text = label_text(label)
    while text in taken:
        text += "'"
    return text


def _number_besides(taken: set[ClassLabel]) -> int:
    number = len(taken)
    while number in taken:
        number += 1
    return number


def _short(label: ClassLabel) -> str:
    return shortened(repr(label), MOST_CHARACTERS)
