"""The form of a file: what a user may say of it, and what was noticed while it was read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

__all__ = ["FileForm", "Noticed", "plural"]


@dataclass(frozen=True)
class FileForm:
    """What the user says of a file. What is None is found out from the content.

    Attributes:
        delimiter: The character between the cells of a CSV; `tab` and `space` are names.
        encoding: The encoding of a text file, as Python names it.
        header: Whether the first line of a CSV names the columns.
        decimal: The character before the fraction of a number, `.` or `,`.
        missing: Cells that mean a missing value, besides the usual ones.
        texts: Columns of a CSV that are texts even if all cells look like numbers.
    """

    delimiter: str | None = None
    encoding: str | None = None
    header: bool | None = None
    decimal: str | None = None
    missing: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()


@dataclass
class Noticed:
    """What was noticed while a file was read, and does not keep it from being used.

    Attributes:
        unlabelled: Rows without a label, which are left out.
        refused: Rows that hold no sample that can be used, by the reason; they are left out too.
        first_refused: The first of each reason, in words.
        misfits: Cells that do not fit the type of their column, and count as missing, by column.
        first_misfit: The first of each column, in words.
        remarks: Other sentences.
        label: The column or path of the label.
        guessed: Whether the label is there only because the column is the last one.
    """

    unlabelled: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    first_refused: dict[str, str] = field(default_factory=dict)
    misfits: Counter[str] = field(default_factory=Counter)
    first_misfit: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    label: str = ""
    guessed: bool = False

    def refuse(self, reason: str, place: str, detail: str) -> None:
        """Count a row that is left out."""
        self.refused[reason] += 1
        self.first_refused.setdefault(reason, f"{place}: {detail}")

    def misfit(self, column: str, cell: str, place: str) -> None:
        """Count a cell that does not fit its column."""
        self.misfits[column] += 1
        self.first_misfit.setdefault(column, f"{cell[:40]!r} in {place}")

    def sentences(self) -> Iterator[str]:
        """All of it, for a person."""
        yield from self.remarks
        if self.guessed:
            yield (
                f"the label is the last column, {self.label[:60]!r}, because there is no column 'label'; say "
                "--label for another one"
            )
        if self.unlabelled:
            yield f"left out: {plural(self.unlabelled, 'row')} without a label"
        for reason, number in self.refused.items():
            first = self.first_refused[reason]
            yield f"left out: {plural(number, 'row')} without a usable sample ({reason}), such as {first}"
        for column, number in self.misfits.items():
            yield (
                f"column {column[:60]!r}: {plural(number, 'cell')} without the type of the rows before, such "
                f"as {self.first_misfit[column]}, taken as missing; if it holds texts, name it with --text"
            )


def plural(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun.

    >>> plural(1, "row"), plural(2000, "row")
    ('1 row', '2,000 rows')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"
