"""A recorded stream: labelled rows of a file, in the order in which they came.

A file is CSV with a header, JSON lines, or Parquet. It may be compressed with gzip.

- The label is the last column of a CSV or Parquet file, or the member `label` of a JSON object, unless
  another one is named.
- Columns whose name begins with `_` are notes about the row. They are no features.
- A column of a CSV holds numbers if the first `LOOK_AHEAD_ROWS` rows of it do, else texts. An empty cell is
  missing.
- A label in a CSV is a whole number, `true`, `false`, or a text. Each label is read on its own. The other
  formats have types.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from math import isfinite
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

import msgspec

from stream_al.datasets.parquet import records
from stream_al.errors import Misconfigured
from stream_al.messages import ClassLabel

__all__ = ["Row", "parse_label", "rows"]

GZIP_MAGIC = b"\x1f\x8b"
CSV_FIELD_CHARACTERS = 10_000_000
REST = "\0rest"  # the key of the cells beyond the header's columns; no column has this name
LOOK_AHEAD_ROWS = 1000  # rows that decide whether a column holds numbers or texts
WHOLE = re.compile("0|-?[1-9][0-9]{0,14}")
ENCODING = "utf-8-sig"  # UTF-8, with or without the byte order mark that spreadsheets write


FormatReader = Callable[[Path, BinaryIO, str | None], Iterator["Row"]]


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled sample.

    Attributes:
        features: Name to value.
        label: The true label.
        notes: The columns whose name begins with `_`.
    """

    features: dict[str, Any]
    label: ClassLabel
    notes: dict[str, str] = field(default_factory=dict)


def rows(path: Path, label: str | None = None) -> Iterator[Row]:
    """The rows of a file, in order.

    Args:
        path: A .csv, .json, .jsonl, .ndjson or .parquet file, with or without .gz.
        label: The column or member that holds the label.

    Raises:
        Misconfigured: The file does not exist, has another format, or has no such label.
    """
    kind = [suffix for suffix in path.suffixes if suffix != ".gz"][-1:]
    reader = READERS.get("".join(kind))
    if reader is None:
        raise Misconfigured(f"{path}: name a {', '.join(READERS)} file, with or without .gz")
    try:
        with _opened(path) as file:
            yield from reader(path, file, label)
    except FileNotFoundError:
        raise Misconfigured(f"{path}: there is no such file") from None
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise Misconfigured(f"{path}: it cannot be read: {error}") from None


def parse_label(text: str) -> ClassLabel:
    """A label from its text in a CSV: a whole number, a truth value, or the text itself.

    It reads what `messages.label_text` writes. A text that looks like a number or a truth value becomes one.

    >>> parse_label("3"), parse_label("true"), parse_label("UP"), parse_label("1.5")
    (3, True, 'UP', '1.5')
    """
    if text in ("true", "false"):
        return text == "true"
    return int(text) if WHOLE.fullmatch(text) else text


def _opened(path: Path) -> BinaryIO:
    with path.open("rb") as raw:
        compressed = raw.read(2) == GZIP_MAGIC
    return cast("BinaryIO", gzip.open(path)) if compressed else path.open("rb")


def _of_text(read: Callable[[Path, TextIO, str | None], Iterator[Row]]) -> FormatReader:
    def reader(path: Path, file: BinaryIO, label: str | None) -> Iterator[Row]:
        with io.TextIOWrapper(file, encoding=ENCODING, newline="") as text:
            yield from read(path, text, label)

    return reader


def _csv(path: Path, file: TextIO, label: str | None) -> Iterator[Row]:
    csv.field_size_limit(CSV_FIELD_CHARACTERS)
    reader = csv.DictReader(file, restkey=REST)
    columns = reader.fieldnames or []
    if not columns:
        raise Misconfigured(f"{path}: it is empty; the first line names the columns")
    column = _label_column(path, list(columns), label)
    whole = _whole(path, reader, len(columns))
    first = list(islice(whole, LOOK_AHEAD_ROWS))
    texts = {name for given in first for name, cell in given.items() if cell and _number(cell) is None}
    for given in chain(first, whole):
        truth = given.pop(column)
        if truth == "":
            continue  # a row without a label has nothing to learn or to compare with
        notes = {name: cell for name, cell in given.items() if cell != "" and name.startswith("_")}
        features = {
            name: cell if name in texts else _cell(cell)
            for name, cell in given.items()
            if cell != "" and name not in notes
        }
        yield Row(features, parse_label(truth), notes)


def _label_column(path: Path, columns: list[str], label: str | None) -> str:
    column = label if label is not None else columns[-1]
    if column not in columns:
        raise Misconfigured(f"{path}: there is no column {column!r}; there are {', '.join(columns[:20])}")
    return column


def _whole(path: Path, reader: csv.DictReader[str], columns: int) -> Iterator[dict[str, str]]:
    for given in reader:
        if None in given.values() or REST in given:
            raise Misconfigured(f"{path}: line {reader.line_num} has not the header's {columns} columns")
        yield given


def _parquet(path: Path, file: BinaryIO, label: str | None) -> Iterator[Row]:
    columns, found = records(path, file)
    if not columns:
        raise Misconfigured(f"{path}: it is empty; it has not one column")
    column = _label_column(path, columns, label)
    for number, given in enumerate(found, 1):
        truth = given.pop(column, None)
        if truth is None:
            continue
        if not isinstance(truth, str | int | float):
            raise Misconfigured(f"{path}: row {number} has no text or number at {column!r}")
        notes = {name: str(value) for name, value in given.items() if name.startswith("_")}
        yield Row({name: value for name, value in given.items() if name not in notes}, truth, notes)


def _json(path: Path, file: TextIO, label: str | None) -> Iterator[Row]:
    name = label or "label"
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            given = msgspec.json.decode(line)
        except (msgspec.DecodeError, RecursionError) as error:
            raise Misconfigured(f"{path}: line {number} is not JSON: {error}") from None
        if not isinstance(given, dict) or not isinstance(given.get(name), str | int | float | bool):
            raise Misconfigured(f"{path}: line {number} is no object with a text or number at {name!r}")
        truth = given.pop(name)
        inner = given.get("features")
        notes = {key: str(value) for key, value in given.items() if key.startswith("_")}
        features = inner if isinstance(inner, dict) else {k: v for k, v in given.items() if k not in notes}
        yield Row(features, truth, notes)


def _cell(cell: str) -> float | int | str:
    number = _number(cell)
    return cell if number is None else number


def _number(cell: str) -> float | int | None:
    try:
        number = float(cell)
    except ValueError:
        return None
    if not isfinite(number):
        return None
    return int(number) if number.is_integer() and abs(number) < 2**53 and "." not in cell else number


READERS: dict[str, FormatReader] = {
    ".csv": _of_text(_csv),
    ".json": _of_text(_json),
    ".jsonl": _of_text(_json),
    ".ndjson": _of_text(_json),
    ".parquet": _parquet,
}
