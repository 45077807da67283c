"""Checks of values that were read from records: what must hold so that other code may use them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from stream_al.errors import BadMessage

__all__ = ["check_depth", "moment"]

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


def moment(text: str) -> datetime:
    """A time in ISO 8601, with a zone: without one it could not be compared with others.

    Raises:
        BadMessage: `bad_time`.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise BadMessage("bad_time", f"{text[:40]!r} is no time in ISO 8601 with a zone")
    return found
