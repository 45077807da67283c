"""Records that hold no sample, and rightly so: a row of a table was deleted.

A topic that carries the changes of a table says so in one of these ways. All of them are skipped:

    the record has no value               the tombstone of a compacted topic            `tombstone`
    the path of the features is null      an envelope such as Debezium's, with
                                          `after: null`                                 `deleted`
    the record, or its member `payload`,  the same envelope, where the features are
    has `op: "d"` and `after: null`       the whole record or found by themselves       `deleted`
    the features have `__deleted` true    Debezium's flattened form of it               `deleted`

A path is null if a member on it is there and holds null. A path that is not there is a mistake
(`no_features`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["MARKS", "is_deletion"]

MARKS = ("op", "__deleted")
"""The members that mark a deletion."""


def is_deletion(record: Mapping[str, Any], path: str | None) -> bool:
    """Whether a record says that a row was deleted.

    Args:
        record: Plain JSON values.
        path: The path of the features; None if they are the whole record or found by themselves.

    >>> is_deletion({"op": "d", "before": {"x": 1}, "after": None}, None)
    True
    >>> is_deletion({"payload": {"after": None}}, "payload.after"), is_deletion({"op": "d"}, "payload.after")
    (True, False)
    """
    if path is None:
        inner = record.get("payload")
        return _deletes(record) or (isinstance(inner, Mapping) and _deletes(inner))
    value: Any = record
    for part in path.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return False
        value = value[part]
        if value is None:
            return True
    return isinstance(value, Mapping) and _is_marked(value)


def _deletes(record: Mapping[str, Any]) -> bool:
    return _is_marked(record) or (record.get("op") == "d" and record.get("after", "") is None)


def _is_marked(row: Mapping[str, Any]) -> bool:
    return row.get("__deleted") in (True, "true")
