"""Cells of a CSV: texts that stand for values.

A CSV has no types, so a column gets one, from its cells in the first rows (`kind_of`).

| the cells of the column | type | a cell that does not fit, further down |
|---|---|---|
| numbers: `7`, `-0.5`, `1e5`; with the decimal comma `0,5` and `1.234,5` | number | counts as missing |
| `true` and `false`, in any case | truth value | counts as missing |
| anything else | text | |
| no cell says anything | each cell is read on its own | |

- A number without a fraction or an exponent is a whole number, however large. One with a leading zero, such
  as `02139`, is a code: its column is text.
- In a column of numbers or truth values these mean that the value is missing: an empty cell, `NA`, `N/A`,
  `#N/A`, `NaN`, `null`, `None`, `?`, `-`, a number that is not finite, and what the user names.
  In a column of texts only the empty cell does, and what the user names.
- A cell that begins with an apostrophe is a text if the rest would be taken for something else: a number, a
  truth value, a missing value, or a formula that a spreadsheet would run. The apostrophe is then no part of
  the text. `marked` writes it, `unmarked` takes it off, and each text comes back from the two as it was.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import Enum, auto
from math import isfinite
from typing import Any

__all__ = ["Cells", "Kind", "is_padded", "marked", "unmarked"]

# A digit belongs to one part of a pattern alone, else a long text of digits would be tried in each division.
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
WITH_COMMA = re.compile(
    r"[+-]?([1-9]\d{0,2}(\.\d{3})+|\d+)(,\d*)?([eE][+-]?\d+)?", re.ASCII
)  # with a decimal comma
WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
PLAIN = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]+)?")
PADDED = re.compile(r"[+-]?0\d", re.ASCII)
MOST_DIGITS = 100
TRUTH = {"true": True, "false": False}
MISSING = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "none", "?", "-"})
NOT_FINITE = frozenset({"inf", "+inf", "-inf", "infinity", "+infinity", "-infinity"})
FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")  # the wide ones too  # noqa: RUF001
BLANKS = " \n\v\f\xa0"


class Kind(Enum):
    """The type of a cell or of a column."""

    MISSING = auto()
    NUMBER = auto()
    TRUTH = auto()
    TEXT = auto()


@dataclass(frozen=True, slots=True)
class Cells:
    """How the cells of a file are read.

    Attributes:
        decimal: The character before the fraction of a number: `.` or `,`.
        missing: What means a missing value, besides `MISSING`, in any column.
    """

    decimal: str = "."
    missing: Collection[str] = ()

    def kind(self, cell: str) -> Kind:
        """What a cell looks like on its own.

        >>> [Cells().kind(cell).name for cell in ("7", "02139", "True", "NA", "red", "'7")]
        ['NUMBER', 'TEXT', 'TRUTH', 'MISSING', 'TEXT', 'TEXT']
        """
        if cell in self.missing:
            return Kind.MISSING
        bare = cell.strip()
        word = bare.casefold()
        if word in MISSING or word in NOT_FINITE:
            return Kind.MISSING
        if word in TRUTH:
            return Kind.TRUTH
        if not (NUMBER if self.decimal == "." else WITH_COMMA).fullmatch(bare) or is_padded(bare):
            return Kind.TEXT
        if WHOLE.fullmatch(bare):
            return Kind.NUMBER if len(bare) <= MOST_DIGITS else Kind.TEXT
        return Kind.NUMBER if isfinite(self._float(bare)) else Kind.MISSING

    def kind_of(self, cells: Iterable[str]) -> Kind:
        """The type of a column with these cells; `MISSING` if they say nothing."""
        kinds = {self.kind(cell) for cell in cells} - {Kind.MISSING}
        if not kinds:
            return Kind.MISSING
        return kinds.pop() if len(kinds) == 1 else Kind.TEXT

    def value(self, cell: str, column: Kind) -> Any:
        """The value of a cell in a column of a type; None if it is missing or does not fit.

        >>> cells = Cells()
        >>> cells.value("1e5", Kind.NUMBER), cells.value("1e5", Kind.TEXT), cells.value("x", Kind.NUMBER)
        (100000.0, '1e5', None)
        """
        if column is Kind.TEXT:
            return None if cell == "" or cell in self.missing else unmarked(cell)
        if (
            column is Kind.NUMBER
            and self.decimal == "."
            and PLAIN.fullmatch(cell)
            and cell not in self.missing
        ):
            return float(cell) if "." in cell else int(cell)  # most cells, quickly
        own = self.kind(cell)
        if own is Kind.MISSING or column not in (Kind.MISSING, own):
            return None
        if own is Kind.TEXT:
            return unmarked(cell)
        bare = cell.strip()
        if own is Kind.TRUTH:
            return TRUTH[bare.casefold()]
        return int(bare) if WHOLE.fullmatch(bare) else self._float(bare)

    def _float(self, bare: str) -> float:
        number = float(bare if self.decimal == "." else bare.replace(".", "").replace(",", "."))
        return int(number) if self.decimal == "," and "," not in bare and number.is_integer() else number


_PLAIN = Cells()


def is_padded(cell: str) -> bool:
    """Whether a cell is a code rather than a number: digits with zeros before them.

    >>> is_padded("02139"), is_padded("0.5"), is_padded("2139")
    (True, False, False)
    """
    return PADDED.match(cell.strip()) is not None


def marked(text: str, *, typed: bool = True) -> str:
    """The cell for a text.

    Args:
        text: The text.
        typed: Whether the cell may stand in a column of numbers. If not, only formulas are marked.

    >>> marked("red"), marked("7"), marked("=A1"), marked("7", typed=False)
    ('red', "'7", "'=A1", '7')
    """
    needs = _is_protected(text) if typed else _is_formula(text) or unmarked(text) != text
    return "'" + text if needs else text


def unmarked(cell: str) -> str:
    """The text of a cell.

    >>> unmarked("'=A1"), unmarked("'tis")
    ('=A1', "'tis")
    """
    return cell[1:] if cell[:1] == "'" and _is_protected(cell[1:]) else cell


def _is_protected(text: str) -> bool:
    inner = text.lstrip("'")  # an apostrophe before what is protected is protected itself
    return _is_formula(inner) or _PLAIN.kind(inner) is not Kind.TEXT


def _is_formula(text: str) -> bool:
    return text.lstrip(BLANKS).startswith(FORMULA)
