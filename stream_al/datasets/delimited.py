"""Rows of a CSV: a text file of lines with cells between delimiters.

What the user does not say (`FileForm`) is found out from the first lines:

- A first line such as `sep=;`, which spreadsheets write and understand, names the delimiter. Lines that begin
  with `#` before the names of the columns are comments. The last of them is the names if it has as many cells
  as the line below.
- The delimiter is the one of `,` `;` tab `|` that gives most rows the number of columns of the first row;
  among equals it is the one with most columns.
- The first line names the columns. If it looks like data, that is a mistake: the user has to say.
- The types of the columns come from the first rows (`datasets.columns`).

The columns `features.amount` and `features.country` are the members of the object `features`; so are those
below any other object that the caller names. A column without a name is left out: data frames write row
numbers there.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, TextIO

from stream_al.datasets.cells import Cells, Kind
from stream_al.datasets.columns import TypedColumns
from stream_al.datasets.form import FileForm, Noticed, plural
from stream_al.datasets.table import MARKS, Table, grouped, label_column, require_distinct
from stream_al.engine.samples.paths import nothing_at
from stream_al.errors import Misconfigured
from stream_al.terminal import listed

__all__ = ["delimited_table"]

CSV_FIELD_CHARACTERS = 10_000_000
LINE_CHARACTERS = 20_000_000
FIRST_LINES = 50
SEPARATOR = re.compile('"?sep=(.)"?', re.IGNORECASE)
DELIMITERS = {"tab": "\t", "\\t": "\t", "space": " ", "comma": ",", "semicolon": ";", "pipe": "|"}


@dataclass
class _Source:
    """The file, with what is known of it."""

    path: Path
    form: FileForm
    noticed: Noticed
    delimiter: str = ","
    skipped: int = 0
    """Lines before the names of the columns."""

    def mistake(self, text: str) -> Misconfigured:
        return Misconfigured(f"{self.path}: {text}")

    def line(self, number: int) -> str:
        """The name of a line, counted from 1 after those that are skipped."""
        return f"line {number + self.skipped}"


def delimited_table(
    path: Path,
    text: TextIO,
    form: FileForm,
    noticed: Noticed,
    *,
    label: str | None,
    objects: Collection[str],
    ids: Collection[str],
) -> Table:
    """The table in a CSV.

    Args:
        path: Its name, to show.
        text: Its text, with the ends of lines as they are.
        form: What the user says of it.
        noticed: Gets what is worth a remark.
        label: The column that the user names.
        objects: Paths of objects whose members are columns.
        ids: Columns of ids, which are texts.

    Raises:
        Misconfigured: It cannot be read; what to say instead.
    """
    source = _Source(path, form, noticed)
    csv.field_size_limit(CSV_FIELD_CHARACTERS)
    lines = _lines(source, text)
    first = _after_preamble(source, list(islice(lines, FIRST_LINES)))
    source.delimiter = _delimiter(source, first)
    found = csv.reader(chain(first, lines), delimiter=source.delimiter, strict=True)
    names, begun = _header(source, found)
    if len(names) == 1 and source.form.delimiter is None:
        raise source.mistake(
            f"there is one column, {names[0][:60]!r}, and a label needs another one; say --delimiter if "
            "there is another one than , ; tab and | between the cells"
        )
    column = label_column(path, [name for name in names if name], label)
    numbered = _checked(source, chain(begun, _numbered(source, found)), names)
    columns = [name for name in names if name]
    for name in form.texts:
        if name not in columns:
            raise Misconfigured(f"--text: {nothing_at(name, columns, kind='no column')}")
    typed = TypedColumns(
        names,
        form,
        noticed,
        label=column,
        ids=ids,
        exported=_is_exported(names),
        comma=source.delimiter != ",",
    )
    group = grouped(columns, objects)
    return Table(columns, column, ((place, group(record)) for place, record in typed.records(numbered)))


def _lines(source: _Source, text: TextIO) -> Iterator[str]:
    while line := text.readline(LINE_CHARACTERS):
        if len(line) == LINE_CHARACTERS:
            raise source.mistake(f"a line has more than {LINE_CHARACTERS:,} characters; is it a CSV?")
        yield line


def _after_preamble(source: _Source, first: list[str]) -> list[str]:
    """The first lines without those before the names of the columns."""
    lines, comments = first, 0
    if lines and (said := SEPARATOR.fullmatch(lines[0].rstrip("\r\n"))):
        if source.form.delimiter is None:
            source.form = replace(source.form, delimiter=said[1])
        lines = lines[1:]
    while comments < len(lines) and lines[comments].startswith("#"):
        comments += 1
    if comments == FIRST_LINES:
        raise source.mistake(f"the first {FIRST_LINES} lines are comments (#): remove them")
    if 0 < comments < len(lines):
        below = lines[comments:]
        delimiter = _delimiter(source, below)
        widths = [_widths([line], delimiter) for line in (lines[comments - 1], below[0])]
        comments -= widths[0] == widths[1] and widths[0] != [1]  # it is the names
        lines = lines[comments:]
        if comments:
            source.noticed.remarks.append(
                f"left out: {plural(comments, 'line')} of comments (#) at the beginning"
            )
    source.skipped = len(first) - len(lines)
    return lines


def _delimiter(source: _Source, first: list[str]) -> str:
    given = source.form.delimiter
    if given is not None:
        found = DELIMITERS.get(given, given)
        if len(found) != 1 or found in '"\r\n':
            raise Misconfigured(f"--delimiter: write one character, or tab or space, not {given!r}")
        return found
    best, best_rank = ",", (0.0, 0)
    for candidate in ",;\t|":
        widths = _widths(first, candidate)
        if widths and widths[0] > 1:
            rank = (sum(width == widths[0] for width in widths) / len(widths), widths[0])
            best, best_rank = max((best, best_rank), (candidate, rank), key=lambda each: each[1])
    return best


def _widths(lines: list[str], delimiter: str) -> list[int]:
    """The numbers of cells of the rows in the first lines; the last row may be cut off and does not count."""
    try:
        found = [row for row in csv.reader(lines, delimiter=delimiter) if row]
    except csv.Error:
        return []
    widths = [len(row) - (len(row) > 1 and not row[-1].strip()) for row in found]
    return widths[:-1] if len(lines) == FIRST_LINES else widths


def _header(source: _Source, found: Iterator[list[str]]) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """The names of the columns, empty for one that is left out, and the first row if it holds data."""
    first = _next(source, found)
    if first is None:
        raise source.mistake("it is empty; the first line names the columns")
    if source.form.header is False:
        return [f"column_{number}" for number in range(1, len(first) + 1)], [(source.line(1), first)]
    names = first if _is_exported(first) else [name.strip() for name in first]
    if source.form.header is None and _looks_like_data(names):
        raise source.mistake(
            f"the first line looks like data ({listed(names)}) and not like names of columns: say "
            "--no-header, or --header if these are names"
        )
    require_distinct(source.path, names)
    unnamed = [str(place) for place, name in enumerate(names[:-1], 1) if not name]
    if unnamed:
        source.noticed.remarks.append(f"column {', '.join(unnamed)} has no name and is left out")
    return names, []


def _is_exported(names: list[str]) -> bool:
    """Whether the export wrote a file with these columns."""
    return names[: len(MARKS)] == list(MARKS)


def _looks_like_data(names: list[str]) -> bool:
    """Whether names of columns are cells rather: some are numbers, and not the numbers of the columns."""
    cells = Cells(",") if any("," in name for name in names) else Cells()
    numbers = [name for name in names if cells.kind(name) in (Kind.NUMBER, Kind.TRUTH)]
    return not set(numbers) <= set(map(str, range(len(names) + 1)))


def _numbered(source: _Source, found: Any) -> Iterator[tuple[str, list[str]]]:
    while (row := _next(source, found)) is not None:
        yield source.line(found.line_num), row


def _next(source: _Source, found: Any) -> list[str] | None:
    """The next row with a cell."""
    try:
        for row in found:
            if row:
                cells: list[str] = row
                return cells
    except csv.Error as error:
        raise source.mistake(
            f"{source.line(found.line_num)} cannot be read: {error}; a quotation mark in a cell is written "
            "twice, and the cell stands between quotation marks"
        ) from None
    return None


def _checked(
    source: _Source, numbered: Iterable[tuple[str, list[str]]], names: list[str]
) -> Iterator[tuple[str, list[str]]]:
    """The rows, each with a cell for each column; empty cells at the end count for nothing."""
    wanted = len(names)
    for place, row in numbered:
        while len(row) > wanted and not row[-1].strip():
            row.pop()
        if len(row) != wanted and not (len(row) == wanted - 1 and not names[-1]):
            if not any(cell.strip() for cell in row):
                continue
            shown = {"\t": "tab", " ": "space"}.get(source.delimiter, source.delimiter)
            raise source.mistake(
                f"{place} has not the header's {wanted} columns: it has {len(row)} (delimiter {shown}); put "
                "a cell that holds the delimiter between quotation marks, or say --delimiter"
            )
        yield place, row
