"""Examples written to a file: the labelled dataset.

| format | a row | types |
|---|---|---|
| `jsonl` | the example as it is on its topic | JSON's own; nothing is lost |
| `parquet` | the facts, and a column `features.NAME` for each feature | the columns' own; nothing is lost |
| `csv` | the same | `datasets.cells`; nothing is lost, except for the prediction |

A label that was corrected is the right one, and three columns say what it was: `former_label`, the label that
came first; `corrected_by`, the annotator who decided, else the name of the HTTP token, else `consensus`; and
`corrected_at`, the log time of the correction. They are empty for every other label.

In a CSV, a text that could be taken for something else begins with an apostrophe: `'02139.5` for a text
that looks like a number, and `'=A1` for what a spreadsheet would run as a formula. `datasets.rows` takes it
off again. Numbers stay numbers.

The columns of a table are known only when all examples are. So the examples wait in a temporary file.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import IO, Any, BinaryIO, NamedTuple, cast

import msgspec

from stream_al.datasets.cells import marked
from stream_al.datasets.parquet import write_parquet
from stream_al.datasets.table import EXPORTED, EXPORTED_TEXTS, FEATURES
from stream_al.errors import Misconfigured
from stream_al.messages import ClassLabel, Example, decode_json, encode

__all__ = ["FORMATS", "Export", "Superseded"]

FORMATS = ("jsonl", "csv", "parquet")
SPOOL_BYTES = 64 * 2**20  # of examples kept in memory before they go to a temporary file


class Superseded(NamedTuple):
    """What a corrected label was before. The names of the members are those of the columns."""

    former_label: ClassLabel
    corrected_by: str | None
    corrected_at: str


class Export:
    """Writes examples.

    Args:
        out: The file: text, or bytes for `parquet`.
        form: One of `FORMATS`.

    Attributes:
        number: The examples taken.

    Raises:
        Misconfigured: There is no such format.
    """

    def __init__(self, out: IO[Any], form: str) -> None:
        if form not in FORMATS:
            raise Misconfigured(f"--format: write {', '.join(FORMATS)}, not {form!r}")
        self.out = out
        self.form = form
        self.number = 0
        self._columns: dict[str, set[type]] = {name: set() for name in EXPORTED}
        self._waiting = SpooledTemporaryFile(SPOOL_BYTES)  # noqa: SIM115 - it is closed by __exit__

    def __enter__(self) -> Export:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._waiting:
            if kind is None and self.form == "csv":
                self._write_csv()
            elif kind is None and self.form == "parquet":
                write_parquet(
                    cast("BinaryIO", self.out),
                    {n: kinds or {str} for n, kinds in self._columns.items()},
                    self._rows,
                )

    def add(self, example: Example, superseded: Superseded | None = None) -> None:
        """Take an example, and what its label was before if it was corrected."""
        self.number += 1
        facts = superseded._asdict() if superseded else {}
        record = msgspec.to_builtins(example) | {n: fact for n, fact in facts.items() if fact is not None}
        line = encode(record)
        if self.form == "jsonl":
            self.out.write(line.decode() + "\n")
            return
        for name, value in _row(record).items():
            self._columns.setdefault(name, set()).add(type(value))
        self._waiting.write(line + b"\n")

    def _rows(self) -> Iterator[dict[str, Any]]:
        self._waiting.seek(0)
        for line in self._waiting:
            yield _row(decode_json(line, max_bytes=len(line)))

    def _write_csv(self) -> None:
        writer = csv.writer(
            _Lines(self.out)
        )  # its own ends of lines, so that it quotes both characters of them
        writer.writerow(self._columns)
        for row in self._rows():
            writer.writerow([_cell(name, row.get(name)) for name in self._columns])


class _Lines:
    """Takes lines of a CSV, and writes them with the ends of lines of Unix."""

    def __init__(self, out: IO[Any]) -> None:
        self.out = out

    def write(self, line: str) -> None:
        self.out.write(line.removesuffix("\r\n") + "\n")


def _row(record: dict[str, Any]) -> dict[str, Any]:
    """The columns of an example that have a value."""
    facts = {name: record.get(name) for name in EXPORTED}
    features = {f"{FEATURES}.{name}": value for name, value in (record.get(FEATURES) or {}).items()}
    return {name: value for name, value in (facts | features).items() if value is not None}


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return marked(value, typed=name not in EXPORTED_TEXTS)
    return encode(value).decode()
