"""Entries: the pending queries by id, what they take in bytes, and the versions of those closed last.

A million queries may be pending, so nothing that is done often looks at all of them. `Lives` knows the next
to expire. `service.leases.order` knows the most useful ones, and those of them that nobody holds, from the
moment at which somebody asks for them. Both follow each change here.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from itertools import islice

from stream_al.service.leases.order import QueryOrder
from stream_al.service.pending.entry import Entry
from stream_al.service.pending.lives import Lives
from stream_al.service.timing.clock import Clock

__all__ = ["OVERHEAD", "Entries"]

OVERHEAD = 550  # bytes of memory for a query besides its message
MAX_CLOSED = 50_000  # ids of closed queries whose versions are remembered


class Entries(Mapping[str, Entry]):
    """The pending queries by id.

    Args:
        clock: Measures the work of ordering them.
        most_bytes: What they may take together.

    Attributes:
        taken_bytes: What they take, about: their messages, and `OVERHEAD` for each.
        order: Where they stand, the most useful first.
    """

    def __init__(self, clock: Clock, most_bytes: int) -> None:
        self.taken_bytes = 0
        self.most_bytes = most_bytes
        self._by_id: dict[str, Entry] = {}
        self._closed: OrderedDict[str, str] = OrderedDict()
        self._lives = Lives(self._is_pending)
        self.order = QueryOrder(self._by_id, clock)

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, sample_id: object) -> bool:
        return sample_id in self._by_id

    def __getitem__(self, sample_id: str) -> Entry:
        return self._by_id[sample_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_id)

    def version(self, sample_id: str) -> str | None:
        """The version of the sample that an id names, if its query is pending or was closed lately."""
        entry = self._by_id.get(sample_id)
        return entry.version if entry else self._closed.get(sample_id)

    def newest(self, limit: int) -> list[str]:
        """The ids of the queries that were entered last, the newest first."""
        return list(islice(reversed(self._by_id), limit))

    def has_room(self, value: bytes, known: Entry | None = None) -> bool:
        """Whether a query may be entered, in the place of one that is known, or as one more."""
        before = len(known.value) + OVERHEAD if known is not None else 0
        return self.taken_bytes - before + len(value) + OVERHEAD <= self.most_bytes

    def enter(self, sample_id: str, entry: Entry) -> None:
        """Enter a query whose id has none."""
        self._by_id[sample_id] = entry
        self.taken_bytes += len(entry.value) + OVERHEAD
        self.order.added(sample_id)
        self._lives.push((entry.queried_ms, sample_id, entry.offset), entry.life_ms)
        if self._lives.has_too_many(entry.life_ms, len(self._by_id)):
            entries = self._by_id.items()
            self._lives.rebuild(((one.queried_ms, key, one.offset), one.life_ms) for key, one in entries)

    def remove(self, sample_id: str) -> None:
        """Forget a query, if it is there."""
        entry = self._by_id.pop(sample_id, None)
        if entry is not None:
            self.taken_bytes -= len(entry.value) + OVERHEAD
            self.order.removed(sample_id, entry)

    def note_closed(self, sample_id: str, version: str) -> None:
        """Remember which sample an id named: its label may still come."""
        self._closed[sample_id] = version
        self._closed.move_to_end(sample_id)
        if len(self._closed) > MAX_CLOSED:
            self._closed.popitem(last=False)

    def overdue(self, now_ms: int) -> bool:
        """Whether the life of a query may be over at a time."""
        return self._lives.overdue(now_ms)

    def expired(self, limit: int, now_ms: int) -> list[str]:
        """The ids of at most `limit` queries whose life is over at a time; they stay until closed."""
        return self._lives.expired(limit, now_ms)

    def oldest_ms(self, default: int) -> int:
        """The timestamp of the oldest query; the default if there is none."""
        return self._lives.oldest_ms(default)

    def _is_pending(self, sample_id: str, offset: int) -> bool:
        entry = self._by_id.get(sample_id)
        return entry is not None and entry.offset == offset
