"""Pending queries, materialised from the compacted topic `queries`.

Every replica reads all of the topic, so any replica can join any label. A record opens a query, a tombstone
closes it. Offsets make both idempotent: a query may be entered early, when its sending is acknowledged, and
come again from the topic.

*Bytes.* A query is kept as the bytes of its message. It is decoded when its label comes, or when a person
looks.

*Orders.* A million queries may be pending, so nothing that is done often looks at all of them. `lives` knows
the next to expire. `service.leases.order` knows the most useful ones, and those of them that nobody holds,
from the moment at which somebody asks for them.

*Ids.* `version` says which sample an id names here, for the rule of `stream_al.identity`. That includes the
queries that were closed last, since their labels may still come. Two replicas may publish queries of one id
with different features at once. Then the later one is pending, the earlier one is lost and reported, and a
label has to say which it is for. A tombstone carries the version of its query, so that a restart still reads
it from the compacted topic.

*Room.* Selection pauses at `queries.max_pending_bytes`, so this service does not write many more. But others
may write to the topic. Queries that would take more than twice as many bytes are passed over and reported. A
label for one of them becomes a dead letter (`unknown_id`), which can be replayed when there is room and the
service was started again.

*Orphans.* A crash can publish a query again after its label and its tombstone. Such a query is open in the
topic, though no replica waits for its label. `expiry` sends another tombstone for it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from itertools import islice

import msgspec

from stream_al.engine.labels.join import Pending
from stream_al.errors import BadMessage
from stream_al.identity import version_of
from stream_al.messages import MAX_VERSION_CHARACTERS, Query, decode, life_of
from stream_al.service.broker.follower import Follower
from stream_al.service.broker.protocols import Ack, Headers, Outgoing, Reader, Record
from stream_al.service.broker.topics import max_message_bytes
from stream_al.service.leases.order import QueryOrder
from stream_al.service.leases.ranked import Place
from stream_al.service.loops.lives import Lives
from stream_al.service.loops.log_time import LogTime
from stream_al.service.telemetry.problems import Kind, Problems
from stream_al.service.telemetry.tracing import OFF, Tracing
from stream_al.service.timing.clock import Clock
from stream_al.settings import Settings

__all__ = ["OVERHEAD", "PendingQueries"]

OVERHEAD = 550  # bytes of memory for a query besides its message
VERSION_HEADER = "stream_al.version"
MOST_PASSED = 1000  # queries that `take` passes over
MAX_CLOSED = 50_000  # ids of closed queries whose versions are remembered
MAX_PARTITIONS = 10_000  # of the samples, whose second queries are counted


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A pending query as it is kept. There are so many that the garbage collector must not visit each.

    Attributes:
        value: The message, as bytes.
        queried_ms: The timestamp of its record.
        life_ms: How long it waits for its label.
        utility: How informative its label would be.
        offset: The offset of its record.
        trace: The headers that say which trace it belongs to.
        version: The version of its sample.
        ambiguous: As of `join.Pending`.
        second_of: As of the query.
        labelled_by: Likewise, in alphabetical order, each name once.
    """

    value: bytes
    queried_ms: int
    life_ms: int
    utility: float
    offset: int
    trace: Headers
    version: str
    ambiguous: bool
    second_of: str | None = None
    labelled_by: tuple[str, ...] = ()

    def place(self, sample_id: str) -> Place:
        """Where the query of this id stands among the others."""
        return -self.utility, self.offset, sample_id


class PendingQueries:
    """The queries that wait for a label.

    Args:
        reader: Reads the topic `queries`.
        settings: The settings.
        clock: Measures the work of reading.
        is_labelled: Whether a sample, given by id and version, has a label already. Then its query is not
            pending: it was published again after its label, or the settings turn tombstones off.
        tracing: Reads the trace that a query belongs to.
        on_clash: Called with an id of which two queries for different samples are open.
        time: The log's time, which other loops move too; None makes one.
        problems: Where records that are no queries are reported; None reports them nowhere.

    Attributes:
        time: The log's time.
        bytes: What the queries take, about: their messages, and `OVERHEAD` for each.
        second_queries: The number of the last second query that the account of each partition of the samples
            has paid for, as far as it was read.
        order: Where they stand, the most useful first.
    """

    def __init__(  # noqa: PLR0913 - the parts of the service that it works with
        self,
        reader: Reader,
        settings: Settings,
        clock: Clock,
        is_labelled: Callable[[str, str], bool],
        tracing: Tracing = OFF,
        on_clash: Callable[[str], None] = lambda sample_id: None,
        time: LogTime | None = None,
        problems: Problems | None = None,
    ) -> None:
        self.reader = reader
        self.tracing = tracing
        self.is_labelled = is_labelled
        self.bytes = 0
        self.second_queries: dict[int, int] = {}
        self._most_bytes = 2 * settings.queries.max_pending_bytes
        self._problems = problems
        self.on_clash = on_clash
        self.topic = settings.topics.queries
        self.max_bytes = max_message_bytes(settings.input)
        self.follower = Follower(reader, settings.limits.batch_records, self._apply, clock)
        self.time = time or LogTime(settings.limits, clock)
        self._read: dict[int, int] = {}
        self._tombstones = settings.queries.tombstones
        self._orphaned: set[str] = set()  # open in the topic, and not pending here
        self._orphaned_before: set[str] = set()
        self._entries: dict[str, Entry] = {}
        self._closed: OrderedDict[str, str] = OrderedDict()
        self.order = QueryOrder(self._entries, clock)
        self._lives = Lives(self._is_pending)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, sample_id: object) -> bool:
        return sample_id in self._entries

    def get(self, sample_id: str) -> Pending | None:
        """The pending query of an id."""
        entry = self._entries.get(sample_id)
        if entry is None:
            return None
        query = decode(Query, entry.value, max_bytes=self.max_bytes)
        return Pending(query, entry.queried_ms, entry.life_ms, entry.version, entry.ambiguous)

    def version(self, sample_id: str) -> str | None:
        """The version of the sample that an id names, if its query is pending or was closed lately."""
        entry = self._entries.get(sample_id)
        return entry.version if entry else self._closed.get(sample_id)

    def second_of(self, sample_id: str) -> str | None:
        """The id of the first query of the sample, if the pending query of an id is a second one."""
        entry = self._entries.get(sample_id)
        return entry.second_of if entry else None

    def tombstone(self, sample_id: str) -> Outgoing:
        """The record that closes the query of an id."""
        version = self.version(sample_id)
        headers = ((VERSION_HEADER, version.encode()),) if version else ()
        return Outgoing(self.topic, sample_id.encode(), None, headers)

    def trace(self, sample_id: str) -> Headers:
        """The headers that say which trace the query of an id belongs to."""
        entry = self._entries.get(sample_id)
        return entry.trace if entry else ()

    def add(self, query: Query, value: bytes, ack: Ack, headers: Headers = ()) -> None:
        """Enter a query that was just acknowledged, unless it was read from the topic before that."""
        if ack.offset < self._read.get(ack.partition, 0):
            return  # it was entered then, and may be closed by now
        self.time.see_ack(ack)
        self._set(query, value, ack.offset, ack.timestamp_ms, headers)

    def is_open(self, sample_id: str) -> bool:
        """Whether an id has an open query, here or in the topic."""
        return sample_id in self._entries or sample_id in self._orphaned

    def overdue(self) -> bool:
        """Whether the life of a query may be over, by the log's time."""
        return self._lives.overdue(self.time.now_ms)

    def expired(self, limit: int, now_ms: int) -> list[str]:
        """The ids of at most `limit` queries whose life is over at a time; they stay until closed."""
        return self._lives.expired(limit, now_ms)

    def oldest_seconds(self) -> float:
        """How long the oldest query has been pending, by the log's time; 0 if there is none."""
        now_ms = self.time.now_ms
        return max(0, now_ms - self._lives.oldest_ms(now_ms)) / 1000

    def orphaned(self) -> list[str]:
        """The ids of the orphans that were orphans at the last call already.

        A tombstone may be on its way for the others.
        """
        found = sorted(self._orphaned & self._orphaned_before)
        self._orphaned_before = set(self._orphaned)
        return found

    async def most_useful(self, limit: int, offset: int = 0, max_bytes: int | None = None) -> list[Query]:
        """A page of the queries, the most useful first; among equals the oldest first.

        Args:
            limit: Most queries.
            offset: How many to leave out before them.
            max_bytes: Most bytes of all their messages; there is always one query, if any is there.
        """
        page, taken = list[Query](), 0
        for _, _, sample_id in await self.order.page(offset, limit):
            entry = self._entries[sample_id]
            taken += len(entry.value)
            if page and max_bytes is not None and taken > max_bytes:
                break
            page.append(decode(Query, entry.value, max_bytes=self.max_bytes))
        return page

    def newest(self, limit: int) -> list[str]:
        """The ids of the queries that were entered last, the newest first."""
        return list(islice(reversed(self._entries), limit))

    async def take(self, annotator: str, limit: int, max_bytes: int, has: Callable[[str], bool]) -> list[str]:
        """The ids of the most useful free queries for an annotator, which are put aside.

        Args:
            annotator: The annotator, who gets no query of a sample that he has labelled.
            limit: Most queries.
            max_bytes: Most bytes of all their messages; there is always one query, if any is free.
            has: Whether the annotator has a query of a sample already, given by the id of its first query.
        """
        found, taken = list[str](), 0
        queries = await self.order.for_annotator(annotator)
        for _, _, sample_id in islice(queries, limit + MOST_PASSED):
            entry = self._entries[sample_id]
            if annotator in entry.labelled_by or has(entry.second_of or sample_id):
                continue
            taken += len(entry.value)
            if found and taken > max_bytes:
                break
            found.append(sample_id)
            if len(found) == limit:
                break
        for sample_id in found:
            self.order.set_aside(sample_id)
        return found

    def close(self, sample_id: str, version: str | None = None) -> None:
        """Forget a query that is labelled or over, if it is the one of the version, where one is given."""
        entry = self._entries.get(sample_id)
        if entry is None or version not in (None, entry.version):
            return
        self._pop(sample_id)
        self._note_closed(sample_id, entry.version)
        if self._tombstones:
            self._orphaned.add(sample_id)  # until its tombstone is read

    def _note_closed(self, sample_id: str, version: str) -> None:
        self._closed[sample_id] = version
        self._closed.move_to_end(sample_id)
        if len(self._closed) > MAX_CLOSED:
            self._closed.popitem(last=False)

    async def catch_up(self) -> None:
        """Read up to what is the end of the topic now."""
        await self.follower.catch_up()

    async def step(self, timeout_seconds: float) -> int:
        """Read one batch of records; return their number."""
        return await self.follower.step(timeout_seconds)

    def _apply(self, record: Record) -> None:
        at_ms = self.time.see(record)
        self._read[record.partition] = record.next_offset
        if record.key is None:
            return
        sample_id = record.key.decode("utf-8", "replace")
        known = self._entries.get(sample_id)
        if known is not None and known.offset >= record.offset:
            return
        if record.value is None:
            self._pop(sample_id)
            self._orphaned.discard(sample_id)
            version = known.version if known is not None else _closed_version(record.headers)
            if version:
                self._note_closed(sample_id, version)
            return
        try:
            query = decode(Query, record.value, max_bytes=self.max_bytes)
        except BadMessage as error:  # this service has not written it, so no label can be joined with it
            self._skipped(record, error.reason, str(error))
            return
        if query.id.encode() == record.key and self._has_room(record, known):
            self._set(query, record.value, record.offset, at_ms, record.headers)
        elif query.id.encode() == record.key:
            self._skipped(
                record, "no_room", f"the pending queries would take more than {self._most_bytes} bytes"
            )
        else:
            self._skipped(record, "bad_key", f"the key is {record.key!r:.100}, and the id {query.id!r:.100}")

    def _has_room(self, record: Record, known: Entry | None) -> bool:
        """Whether a query may be entered, in the place of one that is known, or as one more."""
        before = len(known.value) + OVERHEAD if known is not None else 0
        return self.bytes - before + len(record.value or b"") + OVERHEAD <= self._most_bytes

    def _skipped(self, record: Record, reason: str, why: str) -> None:
        if self._problems is not None:
            where = f"record {record.offset} of {record.topic} is no query, and is passed over"
            self._problems.report(Kind.SKIPPED, reason, f"{where}: {why}")

    def _set(self, query: Query, value: bytes, offset: int, timestamp_ms: int, headers: Headers) -> None:
        if query.bought is not None:
            self._note_second(*query.bought)
        trace, version = self.tracing.carried(headers), query.version or version_of(query.features)
        before = self._entries.get(query.id)
        clash = before is not None and before.version != version
        ambiguous = clash or (before is not None and before.ambiguous)
        life_ms = life_of(query)
        entry = Entry(
            value,
            timestamp_ms,
            life_ms,
            query.utility,
            offset,
            trace,
            version,
            ambiguous,
            query.second_of,
            tuple(sorted(set(query.labelled_by))) if query.labelled_by else (),
        )
        if not self.is_labelled(query.id, version):
            if clash:
                self.on_clash(query.id)
            self._orphaned.discard(query.id)
            self._pop(query.id)
            self._entries[query.id] = entry
            self.bytes += len(value) + OVERHEAD
            self.order.added(query.id)
            self._push(query.id, entry)
        elif self._tombstones and query.id not in self._entries:
            self._orphaned.add(query.id)

    def _note_second(self, partition: int, number: int) -> None:
        if partition in self.second_queries or len(self.second_queries) < MAX_PARTITIONS:
            self.second_queries[partition] = max(number, self.second_queries.get(partition, 0))

    def _pop(self, sample_id: str) -> bool:
        """Forget a query; say whether there was one."""
        entry = self._entries.pop(sample_id, None)
        if entry is None:
            return False
        self.bytes -= len(entry.value) + OVERHEAD
        self.order.removed(sample_id, entry)
        return True

    def _is_pending(self, sample_id: str, offset: int) -> bool:
        entry = self._entries.get(sample_id)
        return entry is not None and entry.offset == offset

    def _push(self, sample_id: str, entry: Entry) -> None:
        self._lives.push((entry.queried_ms, sample_id, entry.offset), entry.life_ms)
        if self._lives.has_too_many(entry.life_ms, len(self._entries)):
            entries = self._entries.items()
            self._lives.rebuild(((one.queried_ms, key, one.offset), one.life_ms) for key, one in entries)


def _closed_version(headers: Headers) -> str:
    """The version of the query that a tombstone closes; empty if it does not say."""
    found = next((value for name, value in headers if name == VERSION_HEADER), None) or b""
    return found.decode("ascii", "replace") if len(found) <= MAX_VERSION_CHARACTERS else ""
