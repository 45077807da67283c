"""A stream to simulate: rows of a file, of a dataset that River brings along, or of a topic.

Rows keep the order in which they were recorded. Their features are flat, as the service would read them.
The stream's clock, where it has one, never runs backwards: a row that carries an earlier time than one
before it came, for all that can be known of it, when that one did. Log time in the service passes likewise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import accumulate
from math import inf, isfinite
from typing import Any

from stream_al.datasets.rows import Row, label_of
from stream_al.engine.samples.sample import InputRules, flat_features
from stream_al.errors import BadMessage, Misconfigured
from stream_al.messages import ClassLabel

__all__ = ["BUNDLED", "UNITS", "Columns", "Stream", "bundled", "make_stream", "moment"]

BUNDLED = {"shuttle": "Shuttle", "segments": "ImageSegments"}  # they come with River
UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
"""Seconds of each unit of time."""


@dataclass(frozen=True)
class Stream:
    """What happened.

    Attributes:
        name: For people.
        rows: The samples with their labels, features flat.
        clock: When each came, in seconds, never falling; None if nobody knows.
        labelled: When the label of each came, in seconds, infinite for one that never did; None if nobody
            knows.
    """

    name: str
    rows: Sequence[Row]
    clock: Sequence[float] | None = None
    labelled: Sequence[float] | None = None

    @property
    def classes(self) -> list[ClassLabel]:
        """Every label, in order of first appearance."""
        return list(dict.fromkeys(row.label for row in self.rows))

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
    """Which columns hold times.

    Attributes:
        time: When the sample came.
        label_time: When its label came.
        unit: Seconds that a number in them counts; a text is ISO 8601.
    """

    time: str | None = None
    label_time: str | None = None
    unit: float = 1.0


def bundled(name: str) -> Iterator[Row]:
    """The rows of a dataset that comes with River, by its name in `BUNDLED`."""
    if name not in BUNDLED:
        raise Misconfigured(f"--stream: write {' or '.join(BUNDLED)}, not {name!r}")
    from river import datasets  # noqa: PLC0415 - slow, and not needed to read a file

    for features, label in getattr(datasets, BUNDLED[name])():
        yield Row(features, label_of(str(label)))


def make_stream(
    name: str,
    recorded: Iterable[Row],
    columns: Columns,
    rules: InputRules,
    progress: Callable[[int], None] = lambda done: None,
) -> Stream:
    """Read everything; every mistake in the data is found here.

    Args:
        name: For people.
        recorded: The rows.
        columns: Where times lie in them, if anywhere.
        rules: How features are read.
        progress: Called with the rows read.

    Raises:
        Misconfigured: There is no row, or one of them cannot be used; what to do instead.
    """
    rows: list[Row] = []
    clock: list[float | None] = []
    labelled: list[float | None] = []
    for number, row in enumerate(recorded, 1):
        values = {**row.features, **row.notes}
        clock.append(_time(values, columns.time, columns.unit, "--time", number))
        labelled.append(_time(values, columns.label_time, columns.unit, "--label-time", number))
        # When a label came is known only after the fact: a feature it must not be.
        given = {key: value for key, value in row.features.items() if key != columns.label_time}
        try:
            rows.append(replace(row, features=dict(flat_features(given, rules))))
        except BadMessage as error:
            raise Misconfigured(f"{name}: row {number}: {error}") from None
        if number % 1000 == 0:
            progress(number)
    if not rows:
        raise Misconfigured(f"{name}: it holds no sample with a label")
    return Stream(
        name,
        rows,
        None if columns.time is None else list(accumulate(_all(clock, columns.time, rows), max)),
        None if columns.label_time is None else _some(labelled, columns.label_time, rows),
    )


def moment(value: Any, unit: float = 1.0) -> float | None:
    """Seconds since some beginning, of a number or a time in ISO 8601 (UTC unless it says otherwise).

    >>> moment("1970-01-01T00:01Z"), moment("2.5", unit=60), moment("soon")
    (60.0, 150.0, None)
    """
    try:
        seconds = float(value) * unit
    except (TypeError, ValueError):
        try:
            read = datetime.fromisoformat(value)
        except (TypeError, ValueError):
            return None
        seconds = (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
    return seconds if isfinite(seconds) else None


def _time(
    values: Mapping[str, Any], column: str | None, unit: float, option: str, number: int
) -> float | None:
    value = None if column is None else values.get(column)
    if value is None:
        return None
    found = None if isinstance(value, bool) else moment(value, unit)
    if found is None:
        raise Misconfigured(
            f"{option}: name a column of numbers or of times such as 2026-01-31T12:00:00Z; "
            f"row {number} has {value!r} at {column!r}"
        )
    return found


def _all(times: list[float | None], column: str, rows: list[Row]) -> list[float]:
    _some(times, column, rows, "--time")
    if None in times:
        raise Misconfigured(
            f"--time: name a column without gaps; row {times.index(None) + 1} has no {column!r}"
        )
    return [time for time in times if time is not None]


def _some(
    times: list[float | None], column: str, rows: list[Row], option: str = "--label-time"
) -> list[float]:
    if all(time is None for time in times):
        there = ", ".join([*rows[0].features, *rows[0].notes][:20])
        raise Misconfigured(f"{option}: there is no column {column!r}; there are {there}")
    return [inf if time is None else time for time in times]
