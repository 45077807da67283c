"""JSON records: values as bytes, and bytes as values.

*Every byte read here may be hostile.* Nothing is evaluated, and anything wrong with a record becomes a
`BadMessage` whose reason serves as a metric label. After `decoded` the following holds, so no reader has to
check it again:

    bytes      the record has at most `max_bytes`; this is checked before it is parsed
    depth      nothing is nested deeper than `MAX_DEPTH`, so that code that recurses can walk it
    objects    there are at most `MAX_OBJECTS` objects and arrays; this too is checked before it is parsed,
               since a million bytes of `[[],[],...]` would hold the event loop for 0.4 s
    numbers    each is finite, and a whole number has no more digits than Python writes (4300)
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from stream_al.checks import check_depth
from stream_al.errors import BadMessage
from stream_al.malformed import hint

__all__ = ["LARGEST_RECORD", "MAX_DEPTH", "MAX_OBJECTS", "decode_json", "decoded", "encode"]

MAX_DEPTH = 128  # more than `input.max_depth` may be, and far less than what Python can recurse
MAX_OBJECTS = 50_000  # two for each of the 10,000 records that a request may have, and more

LARGEST_RECORD = 100 * 1024**2
"""The most bytes of a record that any setting allows."""

_ENCODER = msgspec.json.Encoder()
_ANY = msgspec.json.Decoder()
# A text may have no end, so that each quote is looked at once.
_TEXT = re.compile(rb'"(?:[^"\\]++|\\.?)*+(?:"|\Z)', re.DOTALL)


def encode(message: Any) -> bytes:
    """A message as JSON."""
    return _ENCODER.encode(message)


def decode_json(value: bytes | None, *, max_bytes: int) -> Any:
    """Plain JSON values from a record's bytes.

    Raises:
        BadMessage: `null_value`, `too_large`, `too_deep`, `too_many_objects`, `not_json`, or `bad_fields` for
            a number that no type can hold.
    """
    return decoded(_ANY, value, max_bytes)


def decoded(decoder: Any, value: bytes | None, max_bytes: int) -> Any:
    """What a decoder of msgspec makes of a record's bytes.

    Raises:
        BadMessage: With a reason of `decode_json`.
    """
    if value is None:
        raise BadMessage("null_value", "the record has no value")
    if len(value) > max_bytes:
        raise BadMessage("too_large", f"the record has {len(value)} bytes, more than the {max_bytes} allowed")
    opened = value.count(b"{") + value.count(b"[")
    if opened > MAX_OBJECTS and _objects(value) > MAX_OBJECTS:
        raise BadMessage("too_many_objects", f"the record has more than {MAX_OBJECTS} objects and arrays")
    try:
        found = decoder.decode(value)
    except RecursionError:
        raise BadMessage("too_deep", "the record is nested too deeply to be read") from None
    except msgspec.ValidationError as error:
        raise BadMessage("bad_fields", str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadMessage("not_json", f"the record is not JSON: {error}{hint(value)}") from None
    if opened > MAX_DEPTH:  # else it cannot be deeper
        check_depth(found, MAX_DEPTH)
    return found


def _objects(value: bytes) -> int:
    """How many objects and arrays begin in a JSON text, without those within its texts."""
    bare = _TEXT.sub(b"", value)
    return bare.count(b"{") + bare.count(b"[")
