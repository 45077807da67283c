"""Pending queries, materialised from the compacted topic `queries`.

Every replica reads all of the topic, so an answer can be joined by whichever replica receives it. A
record sets a query, a tombstone closes it; offsets make both idempotent, so a query may be entered
early, from the acknowledgement of its own sending, and come again from the log.

What is kept of a query is its message as bytes: decoded only when an answer comes, or a person looks.

A million of them may wait, so nothing that is done all the time walks over them. They are ordered by age, on
a heap for each length of life that queries have, and there are as few of these as there were settings; the
first of each heap is at once the oldest of its kind and the next to expire. What is closed meanwhile is
passed over when it comes up.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import datetime

import msgspec

from stream_al.engine.labels.expiry import expires
from stream_al.engine.labels.join import Pending
from stream_al.errors import BadMessage
from stream_al.messages import Query, decode
from stream_al.service.broker.follower import Follower
from stream_al.service.broker.protocols import Ack, Headers, Reader, Record
from stream_al.service.telemetry.tracing import OFF, Tracing
from stream_al.settings import Settings

__all__ = ["PendingQueries"]

SLACK = 1000  # closed queries that may lie about on the heaps before they are swept out

Waiting = tuple[int, str, int]
"""When it was asked, its id, its offset: a query on a heap."""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One pending query as it is kept; so many that the garbage collector had better not visit each."""

    value: bytes
    queried_ms: int
    life_ms: int
    utility: float
    offset: int
    trace: Headers


class PendingQueries:
    """The queries that wait for an answer.

    Args:
        reader: Reads the topic `queries`.
        settings: For the size limit of a query.
        is_labelled: Whether an id is labelled already: a query repeated after its answer, or one whose
            tombstone the settings turned off, waits for nothing.
        tracing: For the traces that queries belong to.

    Attributes:
        log_time_ms: The latest timestamp seen on any record that was brought to `see_time`.
    """

    def __init__(
        self, reader: Reader, settings: Settings, is_labelled: Callable[[str], bool], tracing: Tracing = OFF
    ) -> None:
        self.reader = reader
        self.tracing = tracing
        self.is_labelled = is_labelled
        # A query repeats the sample and adds what was decided about it.
        self.max_bytes = 2 * settings.input.max_bytes + 100_000
        self.follower = Follower(reader, settings.limits.batch_records, self._apply)
        self.log_time_ms = 0
        self._read: dict[int, int] = {}
        self._tombstones = settings.queries.tombstones
        self._orphaned: set[str] = set()  # open in the topic, though nobody waits for them here
        self._stale: set[str] = set()
        self._entries: dict[str, Entry] = {}
        self._heaps: dict[int, list[Waiting]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, sample_id: object) -> bool:
        return sample_id in self._entries

    def get(self, sample_id: str) -> Pending | None:
        """The query that waits under an id."""
        entry = self._entries.get(sample_id)
        if entry is None:
            return None
        query = decode(Query, entry.value, max_bytes=self.max_bytes)
        return Pending(query, entry.queried_ms, entry.life_ms)

    def trace(self, sample_id: str) -> Headers:
        """The headers that say which trace the query under an id belongs to."""
        entry = self._entries.get(sample_id)
        return entry.trace if entry else ()

    def add(self, query: Query, value: bytes, ack: Ack, headers: Headers = ()) -> None:
        """Enter a query that has just been acknowledged, unless it came back from the log before that."""
        if ack.offset < self._read.get(ack.partition, 0):
            return  # it is entered already, and may even be closed already
        self._set(query, value, ack.offset, ack.timestamp_ms, headers)

    def is_open(self, sample_id: str) -> bool:
        """Whether a query is open under an id, here or in the topic."""
        return sample_id in self._entries or sample_id in self._orphaned

    def see_time(self, timestamp_ms: int) -> None:
        """Let the log's time pass."""
        self.log_time_ms = max(self.log_time_ms, timestamp_ms)

    def overdue(self) -> bool:
        """Whether the life of a query may be over by the log's time."""
        now_ms = self.log_time_ms
        return any(heap and expires(heap[0][0], life_ms, now_ms) for life_ms, heap in self._heaps.items())

    def expired(self, limit: int, now_ms: int) -> list[str]:
        """Ids of queries whose life is over at a time, at most `limit`; they stay until closed."""
        found: list[str] = []
        for life_ms, heap in self._heaps.items():
            over: list[Waiting] = []
            while len(found) + len(over) < limit and (first := self._first(heap)):
                if not expires(first[0], life_ms, now_ms):
                    break
                over.append(heapq.heappop(heap))
            for waiting in over:  # asked again until the tombstone is seen
                heapq.heappush(heap, waiting)
            found += [sample_id for _, sample_id, _ in over]
        return found

    def oldest_seconds(self) -> float:
        """How long the oldest query waits, by the log's time; 0 if none does."""
        first = (self._first(heap) for heap in self._heaps.values())
        oldest = min((waiting[0] for waiting in first if waiting), default=self.log_time_ms)
        return max(0, self.log_time_ms - oldest) / 1000

    def orphaned(self) -> list[str]:
        """Ids that stood open in the topic when last asked and still do, though nobody waits for them.

        A crash makes them: it publishes a query once more, after its answer and its tombstone.
        """
        found, self._stale = sorted(self._orphaned & self._stale), set(self._orphaned)
        return found

    def most_useful(self, limit: int, offset: int = 0) -> list[Query]:
        """A page of the queries, the most useful first, the oldest first among equals."""
        ranked = heapq.nsmallest(
            offset + limit, self._entries.values(), key=lambda entry: (-entry.utility, entry.offset)
        )
        return [decode(Query, entry.value, max_bytes=self.max_bytes) for entry in ranked[offset:]]

    def close(self, sample_id: str) -> None:
        """Forget a query that is answered or over."""
        if self._entries.pop(sample_id, None) is not None and self._tombstones:
            self._orphaned.add(sample_id)  # until the tombstone is read

    async def catch_up(self) -> None:
        """Read to what is the end of the topic now."""
        await self.follower.catch_up()

    async def step(self, timeout_seconds: float) -> int:
        """Read one batch of records; their number."""
        return await self.follower.step(timeout_seconds)

    def _apply(self, record: Record) -> None:
        self.see_time(record.timestamp_ms)
        self._read[record.partition] = record.offset + 1
        if record.key is None:
            return
        sample_id = record.key.decode("utf-8", "replace")
        known = self._entries.get(sample_id)
        if known is not None and known.offset >= record.offset:
            return
        if record.value is None:
            self._entries.pop(sample_id, None)
            self._orphaned.discard(sample_id)
            return
        try:
            query = decode(Query, record.value, max_bytes=self.max_bytes)
            self._set(query, record.value, record.offset, record.timestamp_ms, record.headers)
        except (BadMessage, ValueError):
            return  # not written by this service: nobody can answer it

    def _set(self, query: Query, value: bytes, offset: int, timestamp_ms: int, headers: Headers) -> None:
        trace = self.tracing.carried(headers)
        entry = Entry(value, timestamp_ms, _life_ms(query), query.utility, offset, trace)
        if not self.is_labelled(query.id):
            self._orphaned.discard(query.id)
            self._entries[query.id] = entry
            self._watch(query.id, entry)
        elif self._tombstones and query.id not in self._entries:
            self._orphaned.add(query.id)
        self.see_time(timestamp_ms)

    def _first(self, heap: list[Waiting]) -> Waiting | None:
        """The oldest query on a heap that still waits."""
        while heap:
            _, sample_id, offset = heap[0]
            entry = self._entries.get(sample_id)
            if entry is not None and entry.offset == offset:
                return heap[0]
            heapq.heappop(heap)
        return None

    def _watch(self, sample_id: str, entry: Entry) -> None:
        heap = self._heaps.setdefault(entry.life_ms, [])
        heapq.heappush(heap, (entry.queried_ms, sample_id, entry.offset))
        if max(len(heap), len(self._heaps)) > 2 * len(self._entries) + SLACK:  # most were answered in time
            self._sweep()

    def _sweep(self) -> None:
        """Take what is closed off the heaps."""
        self._heaps = {}
        for sample_id, entry in self._entries.items():
            heap = self._heaps.setdefault(entry.life_ms, [])
            heap.append((entry.queried_ms, sample_id, entry.offset))
        for heap in self._heaps.values():
            heapq.heapify(heap)


def _life_ms(query: Query) -> int:
    """How long a query may wait: the difference of two readings of one clock, whatever it showed."""
    begin, end = datetime.fromisoformat(query.queried_at), datetime.fromisoformat(query.expires_at)
    return int((end - begin).total_seconds() * 1000)
