"""Examples written to a file: the labelled dataset.

| format | a row | types |
|---|---|---|
| `jsonl` | the example as it is on its topic | JSON's own; nothing is lost |
| `parquet` | the facts, and a column `features.NAME` for each feature | the columns' own; nothing is lost |
| `csv` | the same | `datasets.cells`; nothing is lost, except for the prediction |

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
from typing import IO, Any, BinaryIO, cast

from stream_al.datasets.cells import marked
from stream_al.datasets.parquet import write_parquet
from stream_al.datasets.table import EXPORTED, EXPORTED_TEXTS, FEATURES
from stream_al.errors import Misconfigured
from stream_al.messages import Example, decode, encode

__all__ = ["FORMATS", "Export"]

FORMATS = ("jsonl", "csv", "parquet")
SPOOL_BYTES = 64 * 2**20  # of examples kept in memory before they go to a temporary file


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

    def add(self, example: Example) -> None:
        """Take an example."""
        self.number += 1
        if self.form == "jsonl":
            self.out.write(encode(example).decode() + "\n")
            return
        for name, value in _row(example).items():
            self._columns.setdefault(name, set()).add(type(value))
        self._waiting.write(encode(example) + b"\n")

    def _rows(self) -> Iterator[dict[str, Any]]:
        self._waiting.seek(0)
        for line in self._waiting:
            yield _row(decode(Example, line, max_bytes=len(line)))

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


def _row(example: Example) -> dict[str, Any]:
    """The columns of an example that have a value."""
    facts = {name: getattr(example, name) for name in EXPORTED}
    features = {f"{FEATURES}.{name}": value for name, value in (example.features or {}).items()}
    return {name: value for name, value in (facts | features).items() if value is not None}


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return marked(value, typed=name not in EXPORTED_TEXTS)
    return encode(value).decode()
