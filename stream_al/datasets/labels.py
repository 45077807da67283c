"""Labels of files: what a text means, and whether the labels are classes.

A column of amounts, of times or of ids, given as the label, would teach the model a class for each row. It
is recognised by its many values: nearly every row has its own, or there are fractions, or more values than
a model has classes.
"""

from __future__ import annotations

import re
from pathlib import Path

from stream_al.errors import Misconfigured
from stream_al.messages import ClassLabel

__all__ = ["LabelCheck", "parse_label"]

WHOLE = re.compile("0|-?[1-9][0-9]{0,14}")

ROWS = 1000  # after which the values are judged, or at the end of the file
LEAST_ROWS = 30
SHARE, SHORT_SHARE = 0.5, 0.8  # of the rows, in a long and a short file; more values than that are no classes
FRACTIONS = 20  # values with a fraction; more are no classes
MOST = 1000  # values


def parse_label(text: str) -> ClassLabel:
    """A label from its text: a whole number, a truth value, or the text itself.

    It reads what `messages.label_text` writes. A text that looks like a number or a truth value becomes one.

    >>> parse_label("3"), parse_label("true"), parse_label("UP"), parse_label("1.5")
    (3, True, 'UP', '1.5')
    """
    if text in ("true", "false"):
        return text == "true"
    return int(text) if WHOLE.fullmatch(text) else text


class LabelCheck:
    """Looks at each label.

    Args:
        path: The file, to name.
        place: The path of the label, to name.
    """

    def __init__(self, path: Path, place: str) -> None:
        self.path = path
        self.place = place
        self.rows = 0
        self.values: set[tuple[type, ClassLabel]] = set()

    def see(self, label: ClassLabel) -> None:
        """Count a label.

        Raises:
            Misconfigured: The labels are no classes.
        """
        self.rows += 1
        if len(self.values) <= MOST:
            self.values.add((type(label), label))
        if self.rows == ROWS:
            self._judge()
        if len(self.values) > MOST:
            self._refuse()

    def end(self) -> None:
        """Judge the labels of a short file.

        Raises:
            Misconfigured: The labels are no classes.
        """
        if LEAST_ROWS <= self.rows < ROWS:
            self._judge()

    def _judge(self) -> None:
        fractions = sum(isinstance(label, float) and not label.is_integer() for _, label in self.values)
        share = SHARE if self.rows >= ROWS else SHORT_SHARE
        if len(self.values) > share * self.rows or fractions > FRACTIONS:
            self._refuse()

    def _refuse(self) -> None:
        some = ", ".join(
            repr(label)[:40] for label in sorted((label for _, label in self.values), key=str)[:3]
        )
        raise Misconfigured(
            f"{self.path}: the label {self.place!r} has {len(self.values):,} values in {self.rows:,} rows "
            f"({some}, ...), so it is no class but an amount or id: name the column of the class with --label"
        )
