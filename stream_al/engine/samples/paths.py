"""Paths: the names of the parts of a nested record.

`transaction.amount` is the member `amount` of the object at `transaction`, and `items.0` is the first element
of the array at `items`. A member whose own name has dots, such as `{"transaction.amount": 5}`, has the same
path; where both are there, the member with the longer name counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from stream_al.terminal import listed

__all__ = ["named", "nothing_at", "value_at"]

SHOWN = 20  # names


def value_at(record: Any, path: str) -> Any:
    """The value at a path; None if there is none.

    >>> value_at({"a": {"b": [5, 6]}}, "a.b.1"), value_at({"a.b": 7, "a": {"b": 8}}, "a.b"), value_at({}, "a")
    (6, 7, None)
    """
    if isinstance(record, list):
        head, _, rest = path.partition(".")
        place = int(head) if head.isascii() and head.isdecimal() and len(head) < 10 else len(record)
        found = record[place] if place < len(record) else None
        return value_at(found, rest) if rest else found
    if not isinstance(record, dict):
        return None
    if path in record:
        return record[path]
    cut = path.rfind(".")
    while cut > 0:
        inner = record.get(path[:cut])
        if isinstance(inner, dict | list):
            found = value_at(inner, path[cut + 1 :])
            if found is not None:
                return found
        cut = path.rfind(".", 0, cut)
    return None


def named(record: Any, limit: int = 1000) -> list[str]:
    """The paths of the values in a record, at most `limit` of them.

    >>> named({"a": {"b": 1, "c": [2]}, "d": None})
    ['a.b', 'a.c.0', 'd']
    """
    found: list[str] = []
    waiting: list[tuple[str, Any]] = [("", record)]
    while waiting and len(found) < limit:
        name, value = waiting.pop()
        if isinstance(value, dict | list) and (value or not name):
            members = list(value.items() if isinstance(value, dict) else enumerate(value))[:limit]
            waiting += [
                (f"{name}.{part}" if name else str(part), member) for part, member in reversed(members)
            ]
        else:
            found.append(name)
    return found


def nothing_at(path: str, there: Iterable[str], *, kind: str = "nothing at") -> str:
    """A sentence for a path that leads to nothing, with the names that are like it, else the first names.

    >>> nothing_at("amuont", ["id", "amount"])
    "there is nothing at 'amuont'; did you mean 'amount'?"
    >>> nothing_at("x", ["a", "b"], kind="no column")
    "there is no column 'x'; there are a, b"
    """
    names = list(dict.fromkeys(there))
    last = {name: name.rpartition(".")[2].casefold() for name in names}
    wanted = path.rpartition(".")[2].casefold()
    near = [name for name in names if last[name] == wanted]
    near = near or get_close_matches(path, names, n=1, cutoff=0.7)
    if near:
        return f"there is {kind} {path!r}; did you mean {' or '.join(map(repr, near[:3]))}?"
    if not names:
        return f"there is {kind} {path!r}"
    return f"there is {kind} {path!r}; there are {listed(names, SHOWN)}"
