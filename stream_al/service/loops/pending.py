"""Pending queries, materialised from the compacted topic `queries`.

Every replica reads all of the topic, so any replica can join any label. A record opens a query, a tombstone
closes it. Offsets make both idempotent: a query may be entered early, when its sending is acknowledged, and
come again from the topic.

*Bytes.* A query is kept as the bytes of its message (`service.pending.entries`). It is decoded when its label
comes, or when a person looks.

*Ids.* `version` says which sample an id names here, for the rule of `stream_al.identity`. That includes the
queries that were closed last, since their labels may still come. If two replicas have published queries of
one id with different features at once, the earlier one gets an id of its own (`shared_ids`). A tombstone
carries the version of its query, so that a restart still reads it from the compacted topic.

*Room.* Selection pauses at `queries.max_pending_bytes`, so this service does not write many more. But others
may write to the topic. Queries that would take more than twice as many bytes are passed over and reported. A
label for one of them becomes a dead letter (`unknown_id`), which can be replayed when there is room and the
service was started again.

*Orphans.* A crash can publish a query again after its label and its tombstone. Such a query is open in the
topic, though no replica waits for its label. `expiry` sends another tombstone for it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from stream_al.engine.labels.join import Pending
from stream_al.errors import BadMessage
from stream_al.identity import distinct_id, version_of
from stream_al.messages import Query, decode, life_of
from stream_al.service.broker.follower import Follower
from stream_al.service.broker.protocols import Ack, Headers, Outgoing, Reader, Record
from stream_al.service.leases.order import QueryOrder
from stream_al.service.loops.log_time import LogTime
from stream_al.service.pending.entries import Entries
from stream_al.service.pending.entry import SHARED_HEADER, VERSION_HEADER, Entry, shared_id, version_in
from stream_al.service.pending.shared_ids import SharedIds, parted
from stream_al.service.telemetry.problems import Kind, Problems
from stream_al.service.telemetry.tracing import OFF, Tracing
from stream_al.service.timing.clock import Clock
from stream_al.settings import Settings

__all__ = ["PendingQueries"]

MAX_PARTITIONS = 10_000  # of the samples, whose second queries are counted


class PendingQueries:
    """The queries that wait for a label.

    Args:
        reader: Reads the topic `queries`.
        settings: The settings.
        clock: Measures the work of reading.
        is_labelled: Whether a sample, given by id and version, has a label already. Then its query is not
            pending: it was published again after its label, or the settings turn tombstones off.
        tracing: Reads the trace that a query belongs to.
        on_clash: Called with an id that two queries for different samples have at once, and whether the
            earlier one is lost.
        time: The log's time, which other loops move too; None makes one.
        problems: Where records that are no queries are reported; None reports them nowhere.

    Attributes:
        time: The log's time.
        second_queries: The number of the last second query that the account of each partition of the samples
            has paid for, as far as it was read.
        shared: The ids that two queries for different samples have had at once.
    """

    def __init__(  # noqa: PLR0913 - the parts of the service that it works with
        self,
        reader: Reader,
        settings: Settings,
        clock: Clock,
        is_labelled: Callable[[str, str], bool],
        tracing: Tracing = OFF,
        on_clash: Callable[[str, bool], None] = lambda sample_id, is_lost: None,
        time: LogTime | None = None,
        problems: Problems | None = None,
    ) -> None:
        self.reader = reader
        self.tracing = tracing
        self.is_labelled = is_labelled
        self.second_queries: dict[int, int] = {}
        self._problems = problems
        self.on_clash = on_clash
        self.topic = settings.topics.queries
        self.max_bytes = settings.input.max_message_bytes
        self.follower = Follower(reader, settings.limits.batch_records, self._apply, clock)
        self.time = time or LogTime(settings.limits, clock)
        self._read: dict[int, int] = {}
        self._tombstones = settings.queries.tombstones
        self._orphaned: set[str] = set()  # open in the topic, and not pending here
        self._orphaned_before: set[str] = set()
        self._entries = Entries(clock, 2 * settings.queries.max_pending_bytes, settings.labels.remember)
        self.shared = SharedIds()

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, sample_id: object) -> bool:
        return sample_id in self._entries

    @property
    def taken_bytes(self) -> int:
        """What the queries take, about: their messages, and `OVERHEAD` for each."""
        return self._entries.taken_bytes

    @property
    def order(self) -> QueryOrder:
        """Where they stand, the most useful first."""
        return self._entries.order

    def get(self, sample_id: str) -> Pending | None:
        """The pending query of an id."""
        entry = self._entries.get(sample_id)
        if entry is None:
            return None
        query = decode(Query, entry.value, max_bytes=self.max_bytes)
        return Pending(query, entry.queried_ms, entry.life_ms, entry.version)

    def version(self, sample_id: str) -> str | None:
        """The version of the sample that an id names, if its query is pending or was closed lately."""
        return self._entries.version(sample_id)

    def second_of(self, sample_id: str) -> str | None:
        """The id of the first query of the sample, if the pending query of an id is a second one."""
        entry = self._entries.get(sample_id)
        return entry.second_of if entry else None

    def tombstone(self, sample_id: str) -> Outgoing:
        """The record that closes the query of an id."""
        version, entry = self.version(sample_id), self._entries.get(sample_id)
        headers: Headers = ((VERSION_HEADER, version.encode()),) if version else ()
        if entry is not None and entry.shared_id:
            headers = (*headers, (SHARED_HEADER, entry.shared_id.encode()))
        return Outgoing(self.topic, sample_id.encode(), None, headers)

    def unpublished(self, limit: int) -> list[tuple[Query, Outgoing]]:
        """At most `limit` queries that have to be published under an id of their own (`shared_ids`).

        If the broker refuses one because of its size, it gets the tombstone instead.
        """
        found = []
        for own in self.shared.unpublished(limit):
            entry, closed = self._entries[own], partial(self.tombstone, own)
            outgoing = Outgoing(self.topic, own.encode(), entry.value, entry.headers(), closed)
            found.append((decode(Query, entry.value, max_bytes=self.max_bytes), outgoing))
        return found

    def give_up(self, own: str) -> None:
        """Forget a query that the broker does not take under an id of its own."""
        entry = self._entries.get(own)
        if entry is not None:
            self._pop(own)
            self.on_clash(entry.shared_id, True)

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
        return self._entries.overdue(self.time.now_ms)

    def expired(self, limit: int, now_ms: int) -> list[str]:
        """The ids of at most `limit` queries whose life is over at a time; they stay until closed."""
        return self._entries.expired(limit, now_ms)

    def oldest_seconds(self) -> float:
        """How long the oldest query has been pending, by the log's time; 0 if there is none."""
        now_ms = self.time.now_ms
        return max(0, now_ms - self._entries.oldest_ms(now_ms)) / 1000

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
        return self._entries.newest(limit)

    def entry(self, sample_id: str) -> Entry | None:
        """The pending query of an id, as it is kept."""
        return self._entries.get(sample_id)

    def close(self, sample_id: str, version: str | None = None) -> None:
        """Forget a query that is labelled or over, if it is the one of the version, where one is given."""
        if version is not None and sample_id in self.shared:
            self._close(distinct_id(sample_id, version), version)
        self._close(sample_id, version)

    def _close(self, sample_id: str, version: str | None) -> None:
        entry = self._entries.get(sample_id)
        if entry is None or version not in (None, entry.version):
            return
        self._pop(sample_id)
        self._entries.note_closed(sample_id, entry.version)
        if self._tombstones:
            self._orphaned.add(sample_id)  # until its tombstone is read

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
        if shared := shared_id(record.headers):
            self.shared.note(shared)
        if known is not None and known.offset >= record.offset:
            if known.offset > record.offset:
                self._see_earlier(sample_id, known, record, at_ms)
            return
        if record.value is None:
            self._pop(sample_id)
            self._orphaned.discard(sample_id)
            version = known.version if known is not None else version_in(record.headers)
            if version:
                self._entries.note_closed(sample_id, version)
            return
        try:
            query = decode(Query, record.value, max_bytes=self.max_bytes)
        except BadMessage as error:  # this service has not written it, so no label can be joined with it
            self._skipped(record, error.reason, str(error))
            return
        if query.id.encode() == record.key and self._entries.has_room(record.value, known):
            self._set(query, record.value, record.offset, at_ms, record.headers)
        elif query.id.encode() == record.key:
            most = self._entries.most_bytes
            self._skipped(record, "no_room", f"the pending queries would take more than {most} bytes")
        else:
            self._skipped(record, "bad_key", f"the key is {record.key!r:.100}, and the id {query.id!r:.100}")

    def _skipped(self, record: Record, reason: str, why: str) -> None:
        if self._problems is not None:
            where = f"record {record.offset} of {record.topic} is no query, and is passed over"
            self._problems.report(Kind.SKIPPED, reason, f"{where}: {why}")

    def _see_earlier(self, sample_id: str, known: Entry, record: Record, at_ms: int) -> None:
        """Read a record of an id whose later query was entered when it was acknowledged."""
        if record.value is None:
            own = distinct_id(sample_id, version_in(record.headers))
            if self.shared.is_unpublished(own):
                self._pop(own)
            return
        try:
            query = decode(Query, record.value, max_bytes=self.max_bytes)
        except BadMessage as error:
            self._skipped(record, error.reason, str(error))
            return
        earlier = self._entry(query, record.value, record.offset, at_ms, record.headers)
        if query.id == sample_id and earlier.version != known.version:
            self._part(sample_id, earlier)

    def _entry(self, query: Query, value: bytes, offset: int, timestamp_ms: int, headers: Headers) -> Entry:
        return Entry(
            value,
            timestamp_ms,
            life_of(query),
            query.utility,
            offset,
            self.tracing.carried(headers),
            query.version or version_of(query.features),
            query.second_of,
            tuple(sorted(set(query.labelled_by))),
            shared_id(headers),
        )

    def _set(self, query: Query, value: bytes, offset: int, timestamp_ms: int, headers: Headers) -> None:
        if query.bought is not None:
            self._note_second(*query.bought)
        entry = self._entry(query, value, offset, timestamp_ms, headers)
        before = self._entries.get(query.id)
        if self.is_labelled(query.id, entry.version):
            if self._tombstones and query.id not in self._entries:
                self._orphaned.add(query.id)
            return
        if before is not None and before.version != entry.version:
            self._part(query.id, before)
        self._pop(query.id)
        if self.version(distinct_id(query.id, entry.version)) == entry.version:  # its sample has a query
            if self._tombstones:
                self._orphaned.add(query.id)
        else:
            self._enter(query.id, entry)

    def _enter(self, sample_id: str, entry: Entry) -> None:
        self._orphaned.discard(sample_id)
        self._entries.enter(sample_id, entry)

    def _part(self, sample_id: str, earlier: Entry) -> None:
        """Give the earlier of two queries of one id an id of its own (`shared_ids`)."""
        self.shared.note(sample_id)
        version = earlier.version
        if self.version(distinct_id(sample_id, version)) == version or self.is_labelled(sample_id, version):
            return  # it has one already, or needs none
        found = parted(sample_id, earlier, self.max_bytes)
        if found is None or not self._entries.has_room(found[1].value):
            self.on_clash(sample_id, True)
            return
        own, entry = found
        self._pop(own)
        self._enter(own, entry)
        self.shared.publish(own)
        self.on_clash(sample_id, False)

    def _note_second(self, partition: int, number: int) -> None:
        if partition in self.second_queries or len(self.second_queries) < MAX_PARTITIONS:
            self.second_queries[partition] = max(number, self.second_queries.get(partition, 0))

    def _pop(self, sample_id: str) -> None:
        """Forget a query, if it is there."""
        self.shared.published(sample_id)
        self._entries.remove(sample_id)
