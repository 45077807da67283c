"""The labels: which classes they name, and whether they belong to queries.

Two classes that look alike (`engine.labels.spelling`) are nearly always meant as one, and a model learns them
as two. A label whose id no query has is not joined with features, so nothing is learned from it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from typing import Any

from stream_al.engine.doctor.findings import Finding, error, note, warning
from stream_al.engine.labels.rare_classes import SeenClass, forewarning
from stream_al.engine.labels.spelling import likeness, shown
from stream_al.engine.model.objective import ACCURACY
from stream_al.errors import BadMessage
from stream_al.messages import ClassLabel, Label, decode
from stream_al.terminal import listed, printable

__all__ = ["Labels"]

MAX_CLASSES = 1000
MANY_CLASSES = 50
_TYPES: dict[type, str] = {bool: "truth value", int: "number", float: "number", str: "text"}


class Labels:
    """The labels of a topic.

    Attributes:
        number: How many labels were read.
        known: The first label of each id.
        skipped: How many of them give no class.
        classes: How often each class was given, by type and value.
        ids: The ids of labels without features of their own.

    >>> labels = Labels()
    >>> for text in (b'{"id": "a", "label": 1}', b'{"id": "b", "label": "1"}'):
    ...     labels.add(text, max_bytes=1000)
    >>> [str(one.severity) for one in labels.findings(queried=None)]
    ['error']
    """

    def __init__(self) -> None:
        self.number = self.skipped = 0
        self.classes: Counter[tuple[str, ClassLabel]] = Counter()
        self.unread: Counter[str] = Counter()
        self.ids: set[str] = set()
        self.known: dict[str, ClassLabel] = {}
        self._why: dict[str, str] = {}

    def add(self, value: bytes | None, *, max_bytes: int) -> None:
        """Read one label."""
        self.number += 1
        try:
            label = decode(Label, value, max_bytes=max_bytes)
        except BadMessage as problem:
            self.unread[problem.reason] += 1
            self._why.setdefault(problem.reason, printable(str(problem), 200))
            return
        if label.features is None:
            self.ids.add(label.id)
        if label.label is None:
            self.skipped += 1
            return
        self.count(label.id, label.label)

    def count(self, sample_id: str, label: ClassLabel) -> None:
        """Count the class of a label; the first one of an id is known from now on."""
        self.known.setdefault(sample_id, label)
        kind = (_TYPES[type(label)], label)
        if kind in self.classes or len(self.classes) < MAX_CLASSES:
            self.classes[kind] += 1

    def describe(self) -> dict[str, Any]:
        """What is known of the labels, ready for JSON."""
        return {
            "read": self.number,
            "skipped": self.skipped,
            "unread": dict(self.unread),
            "classes": [
                {"class": printable(str(label), 80), "type": kind, "labels": number}
                for (kind, label), number in self.classes.most_common(MANY_CLASSES)
            ],
        }

    def findings(self, *, queried: Collection[str] | None, objective: str = ACCURACY) -> Iterator[Finding]:
        """What is wrong with the labels.

        Args:
            queried: The ids of all queries and examples; None if not all of them could be read.
            objective: The objective of the settings.
        """
        for reason, number in self.unread.items():
            blank = "; send skipped: true where there is no class" if reason == "no_label" else ""
            yield (error if blank else warning)(
                "labels",
                f"{number} of {self.number} labels cannot be used ({reason}): {self._why[reason]}{blank}",
            )
        yield from self._classes()
        given = Counter[ClassLabel]()  # 1, 1.0 and true are one class
        for (_, label), number in self.classes.items():
            given[label] += number
        seen = [SeenClass(label, number / given.total(), number) for label, number in given.items()]
        if warned := forewarning(seen, objective):
            yield warning("labels", warned)
        if queried is not None and (unknown := [one for one in sorted(self.ids) if one not in queried]):
            of_all = len(unknown) == len(self.ids)
            what = (
                "none of the labels has" if of_all else f"{len(unknown)} of {len(self.ids)} labels have not"
            )
            yield (error if of_all else warning)(
                "labels",
                f"{what} the id of a query, such as {printable(unknown[0], 40)}: send the id that stands in "
                "the "
                "query, or send the features with the label",
            )

    def _classes(self) -> Iterator[Finding]:
        alike: dict[object, list[tuple[str, ClassLabel]]] = defaultdict(list)
        for kind, label in self.classes:
            alike[likeness(label)].append((kind, label))
        for same in alike.values():
            if len({label for _, label in same}) > 1:  # 1, 1.0 and true are one class
                classes = " and ".join(f"{shown(label)} ({kind})" for kind, label in same[:4])
                yield error(
                    "labels",
                    f"{classes} look like one class and are learned as several: let all annotators send one "
                    "of them",
                )
        if len(self.classes) > MANY_CLASSES:
            named = [str(label) for _, label in list(self.classes)]
            yield warning(
                "labels",
                f"there are {len(self.classes)} classes ({listed(named)}): check that `label` holds a class "
                "and "
                "no free text or number to be estimated",
            )
        elif len(self.classes) == 1 and self.classes.total() >= MANY_CLASSES:
            yield note(
                "labels", "all labels are of one class; nothing can be told apart until another one comes"
            )
