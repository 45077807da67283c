"""Tables: what a CSV and a Parquet file have in common.

A table has named columns, and its rows are flat. A record of a stream is nested. So the columns below an
object that the input rules name, such as `transaction.amount` below `transaction`, become the members of
that object. Nothing else is nested, so a name with dots stays the name that it is in the features of the
service.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from stream_al.engine.samples.labelled import CORRECTED, LABEL
from stream_al.engine.samples.paths import nothing_at
from stream_al.errors import BadMessage, Misconfigured

__all__ = [
    "EXPORTED",
    "EXPORTED_TEXTS",
    "FEATURES",
    "MARKS",
    "Record",
    "Table",
    "grouped",
    "label_column",
    "require_distinct",
]

MARKS = ("id", "label", "annotator", "propensity", "reason", "queried_at", "labelled_at")
"""The first columns of an exported table, by which it is known again."""
EXPORTED = (*MARKS, *CORRECTED, "guess_shown", "flagged", "comment")
"""The columns before those of the features."""
EXPORTED_TEXTS = (
    *("id", "annotator", "reason", "queried_at", "labelled_at"),
    "corrected_by",
    "corrected_at",
    "comment",
)
"""Those of them that hold texts."""
FEATURES = "features"

Record: TypeAlias = dict[str, Any] | BadMessage
"""A record, or what is wrong with it."""


@dataclass
class Table:
    """A table.

    Attributes:
        columns: The names of its columns, in their order; none if its rows are no flat ones.
        label: The column of the label.
        records: Each row as a record, without what is missing, and its place in words.
    """

    columns: list[str]
    label: str
    records: Iterator[tuple[str, Record]]


def require_distinct(path: Path, columns: Sequence[str]) -> None:
    """Refuse columns of one name, since one of them would be lost; columns without a name are none.

    Raises:
        Misconfigured: Two columns have one name.
    """
    doubled = [name for name, number in Counter(columns).items() if name and number > 1]
    if doubled:
        places = [str(place) for place, name in enumerate(columns, 1) if name == doubled[0]]
        raise Misconfigured(
            f"{path}: the columns {' and '.join(places)} have one name, {doubled[0][:60]!r}: rename one"
        )


def grouped(columns: Collection[str], objects: Collection[str]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A function of a record that moves what lies below an object into the object.

    >>> group = grouped(["id", "features.x", "features.geo.lat"], ["features", "payload"])
    >>> group({"id": "a", "features.x": 1, "features.geo.lat": 2})
    {'id': 'a', 'features': {'x': 1, 'geo.lat': 2}}
    """
    below = {path: [name for name in columns if name.startswith(path + ".")] for path in objects}
    moves = [
        (path, [(name, name.removeprefix(path + ".")) for name in names])
        for path, names in below.items()
        if names and path not in columns
    ]

    def group(record: dict[str, Any]) -> dict[str, Any]:
        for path, names in moves:
            record[path] = {inner: record.pop(name) for name, inner in names if name in record}
        return record

    return group


def label_column(path: Path, columns: list[str], label: str | None) -> str:
    """The column of the label: the one that is named, else `label`, else the last one.

    Raises:
        Misconfigured: There is no such column.
    """
    if label is None:
        return LABEL if LABEL in columns or not columns else columns[-1]
    parts = label.split(".")
    if not any(".".join(parts[:end]) in columns for end in range(1, len(parts) + 1)):
        raise Misconfigured(f"{path}: {nothing_at(label, columns, kind='no column')}")
    return label
