"""Classes, and their names as text.

The class of a label is a text, a number or a truth value, and its type counts: 1 is another class than "1".
Where only text can stand, as for the keys of a JSON object, a class is written by its name.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

from stream_al.json_records import encode

__all__ = ["ClassLabel", "class_names", "label_text"]

ClassLabel: TypeAlias = str | int | float | bool
"""The name of a class, as it stands in a label."""


def label_text(label: ClassLabel) -> str:
    """A class as the key of a JSON object: a text is the key itself, anything else is written as JSON.

    >>> label_text("spam"), label_text(True), label_text(3)
    ('spam', 'true', '3')
    """
    return label if isinstance(label, str) else encode(label).decode()


@lru_cache(maxsize=16, typed=True)
def class_names(*labels: ClassLabel) -> tuple[str, ...]:
    """Classes as the keys of one JSON object.

    Each is its `label_text`. Only a text that reads like another one of these classes keeps its quotes, so
    that no two have one name.

    >>> class_names(0, 1, "spam", "1"), class_names("0", "1")
    (('0', '1', 'spam', '"1"'), ('0', '1'))
    """
    others = {label_text(label) for label in labels if not isinstance(label, str)}
    return tuple([encode(label).decode() if label in others else label_text(label) for label in labels])
