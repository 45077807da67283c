"""Spelling: which labels name one class.

Annotators are people and programs, and each spells a class in its own way. One rule holds for all of them:

    1, 1.0, true           one class: they are equal, and River's tables cannot tell them apart
    1, "1"                 two classes: a number and a text
    "Fraud", "fraud"       two classes: case counts
    " fraud ", "fraud"     one class: blanks around a text are dropped when a label is read
    "", "  ", null         no class: refused (`no_label`)

**Look-alikes.** Two classes *look alike* if they differ in type, case or inner blanks alone: `1`, `"1"`,
`"1.0"` and `"TRUE"` do, and so do `"Fraud"` and `"fraud"`. Most of the time one is meant. The model learns
them as two all the same, since nobody but the user knows, and the service warns of it.

**With `labels.classes`**, which lists the allowed classes with their types, the user has said it:

    the label equals a listed class            that class
    it looks like exactly one of them          that class: "1" is 1 in [0, 1], and "FRAUD" is "fraud"
    it looks like none, or like several        refused (`unknown_class`); its query stays pending

The examples hold the class as it is listed. Examples that are in the log already are not changed.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

from stream_al.errors import BadMessage
from stream_al.messages import ClassLabel, encode

__all__ = ["AllowedClasses", "likeness", "lookalikes", "shown"]

MOST_SHOWN = 10  # classes in an error
MOST_CHARACTERS = 60  # of a class in an error
_NUMBER = re.compile(r"[+-]?(\d{1,100}(\.\d{0,100})?|\.\d{1,100})(e[+-]?\d{1,3})?", re.ASCII)
_TRUTH = {"true": 1, "false": 0}


def likeness(label: ClassLabel) -> str | Fraction:
    """What a label looks like: equal for labels that look alike.

    >>> likeness(1) == likeness("1") == likeness("1.0") == likeness(True) == likeness(" TRUE ")
    True
    >>> likeness("Fraud") == likeness("fraud"), likeness("no  fraud") == likeness("no fraud")
    (True, True)
    """
    text = " ".join((label if isinstance(label, str) else repr(label)).casefold().split())
    if text in _TRUTH:
        return Fraction(_TRUTH[text])
    return Fraction(text) if _NUMBER.fullmatch(text) else text


def lookalikes(classes: Iterable[ClassLabel]) -> list[list[ClassLabel]]:
    """The groups of classes that look alike, each in the order given.

    >>> lookalikes([0, 1, "unsure", "1", "Unsure"])
    [[1, '1'], ['unsure', 'Unsure']]
    """
    return [group for group in _by_likeness(classes).values() if len(group) > 1]


def shown(label: ClassLabel) -> str:
    """A class in a sentence: as JSON, so that 1 and "1" differ, and short.

    >>> shown(1), shown("1"), shown(True)
    ('1', '"1"', 'true')
    """
    text = encode(label).decode()
    return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 4]}...{text[-1]}"


class AllowedClasses:
    """The classes that labels may name.

    Args:
        classes: The classes, no two of them equal; an empty list allows any.

    >>> allowed = AllowedClasses([0, 1])
    >>> [allowed.named_by(label) for label in (1, "1", 0.0, "TRUE")]
    [1, 1, 0, 1]
    >>> allowed.named_by("unsure")
    Traceback (most recent call last):
    stream_al.errors.BadMessage: the label "unsure" names no class: labels.classes lists 0, 1; send one of \
them, or add it to the list
    """

    def __init__(self, classes: Sequence[ClassLabel] = ()) -> None:
        self._classes = {label: label for label in classes}
        self._by_likeness = _by_likeness(classes)

    def __bool__(self) -> bool:
        """Whether there is a list; without one any class is allowed."""
        return bool(self._classes)

    def named_by(self, label: ClassLabel) -> ClassLabel:
        """The class that a label names.

        Raises:
            BadMessage: It names none of them (`unknown_class`).
        """
        if not self._classes:
            return label
        if label in self._classes:
            return self._classes[label]
        alike = self._by_likeness.get(likeness(label), [])
        if len(alike) == 1:
            return alike[0]
        listed = ", ".join(map(shown, list(self._classes)[:MOST_SHOWN]))
        more = ", ..." if len(self._classes) > MOST_SHOWN else ""
        names = f"may be {' or '.join(map(shown, alike[:MOST_SHOWN]))}" if alike else "names no class"
        raise BadMessage(
            "unknown_class",
            f"the label {shown(label)} {names}: labels.classes lists {listed}{more}; send one of them, or "
            "add it to the list",
        )


def _by_likeness(classes: Iterable[ClassLabel]) -> Mapping[str | Fraction, list[ClassLabel]]:
    groups: defaultdict[str | Fraction, list[ClassLabel]] = defaultdict(list)
    for label in classes:
        groups[likeness(label)].append(label)
    return dict(groups)
