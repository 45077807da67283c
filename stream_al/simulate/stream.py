"""A stream to simulate: rows of a file, of a dataset that River includes, or of a topic.

Rows keep the order in which they were recorded. They are read as the service reads them (`datasets.rows`).
The stream's clock never runs backwards: if a row has an earlier time than a row before it, it gets the time
of that row. The log time of the service does the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate
from math import inf, isfinite
from pathlib import Path
from typing import Any

from stream_al.datasets.form import Noticed
from stream_al.datasets.labels import parse_label
from stream_al.datasets.rows import Row, Wanted, rows
from stream_al.engine.samples.sample import InputRules, flat_features
from stream_al.errors import Misconfigured
from stream_al.messages import ClassLabel, label_text
from stream_al.terminal import printable

__all__ = ["BUNDLED", "UNITS", "Columns", "Stream", "bundled", "make_stream", "moment", "named_rows"]

BUNDLED = {"shuttle": "Shuttle", "segments": "ImageSegments"}
"""The datasets of River's package that a stream may name, and River's names of them."""
UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
"""Seconds of each unit of time."""
MOST_CHARACTERS = 40  # of a class, to show


@dataclass(frozen=True)
class Stream:
    """A recorded stream.

    Attributes:
        name: Its name, to show.
        rows: The samples with their labels, features flat.
        clock: The time of each sample in seconds, never falling; None if it is unknown.
        labelled: The time of each label in seconds, infinite for a label that never came; None if it is
            unknown.
    """

    name: str
    rows: Sequence[Row]
    clock: Sequence[float] | None = None
    labelled: Sequence[float] | None = None

    @property
    def classes(self) -> list[ClassLabel]:
        """Every label, in order of first appearance."""
        return list(dict.fromkeys(row.label for row in self.rows))

    def remarks(self) -> list[str]:
        """What the user should know before the figures are believed, in sentences.

        >>> Stream("s", [Row({"x": 1}, "ok")]).remarks()[0][:34]
        'every sample has the label ok, so '
        """
        classes = self.classes
        if len(classes) != 1:
            return []
        shown = printable(label_text(classes[0]), MOST_CHARACTERS)
        remark = (
            f"every sample has the label {shown}, so there is nothing to tell apart and no figure says "
            "anything: name the column of the class with --label, or take a longer part of the stream"
        )
        return [remark]

    def first(self, number: int) -> Stream:
        """The first samples of the stream."""
        clock, labelled = self.clock, self.labelled
        return Stream(
            self.name,
            self.rows[:number],
            None if clock is None else clock[:number],
            None if labelled is None else labelled[:number],
        )

    def after(self, number: int) -> Stream:
        """The stream without its first samples."""
        if not number:
            return self
        clock, labelled = self.clock, self.labelled
        return Stream(
            self.name,
            self.rows[number:],
            None if clock is None else clock[number:],
            None if labelled is None else labelled[number:],
        )


@dataclass(frozen=True)
class Columns:
    """The columns that hold times.

    Attributes:
        time: The name of what holds the time of the sample; None if the times are unknown.
        label_time: The name of what holds the time of its label; None if these times are unknown.
        unit: The seconds that a number in these columns counts. A text is ISO 8601.
    """

    time: str | None = None
    label_time: str | None = None
    unit: float = 1.0


def named_rows(file: Path | None, stream: str, wanted: Wanted, noticed: Noticed) -> tuple[str, Iterator[Row]]:
    """The rows of a file, or of a bundled dataset where no file is named, and the name of the stream.

    Args:
        file: A recorded stream, in any format that `datasets.rows` reads.
        stream: A name in `BUNDLED`.
        wanted: What to read of the file.
        noticed: Gets what does not keep the file from being used.

    Raises:
        Misconfigured: The file cannot be used, or there is no such dataset.
    """
    if file is None:
        return stream, bundled(stream, wanted.rules)
    return file.name, rows(file, wanted, noticed)


def bundled(name: str, rules: InputRules | None = None) -> Iterator[Row]:
    """The rows of a dataset that River includes, by its name in `BUNDLED`."""
    if name not in BUNDLED:
        raise Misconfigured(f"--stream: write {' or '.join(BUNDLED)}, not {name!r}")
    from river import datasets  # noqa: PLC0415 - slow, and not needed to read a file

    rules = rules or InputRules()
    for features, label in getattr(datasets, BUNDLED[name])():
        yield Row(flat_features(features, rules), parse_label(str(label)))


def make_stream(
    name: str,
    recorded: Iterable[Row],
    columns: Columns,
    progress: Callable[[int], None] = lambda done: None,
) -> Stream:
    """Read all rows. Every mistake in the data is found here.

    Args:
        name: The name of the stream, to show.
        recorded: The rows.
        columns: The columns that hold times.
        progress: Called with the number of rows read.

    Raises:
        Misconfigured: There is no row, or one of them cannot be used; what to do instead.
    """
    found: list[Row] = []
    clock: list[float | None] = []
    labelled: list[float | None] = []
    for number, row in enumerate(recorded, 1):
        if columns.time is not None:
            clock.append(_time(row.time, columns.time, columns.unit, "--time", number))
        if columns.label_time is not None:
            labelled.append(_time(row.label_time, columns.label_time, columns.unit, "--label-time", number))
        found.append(row)
        if number % 1000 == 0:
            progress(number)
    if not found:
        raise Misconfigured(f"{name}: it holds no sample with a label")
    return Stream(
        name,
        found,
        None if columns.time is None else list(accumulate(_complete(clock, columns.time), max)),
        None if columns.label_time is None else _or_never(labelled, columns.label_time, "--label-time"),
    )


def moment(value: Any, unit: float = 1.0) -> float | None:
    """Seconds, of a number or of a time in ISO 8601 (UTC if it names no time zone); None for anything else.

    >>> moment("1970-01-01T00:01Z"), moment("2.5", unit=60), moment("soon")
    (60.0, 150.0, None)
    """
    try:
        seconds = float(value) * unit
    except OverflowError:
        return None
    except (TypeError, ValueError):
        try:
            read = datetime.fromisoformat(value)
        except (TypeError, ValueError):
            return None
        seconds = (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
    return seconds if isfinite(seconds) else None


def _time(value: Any, column: str, unit: float, option: str, number: int) -> float | None:
    if value is None:
        return None
    found = None if isinstance(value, bool) else moment(value, unit)
    if found is None:
        raise Misconfigured(
            f"{option}: name a column of numbers or of times such as 2026-01-31T12:00:00Z; "
            f"row {number} has {value!r} at {column!r}"
        )
    return found


def _complete(times: list[float | None], column: str) -> list[float]:
    """The times of a column in which no time is missing."""
    _or_never(times, column, "--time")
    if None in times:
        raise Misconfigured(
            f"--time: name a column without gaps; row {times.index(None) + 1} has no {column!r}"
        )
    return [time for time in times if time is not None]


def _or_never(times: list[float | None], column: str, option: str) -> list[float]:
    """The times of a column, infinite where one is missing; one at least must be there."""
    if all(time is None for time in times):
        raise Misconfigured(f"{option}: no row has a time at {column!r}")
    return [inf if time is None else time for time in times]
