"""A recorded stream: labelled rows of a file, in the order in which they came.

A file is a CSV, JSON (objects on lines, or in an array) or Parquet, compressed with gzip or not. The
content says which, whatever the name. Each row is a record, and id, features and payload are read from it
as the service reads them from a topic: by the rules of `input.*` (`engine.samples`). What is the same for
all formats:

- The label is at the path that the user names; else in the column or member `label`; else, in a CSV or
  Parquet file, in the last column. A row without a label is left out and counted.
- An id is where `input.id` says. A file has no keys, so with `input.id: key` and where there is no id, the
  row's id is the name of the source and the number of the row. A row that is left out has a number too.
- A row from which no sample can be read is left out and counted, as the service puts such a record aside.

In a CSV or Parquet file, a column whose name begins with `_` is a note about the row and no feature, unless
`input.include` names it. In JSON a record is what it would be on the topic, and it has no notes.
"""

from __future__ import annotations

import csv
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from stream_al.datasets.delimited import delimited_table
from stream_al.datasets.form import FileForm, Noticed
from stream_al.datasets.json_text import json_records, wrapped
from stream_al.datasets.labels import LabelCheck
from stream_al.datasets.parquet import parquet_table
from stream_al.datasets.table import FEATURES, Record, Table
from stream_al.datasets.text import decoded, first_bytes, format_of, opened
from stream_al.engine.labels.spelling import AllowedClasses
from stream_al.engine.samples.labelled import LABEL, Labelled, Places, read_labelled
from stream_al.engine.samples.paths import named, nothing_at
from stream_al.engine.samples.sample import AUTO, WHOLE, InputRules
from stream_al.errors import BadMessage, Misconfigured
from stream_al.messages import ClassLabel
from stream_al.terminal import listed

__all__ = ["Row", "Wanted", "rows"]

KNOWN_RECORDS, KNOWN_PATHS = 1000, 1000  # whose paths are kept, to name what is like a path to nothing
UNTIMED = 1000  # rows without a time after which the path of the time is taken to be wrong


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled sample.

    Attributes:
        features: Name to value, flat.
        label: The true label.
        id: Its id; empty if it has none.
        time: When the sample came, as recorded.
        label_time: When its label came, as recorded.
        annotator: Who labelled it, if it was an example.
        labelled_at: When the annotator did so, if it was an example.
    """

    features: dict[str, Any]
    label: ClassLabel
    id: str = ""
    time: Any = None
    label_time: Any = None
    annotator: str | None = None
    labelled_at: str | None = None

    @classmethod
    def of(cls, found: Labelled, label: ClassLabel) -> Row:
        """The row of a labelled sample."""
        sample = found.sample
        return cls(
            sample.features,
            label,
            sample.id,
            found.time,
            found.label_time,
            found.annotator,
            found.labelled_at,
        )


@dataclass(frozen=True)
class Wanted:
    """What to read of a file.

    Attributes:
        rules: Where id, features and payload are in a record.
        label: The path of the label, if the user names it.
        time: The path of the sample's time.
        label_time: The path of the label's time.
        form: What the user says of the file.
        source: The name of the source, for the ids of rows without one.
        allowed: The classes that a label may name; the row of another label is left out and counted.
    """

    rules: InputRules = field(default_factory=InputRules)
    label: str | None = None
    time: str | None = None
    label_time: str | None = None
    form: FileForm = field(default_factory=FileForm)
    source: str = "row"
    allowed: AllowedClasses = field(default_factory=AllowedClasses)


def rows(path: Path, wanted: Wanted | None = None, noticed: Noticed | None = None) -> Iterator[Row]:
    """The labelled rows of a file, in order.

    Args:
        path: The file.
        wanted: What to read of it.
        noticed: Gets what does not keep the file from being used.

    Raises:
        Misconfigured: The file does not exist, cannot be read, or has no such label.
    """
    wanted, noticed = wanted or Wanted(), noticed if noticed is not None else Noticed()
    try:
        with opened(path) as file:
            yield from _rows(path, file, wanted, noticed)
    except FileNotFoundError:
        raise Misconfigured(f"{path}: there is no such file") from None
    except UnicodeDecodeError as error:
        raise Misconfigured(
            f"{path}: it cannot be read: it is not {error.encoding.removesuffix('-sig')} (byte 0x"
            f"{error.object[error.start]:02x}): say --encoding, such as cp1252 or utf-16"
        ) from None
    except UnicodeError as error:  # of UTF-16 and UTF-32
        raise Misconfigured(f"{path}: it cannot be read: {error}: say --encoding") from None
    except (OSError, EOFError, zlib.error, csv.Error) as error:
        raise Misconfigured(f"{path}: it cannot be read: {error}") from None


def _rows(path: Path, file: BinaryIO, wanted: Wanted, noticed: Noticed) -> Iterator[Row]:
    first = first_bytes(file)
    kind = format_of(path, first, wanted.form.encoding)
    with decoded(file, first, wanted.form.encoding) as text:
        if kind == "json":
            table = Table([], wanted.label or LABEL, json_records(path, text))
        else:
            table = _table(path, file, text, kind, wanted, noticed)
        noticed.label, noticed.guessed = table.label, wanted.label is None and table.label != LABEL
        rules = replace(wanted.rules, id="position") if wanted.rules.id == "key" else wanted.rules
        wanted = replace(wanted, rules=_without_notes(rules, table.columns, noticed))
        yield from _Reader(path, table, wanted, noticed).read()


def _table(path: Path, file: BinaryIO, text: TextIO, kind: str, wanted: Wanted, noticed: Noticed) -> Table:
    rules = wanted.rules
    objects = [FEATURES, *(place for place in (rules.features, rules.payload) if place)]
    objects = [place for place in objects if place not in (AUTO, WHOLE)]
    if kind == "parquet":
        return parquet_table(path, file, label=wanted.label, objects=objects)
    ids = {"id", rules.id}
    return delimited_table(path, text, wanted.form, noticed, label=wanted.label, objects=objects, ids=ids)


def _without_notes(rules: InputRules, columns: list[str], noticed: Noticed) -> InputRules:
    """The rules that leave out the notes of a table: the columns whose name begins with `_`."""
    if rules.features not in (AUTO, WHOLE) or any(f"{name}.".startswith(f"{FEATURES}.") for name in columns):
        return rules
    notes = [name for name in columns if name.startswith("_")]
    notes = [name for name in notes if not any(fnmatchcase(name, pattern) for pattern in rules.include)]
    if not notes:
        return rules
    noticed.remarks.append(
        f"{listed(notes)}: columns that begin with _ are no features, unless input.include names them"
    )
    escaped = [name.replace("[", "[[]").replace("*", "[*]").replace("?", "[?]") for name in notes]
    return replace(rules, exclude=(*rules.exclude, *escaped))


class _Reader:
    """Reads the labelled samples of records."""

    def __init__(self, path: Path, table: Table, wanted: Wanted, noticed: Noticed) -> None:
        self.path = path
        self.table = table
        self.rules = wanted.rules
        self.source = wanted.source
        self.allowed = wanted.allowed
        self.places = Places(table.label, wanted.time, wanted.label_time, examples=table.label == LABEL)
        self.noticed = noticed
        self.there = dict.fromkeys(table.columns)
        self.labels = LabelCheck(path, table.label)
        self.timed = False
        self.wrapped: str | None = None

    def read(self) -> Iterator[Row]:
        """The rows.

        Raises:
            Misconfigured: No record has a label, or none can be used, or the labels are no classes.
        """
        given = number = 0
        for number, (place, record) in enumerate(self.table.records, 1):
            if isinstance(record, dict) and not self.table.columns:
                self._look(record, number)
            row = self._row(place, record, number)
            if row is not None:
                given += 1
                self.labels.see(row.label)
                yield row
            if number == UNTIMED:
                self._check_time()
        self.labels.end()
        if self.noticed.unlabelled or given:
            self._check_time()
        if not given:
            self._refuse(number)

    def _look(self, record: dict[str, Any], number: int) -> None:
        """Remember the paths of one of the first records, to name them where a path leads to nothing."""
        if number <= KNOWN_RECORDS and len(self.there) < KNOWN_PATHS:
            self.there.update(dict.fromkeys(named(record, KNOWN_PATHS)))
        if number == 1:
            self.wrapped = wrapped(record)

    def _refuse(self, number: int) -> None:
        """Say why none of a number of records can be used."""
        if number == 1 and self.wrapped is not None:
            raise Misconfigured(
                f"{self.path}: it is one object, and its member {self.wrapped!r} is an array of objects: "
                f"write this array alone into a file, as jq '.[\"{self.wrapped}\"]' does"
            )
        if self.noticed.unlabelled:
            if self.table.label not in self.there:
                raise Misconfigured(
                    f"{self.path}: {nothing_at(self.table.label, self.there)}; say --label, since a row "
                    "without its label is not used"
                )
            raise Misconfigured(f"{self.path}: no row has a label at {self.table.label!r}")
        if self.noticed.refused:
            reason, first = next(iter(self.noticed.first_refused.items()))
            raise Misconfigured(f"{self.path}: no row can be used ({reason}): {first}")

    def _row(self, place: str, record: Record, number: int) -> Row | None:
        try:
            if isinstance(record, BadMessage):
                raise record
            found = read_labelled(
                record, self.rules, self.places, key=None, position=f"{self.source}-{number}"
            )
            label = None if found.label is None else self.allowed.named_by(found.label)
        except BadMessage as error:
            detail = str(error)
            if error.reason == "no_id":
                detail = f"{detail}; for a file without ids say --id position"
            self.noticed.refuse(error.reason, place, detail)
            return None
        self.timed = self.timed or found.time is not None
        if label is None:
            self.noticed.unlabelled += 1
            return None
        return Row.of(found, label)

    def _check_time(self) -> None:
        if self.places.time and not self.timed:
            raise Misconfigured(f"--time: {nothing_at(self.places.time, self.there, kind='no column')}")
