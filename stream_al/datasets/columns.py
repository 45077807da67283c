"""The columns of a CSV get their types from their cells in the first rows.

`datasets.cells` says what cells mean. A column is judged by its first `WINDOW_ROWS` rows as a whole, so one
odd cell changes the type of a column or counts as missing, but never gives a column two types.

- If the comma is not the delimiter, and a column is one of numbers only with the decimal comma, then each
  column that can have the decimal comma has it: in a file with `12,50`, the cell `1.234` is 1234.
- In a file that the export wrote, each cell has a type on its own, since the export marks what could be
  mistaken.
- The label is a class: `1.0` in a column of numbers is the class 1, and in a column of texts `NA`, `NaN` and
  `null` are no classes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import chain, islice
from typing import Any

from stream_al.datasets.cells import Cells, Kind, is_padded
from stream_al.datasets.form import FileForm, Noticed
from stream_al.datasets.table import EXPORTED_TEXTS
from stream_al.errors import Misconfigured

__all__ = ["WINDOW_ROWS", "TypedColumns"]

WINDOW_ROWS = 1000
WINDOW_CHARACTERS = 32 * 2**20
# No labels in a column of texts; `None`, `?` and `-` may be classes.
NO_LABEL = ("NA", "na", "N/A", "n/a", "#N/A", "NaN", "nan", "NAN", "NULL", "null", "Null")
MOSTLY = 0.9  # of the cells; a column of texts of which so many are numbers is worth a remark

Placed = tuple[str, list[str]]
"""The place of a row in words, and its cells."""


class TypedColumns:
    """Turns the rows of cells into records of values.

    Args:
        names: The names of the columns; a column without a name is left out.
        form: What the user says of the file.
        noticed: Gets what is worth a remark.
        label: The column of the label.
        ids: The columns of ids, which are texts.
        exported: Whether the export wrote the file.
        comma: Whether the decimal comma is possible.

    Raises:
        Misconfigured: There is no such decimal character.
    """

    def __init__(
        self,
        names: Sequence[str],
        form: FileForm,
        noticed: Noticed,
        *,
        label: str,
        ids: Collection[str],
        exported: bool,
        comma: bool,
    ) -> None:
        if form.decimal not in (None, ".", ","):
            raise Misconfigured(f"--decimal: write . or , and not {form.decimal!r}")
        self.places = {name: place for place, name in enumerate(names) if name}
        self.noticed = noticed
        self.label = label
        self.texts = {*ids, *form.texts, *(EXPORTED_TEXTS if exported else ())}
        self.exported = exported
        self.comma = comma and form.decimal is None and not exported
        self.missing = form.missing
        self.usual = Cells(form.decimal or ".", form.missing)

    def records(self, rows: Iterator[Placed]) -> Iterator[tuple[str, dict[str, Any]]]:
        """The records, without what is missing, each with its place."""
        first = _window(rows)
        columns = self._columns([row for _, row in first])
        for number, (at, row) in enumerate(chain(first, rows)):
            record: dict[str, Any] = {}
            for name, place, cells, kind in columns:
                cell = row[place]
                value = cells.value(cell, kind)
                if value is not None:
                    record[name] = value
                elif number >= len(first) and cells.kind(cell) is not Kind.MISSING:
                    self.noticed.misfit(name, cell, at)
            if self.label in record and not self.exported:
                record[self.label] = _class(record[self.label])
            yield at, record

    def _columns(self, rows: list[list[str]]) -> list[tuple[str, int, Cells, Kind]]:
        """The name, the place, how to read the cells, and the type of each column."""
        cells = {name: [row[place] for row in rows] for name, place in self.places.items()}
        with_comma = self._with_comma(cells) if self.comma else {}
        return [
            (name, self.places[name], *(with_comma.get(name) or self._type(name, column)))
            for name, column in cells.items()
        ]

    def _with_comma(self, columns: dict[str, list[str]]) -> dict[str, tuple[Cells, Kind]]:
        """The columns that have the decimal comma; none, if no column needs it."""
        comma = Cells(",", self.missing)
        able = [
            name
            for name, cells in columns.items()
            if name not in self.texts and comma.kind_of(cells) is Kind.NUMBER
        ]
        needed = any(self.usual.kind_of(columns[name]) is Kind.TEXT for name in able)
        return dict.fromkeys(able, (comma, Kind.NUMBER)) if needed else {}

    def _type(self, name: str, column: list[str]) -> tuple[Cells, Kind]:
        if name in self.texts:
            return self.usual, Kind.TEXT
        if self.exported:
            return self.usual, Kind.MISSING
        kind = self.usual.kind_of(column)
        if kind is Kind.TEXT and name == self.label:
            return Cells(self.usual.decimal, {*self.missing, *NO_LABEL}), kind
        if kind is Kind.TEXT:
            self._remark_on_text(name, column)
        return self.usual, kind

    def _remark_on_text(self, name: str, column: list[str]) -> None:
        """Say that a column is text because of a few cells among numbers."""
        kinds = [(self.usual.kind(cell), cell) for cell in column]
        given = [pair for pair in kinds if pair[0] is not Kind.MISSING]
        if any(is_padded(cell) for kind, cell in given if kind is Kind.TEXT):
            return  # codes, such as postal ones
        numbers = sum(kind is Kind.NUMBER for kind, _ in given)
        if MOSTLY * len(given) <= numbers < len(given):
            odd = next(cell for kind, cell in given if kind is not Kind.NUMBER)
            self.noticed.remarks.append(
                f"column {name[:60]!r} is text because of {odd[:40]!r}, while {numbers:,} of {len(given):,} "
                f"cells are numbers; if it means a missing value, say --missing {odd[:40]!r}"
            )


def _window(rows: Iterator[Placed]) -> list[Placed]:
    first, characters = [], 0
    for place, row in islice(rows, WINDOW_ROWS):
        first.append((place, row))
        characters += sum(map(len, row))
        if characters > WINDOW_CHARACTERS:
            break
    return first


def _class(label: Any) -> Any:
    """The class that a label of a CSV means.

    Blanks around a text are none of its own. Data frames write 1.0 for the class 1 if a label is missing.
    """
    if isinstance(label, str):
        return label.strip()
    return int(label) if isinstance(label, float) and label.is_integer() else label
