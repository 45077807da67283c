"""Edits of a record in JSON, as `PATH=VALUE`: the members that are to have other values.

A path is made of the names of members, with dots between them. A whole number names an element of an array. A
member whose own name has dots is found by its whole name. Objects that are missing on the way are made. The
value is JSON, or else the text itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from stream_al.errors import BadMessage, Misconfigured
from stream_al.messages import LARGEST_RECORD, decode_json, encode

__all__ = ["edited"]


def edited(value: bytes | None, changes: Sequence[str]) -> bytes:
    """The record with other values.

    Args:
        value: The record.
        changes: Each as `PATH=VALUE`.

    Raises:
        Misconfigured: The record is not an object in JSON, or a path leads through something else.

    >>> edited(b'{"id": 7, "card": {"age": "x"}}', ["card.age=3", "card.land=NL", "tags=[1, 2]", "tags.0=5"])
    b'{"id":7,"card":{"age":3,"land":"NL"},"tags":[5,2]}'
    """
    try:
        record = decode_json(value, max_bytes=LARGEST_RECORD)
    except BadMessage:
        record = None
    if not isinstance(record, dict):
        raise Misconfigured("--set: the record is no object in JSON; change it with --edit")
    for change in changes:
        path, equals, text = change.partition("=")
        if not path or not equals:
            raise Misconfigured(f"--set: write PATH=VALUE, such as amount=12.5, not {change!r}")
        _set(record, path, _value(text), change)
    return encode(record)


def _set(record: dict[str, Any], path: str, value: Any, change: str) -> None:
    """Set the value at a path, in place."""
    inside: Any = record
    while True:
        if isinstance(inside, list):
            head, _, rest = path.partition(".")
            if not (head.isascii() and head.isdigit() and len(head) < 10 and int(head) < len(inside)):
                raise Misconfigured(f"--set: {change!r} names no element of its array; change it with --edit")
            at: Any = int(head)
        elif isinstance(inside, dict):
            at = path if path in inside else path.partition(".")[0]
            rest = path[len(at) + 1 :]
        else:
            raise Misconfigured(f"--set: {change!r} leads through a value that is no object")
        if not rest:
            inside[at] = value
            return
        if isinstance(inside, dict):
            inside.setdefault(at, {})
        inside, path = inside[at], rest


def _value(text: str) -> Any:
    try:
        return msgspec.json.decode(text.encode())
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return text
