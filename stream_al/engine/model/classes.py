"""The classes of a model: which ones there are, and what River calls them.

They come from the examples, in order of first appearance. Labels that are equal in Python are one class (`1`,
`1.0` and `true`), since River's own tables cannot tell them apart. A class is spelled as its first example
spelled it.

A *binary* classifier knows only False and True. It gets these in place of the first two classes. A class that
equals False or True keeps its own value where that is possible. A third class is refused: a message that the
model cannot use, until its definition is changed.
"""

from __future__ import annotations

from stream_al.errors import BadMessage
from stream_al.messages import ClassLabel

__all__ = ["Classes"]


class Classes:
    """The classes learned.

    Args:
        binary: Whether the classifier knows only False and True.
        limit: The most classes to learn.

    Attributes:
        counts: How many examples of each class were learned, in order of first appearance.

    >>> classes = Classes(binary=True, limit=1000)
    >>> for label in ("ham", "spam", "ham"):
    ...     classes.count(label)
    >>> classes.counts, classes.targets()
    ({'ham': 2, 'spam': 1}, [False, True])
    """

    def __init__(self, *, binary: bool, limit: int) -> None:
        self.binary = binary
        self.limit = limit
        self.counts: dict[ClassLabel, int] = {}

    def count(self, label: ClassLabel) -> None:
        """Count one example of a class."""
        self.counts[label] = self.counts.get(label, 0) + 1

    def copy(self) -> Classes:
        """The same classes, to be counted on by themselves."""
        copy = Classes(binary=self.binary, limit=self.limit)
        copy.counts = dict(self.counts)
        return copy

    def target(self, label: ClassLabel) -> ClassLabel:
        """What River calls this class."""
        if not self.binary:
            return label
        first = next(iter(self.counts), label)
        return (label == first) == (first == True)  # noqa: E712 -- 1 and 1.0 mean True as well

    def targets(self) -> list[ClassLabel]:
        """What River calls the classes learned, in their order."""
        return [self.target(label) for label in self.counts]

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
            raise BadMessage(
                "binary_model",
                f"the model tells only {' from '.join(map(repr, self.counts))}, and the label is {label!r}; "
                "define it with SoftmaxRegression() or OneVsRestClassifier(...) to learn more classes",
                subject=repr(label),
            )
        if known >= self.limit:
            raise BadMessage(
                "too_many_classes",
                f"the label {label!r} would be class {known + 1}, and the limit is {self.limit}; "
                "raise max_classes if it is no mistake",
                subject=repr(label),
            )
