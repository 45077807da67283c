"""An entry: a pending query as it is kept, and what the headers of its records say."""

from __future__ import annotations

import msgspec

from stream_al.identity import MAX_ID_CHARACTERS
from stream_al.messages import MAX_VERSION_CHARACTERS
from stream_al.service.broker.protocols import Headers
from stream_al.service.leases.ranked import Place

__all__ = ["SHARED_HEADER", "VERSION_HEADER", "Entry", "shared_id", "version_in"]

VERSION_HEADER = "stream_al.version"
SHARED_HEADER = "stream_al.shared_id"
MAX_ID_BYTES = 4 * MAX_ID_CHARACTERS


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A pending query as it is kept. There are so many that the garbage collector must not visit each.

    Attributes:
        value: The message, as bytes.
        queried_ms: The timestamp of its record.
        life_ms: How long it waits for its label.
        utility: How informative its label would be.
        offset: The offset of its record; -1 for a query that is not in the topic under this id yet.
        trace: The headers that say which trace it belongs to.
        version: The version of its sample.
        second_of: As of the query.
        labelled_by: Likewise, in alphabetical order, each name once.
        shared_id: The id under which it was published first, if another query has that id too; else empty.
    """

    value: bytes
    queried_ms: int
    life_ms: int
    utility: float
    offset: int
    trace: Headers
    version: str
    second_of: str | None = None
    labelled_by: tuple[str, ...] = ()
    shared_id: str = ""

    def place(self, sample_id: str) -> Place:
        """Where the query of this id stands among the others."""
        return -self.utility, self.offset, sample_id

    def headers(self) -> Headers:
        """The headers with which it is published under an id of its own."""
        return (*self.trace, (SHARED_HEADER, self.shared_id.encode()))


def version_in(headers: Headers) -> str:
    """The version of the query that a tombstone closes; empty if it does not say."""
    found = _found(headers, VERSION_HEADER)
    return found.decode("ascii", "replace") if len(found) <= MAX_VERSION_CHARACTERS else ""


def shared_id(headers: Headers) -> str:
    """The id that the query of a record has had together with another query; empty if there was none."""
    found = _found(headers, SHARED_HEADER)
    return found.decode("utf-8", "replace") if len(found) <= MAX_ID_BYTES else ""


def _found(headers: Headers, wanted: str) -> bytes:
    return next((value for name, value in headers if name == wanted), None) or b""
