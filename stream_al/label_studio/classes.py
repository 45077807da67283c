r"""Classes as the choices of Label Studio, and back.

A choice is text, and a class may be text, a number or a truth value: 1 and "1" are two classes. So a choice
says by itself which class it means, whatever other classes there are:

    number, truth value   its JSON: 1, 0.5, true
    text                  itself: spam
    other text            its JSON, in quotes: "1" would be read otherwise, "a\u0000" is no XML

>>> [choice_of(label) for label in ("spam", 1, "1", True, "true")]
['spam', '1', '"1"', 'true', '"true"']
>>> [class_of(choice) for choice in ('spam', '1', '"1"', 'true', '"true"')]
['spam', 1, '1', True, 'true']
"""

from __future__ import annotations

import json
import re

import msgspec

from stream_al.messages import MAX_LABEL_CHARACTERS, ClassLabel, encode

__all__ = ["choice_of", "class_of"]

UNSAFE = re.compile(r"[^\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 does not allow or an attribute does not keep: control characters, ends of lines, halves."""

MOST_CHARACTERS = 6 * MAX_LABEL_CHARACTERS + 2  # every character of the longest class escaped

_SCALAR: msgspec.json.Decoder[ClassLabel] = msgspec.json.Decoder(str | int | float | bool)


def choice_of(label: ClassLabel) -> str:
    """The choice that means a class."""
    if not isinstance(label, str):
        return encode(label).decode()
    if UNSAFE.search(label):
        return json.dumps(label)
    # Label Studio takes a choice that begins with $ for a variable of the task.
    if label.startswith("$") or label != label.strip() or _scalar(label) is not None:
        return json.dumps(label, ensure_ascii=False)
    return label


def class_of(choice: str) -> ClassLabel | None:
    """The class that a choice, or a text that an annotator has typed, means; None for none."""
    choice = choice.strip()
    if not choice or len(choice) > MOST_CHARACTERS:
        return None
    found = _scalar(choice)
    if isinstance(found, str):
        found = found.strip()
    label = choice if found is None else found
    return None if label == "" or (isinstance(label, str) and len(label) > MAX_LABEL_CHARACTERS) else label


def _scalar(text: str) -> ClassLabel | None:
    """What a text means as JSON, if that is a text, a number or a truth value."""
    try:
        return _SCALAR.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):  # ValidationError is a DecodeError
        return None
