"""Times as text: ISO 8601, in UTC where this service writes them."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from math import isfinite

from stream_al.errors import BadMessage

__all__ = ["iso", "moment", "time_text"]

SECONDS_BELOW = 1e11  # as seconds the year 5138, as milliseconds 1973


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


def iso(timestamp_ms: int) -> str:
    """A log timestamp as ISO 8601 in UTC.

    >>> iso(0)
    '1970-01-01T00:00:00.000Z'
    """
    found = datetime.fromtimestamp(0, UTC)
    with suppress(OverflowError):  # a producer may give its records any timestamp
        found += timedelta(milliseconds=timestamp_ms)
    return found.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def time_text(number: float) -> str:
    """A time that is written as a number: seconds since 1970 if it is below 10^11, else milliseconds.

    Raises:
        ValueError: It is no time.
    """
    try:
        if isfinite(number):
            return iso(round(number * 1000 if abs(number) < SECONDS_BELOW else number))
    except OverflowError:
        pass  # a number too large for a date or a float
    raise ValueError("`labelled_at` is no time: write ISO 8601, or seconds or milliseconds since 1970")
