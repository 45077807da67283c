"""The check of how deep a value is nested, so that code that recurses can walk it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from stream_al.errors import BadMessage

__all__ = ["check_depth"]

_PLAIN = frozenset({dict, list})


def check_depth(value: Any, limit: int) -> None:
    """Refuse plain values, or a message, that are nested deeper than a limit, level by level.

    Raises:
        BadMessage: `too_deep`.

    >>> check_depth({"a": [1]}, 2)
    >>> check_depth({"a": [1]}, 1)
    Traceback (most recent call last):
    stream_al.errors.BadMessage: the record is nested deeper than 1
    """
    level: list[Any] = [value]
    for _ in range(limit):
        level = [inner for outer in level for inner in _nested(outer)]
        if not level:
            return
    raise BadMessage("too_deep", f"the record is nested deeper than {limit}")


def _nested(outer: Any) -> Iterable[Any]:
    """The members that may have members of their own."""
    if isinstance(outer, msgspec.Struct):
        members: Iterable[Any] = msgspec.structs.astuple(outer)
    else:
        members = outer.values() if isinstance(outer, dict) else outer
        if _PLAIN.isdisjoint(map(type, members)):  # nearly always; an array may have half a million numbers
            return ()
    return [member for member in members if isinstance(member, dict | list | msgspec.Struct)]
