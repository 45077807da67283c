"""Shared ids: those that two queries for different samples have had at once.

Two replicas that do not know of each other may ask about two samples of one id. The key of a query is its id,
so the topic `queries` would keep only the later one. The earlier one therefore gets an id of its own,
`id#version` (`stream_al.identity`), in every replica that reads both.

- From then on it is pending under this id. A label that brings its version is joined with it at once.
- One replica, the one that closes expired queries, publishes it under this id. A header of the record names
  the shared id. If this replica dies before or after that, its successor reads both queries again; a
  repetition has the same key and the same content. Whoever reads the record has nothing left to do.
- It is no new query: no account pays for it.
- A label that brings no version for the shared id may be for either sample, and is refused. The header says
  so after a restart too, when the topic has forgotten the earlier record.
- It can be lost still: if it does not fit into `queries.max_pending_bytes` or into the topic with the longer
  id, or if the broker compacts the topic while no replica runs. The first two are reported (`clash`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from itertools import islice

from msgspec.structs import replace

from stream_al.errors import BadMessage
from stream_al.identity import distinct_id
from stream_al.messages import Query, decode, encode
from stream_al.service.pending.entry import Entry

__all__ = ["SharedIds", "parted"]

MAX_SHARED = 50_000  # ids; more are forgotten, the oldest first


class SharedIds:
    """The ids that are shared, and the queries that have to be published again because of it."""

    def __init__(self) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._unpublished: dict[str, None] = {}  # all of them are pending, which bounds them

    def __contains__(self, sample_id: object) -> bool:
        return sample_id in self._ids

    def note(self, sample_id: str) -> None:
        """Note that an id is shared."""
        self._ids[sample_id] = None
        self._ids.move_to_end(sample_id)
        if len(self._ids) > MAX_SHARED:
            self._ids.popitem(last=False)

    def publish(self, own_id: str) -> None:
        """Note that the query of an id of its own has to be published."""
        self._unpublished[own_id] = None

    def published(self, own_id: str) -> None:
        """Note that it is published or over."""
        self._unpublished.pop(own_id, None)

    def is_unpublished(self, own_id: str) -> bool:
        """Whether it has to be published."""
        return own_id in self._unpublished

    def unpublished(self, limit: int) -> Iterator[str]:
        """The ids of at most `limit` queries that have to be published."""
        return iter(list(islice(self._unpublished, limit)))


def parted(sample_id: str, entry: Entry, max_bytes: int) -> tuple[str, Entry] | None:
    """A query under an id of its own, and this id; None if the message becomes too large.

    Args:
        sample_id: The id that it shares with another query.
        entry: The query.
        max_bytes: Most bytes of a message.
    """
    own = distinct_id(sample_id, entry.version)
    try:
        query = decode(Query, entry.value, max_bytes=max_bytes)
    except BadMessage:  # the limit was lowered meanwhile
        return None
    named = replace(query, id=own, version=entry.version, sample_id=query.sample_id or sample_id)
    value = encode(named)
    return (
        (own, replace(entry, value=value, offset=-1, shared_id=sample_id))
        if len(value) <= max_bytes
        else None
    )
