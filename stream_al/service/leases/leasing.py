"""Leasing: hand out the most useful queries, each to one person, over all replicas.

The rule is `engine.labels.leases`; this is the protocol of a replica around it.

    1. read `leases` and `queries` to their ends, so that all is known that others have done
    2. take the most useful free queries, and put them aside here
    3. send a record for each, and await the acknowledgements
    4. read on until the records come back: now it is known which were granted
    5. send a tombstone for each that was not, and take others in their place
    6. only now respond

A process that dies after step 3 leaves leases that nobody was told of. The same holder gets them when it asks
again, of any replica; if nobody asks, they run out. One that dies before step 5 leaves grants that were lost;
they count for nothing.

*Upkeep.* Leases run out by log time, and that passes only as records come. So when a lease should have run
out, a record that says nothing is sent (key `time`), and its timestamp decides. The owner of the first
partition of the labels ends the leases whose queries are closed, and removes the records of leases that have
ended.
"""

from __future__ import annotations

from functools import partial
from uuid import uuid4

import msgspec

from stream_al.engine.labels.leases import MAX_LEASES, Holder, Leases, LivingLease, Outcome
from stream_al.errors import BadMessage
from stream_al.messages import MAX_VERSION_CHARACTERS, decode, encode
from stream_al.replica_messages import Lease
from stream_al.service.broker.follower import Follower
from stream_al.service.broker.protocols import Broker, Group, Outgoing, Record
from stream_al.service.leases.free import FreeQueries
from stream_al.service.loops.pending import PendingQueries
from stream_al.service.telemetry.metrics import Metrics
from stream_al.service.telemetry.problems import Kind, Problems
from stream_al.service.timing.clock import Clock
from stream_al.settings import Settings

__all__ = ["Leasing"]

TIME = b"time"
MAX_BYTES = 10_000
MAX_TRIES = 5
MAX_TIDIED = 1000  # records removed in one step


class Leasing:
    """The leases, as far as this replica has read, and the way to get one.

    Args:
        broker: The broker.
        settings: The settings.
        pending: The queries that wait.
        labels: The group that reads the labels; the owner of its first partition does the upkeep.
        metrics: Where leases are counted.
        clock: Measures the work of reading.
        problems: Where records that are no leases are reported.

    Attributes:
        leases: The leases that live.
        follower: Reads the topic.
    """

    def __init__(
        self,
        broker: Broker,
        settings: Settings,
        pending: PendingQueries,
        labels: Group,
        metrics: Metrics,
        clock: Clock,
        problems: Problems,
    ) -> None:
        self.topic = settings.topics.leases
        self.leases = Leases()
        self.reader = broker.reader(self.topic, expiring=True)
        self.follower = Follower(self.reader, settings.limits.batch_records, self._apply, clock)
        self._broker = broker
        self._seconds = settings.labels.lease_seconds
        self._max_bytes = settings.http.max_page_bytes
        self._pending = pending
        self._free = FreeQueries(pending)
        self._labels = labels
        self._metrics = metrics
        self._problems = problems
        self._attempts: set[str] = set()  # queries for which a record may be on its way
        self._outcomes: dict[str, Outcome] = {}  # of the leases that are asked for
        self._untidy_before: set[str] = set()

    async def catch_up(self) -> None:
        """Apply all that is on the topic now."""
        await self.follower.catch_up()

    async def step(self, timeout_seconds: float) -> None:
        """Read one batch of records."""
        await self.follower.step(timeout_seconds)
        self._metrics.leases.set(len(self.leases))
        self._metrics.free.set(self._pending.order.free)

    async def lease(
        self, count: int, via: str | None, holder: str, annotator: str | None
    ) -> list[LivingLease]:
        """Leases for a holder: first those that it has, then new ones of the most useful free queries.

        Args:
            count: Most leases.
            via: The name of the HTTP token.
            holder: The session that asks.
            annotator: Who will label.

        Raises:
            Unavailable: The broker did not confirm in time. Leases that it has taken all the same are among
                those of the holder when it asks again.
        """
        await self._know_all()
        own = self._held_by((via, holder))
        await self._release([one.lease.lease for one in self.leases.held_by((via, holder)) if one not in own])
        who, again, tries = annotator or holder, True, 0
        while again and len(own) < count and tries < MAX_TRIES:
            free = await self._free.take(
                who, count - len(own), self._max_bytes, partial(self.leases.holds_sample, who)
            )
            again = await self._grant([self._lease_of(query, via, holder, annotator) for query in free])
            own, tries = self._held_by((via, holder)), tries + 1
        return own[:count]

    async def renew(self, lease: str) -> LivingLease | None:
        """Let a lease live on, `labels.lease_seconds` from now; None if it is over. Raises Unavailable."""
        await self._know_all()
        found = self.leases.get(lease)
        if found is None or not self._is_open(found):
            return None
        renewed = msgspec.structs.replace(found.lease, seconds=self._seconds, until=found.expires_ms)
        await self._broker.send([self._record(renewed)])
        await self.catch_up()
        again = self.leases.get(lease)
        if again is None:  # it ended just before; its record must not seem to be a lease
            await self._release([lease])
        else:
            self._metrics.lease_requests.labels(Outcome.RENEWED.value).inc()
        return again

    async def release(self, lease: str) -> None:
        """End a lease. Raises Unavailable."""
        await self._release([lease])
        await self.catch_up()
        self._metrics.lease_requests.labels(Outcome.RELEASED.value).inc()

    async def tidy(self) -> None:
        """Let time pass, and, on one replica, remove what is over. Raises Unavailable."""
        await self._pass_time()
        untidy = set(self.leases.untidy())
        over = untidy & self._untidy_before  # for the others a tombstone may be on its way
        self._untidy_before = untidy
        if 0 not in self._labels.assignment():
            return
        if any(not self._is_open(one) for one in self.leases):
            await self._pending.catch_up()  # a query may be leased that was not read here yet
            over |= {one.lease.lease for one in self.leases if not self._is_open(one)}
        await self._release(sorted(over)[:MAX_TIDIED])

    async def _know_all(self) -> None:
        """Read to the ends what others have done, and let time pass."""
        await self.catch_up()
        await self._pass_time()
        await self._pending.catch_up()

    async def _pass_time(self) -> None:
        end_ms = self.leases.next_end_ms()
        if end_ms is not None and end_ms < self._pending.time.broker_ms:
            await self._broker.send([Outgoing(self.topic, TIME, None)])
            await self.catch_up()

    async def _grant(self, wanted: list[Lease]) -> bool:
        """Try to get leases; return whether some were lost to others, so that it is worth trying again."""
        queries, asked = [lease.id for lease in wanted], [lease.lease for lease in wanted]
        self._attempts.update(queries)
        self._outcomes.update(dict.fromkeys(asked, Outcome.LOST))
        try:
            await self._broker.send([self._record(lease) for lease in wanted])
            await self.catch_up()
        finally:
            outcomes = [self._outcomes.pop(lease) for lease in asked]
            self._attempts.difference_update(queries)
            for query in queries:
                self._settle(query)
        for outcome in outcomes:
            self._metrics.lease_requests.labels(outcome.value).inc()
        await self._release([lease for lease in asked if self.leases.get(lease) is None])
        return Outcome.LOST in outcomes

    async def _release(self, leases: list[str]) -> None:
        await self._broker.send([Outgoing(self.topic, lease.encode(), None) for lease in leases])

    def _lease_of(self, query: str, via: str | None, holder: str, annotator: str | None) -> Lease:
        version, second_of = self._version(query), self._pending.second_of(query)
        return Lease(uuid4().hex, query, version, holder, self._seconds, annotator, via, second_of)

    def _record(self, lease: Lease) -> Outgoing:
        return Outgoing(self.topic, lease.lease.encode(), encode(lease))

    def _held_by(self, holder: Holder) -> list[LivingLease]:
        return [one for one in self.leases.held_by(holder) if self._is_open(one)]

    def _is_open(self, one: LivingLease) -> bool:
        """Whether the query of a lease is pending."""
        lease = one.lease
        return lease.id in self._pending and self._version(lease.id) == lease.version

    def _version(self, query: str) -> str:
        return (self._pending.version(query) or "")[:MAX_VERSION_CHARACTERS]

    def _settle(self, query: str) -> None:
        """Put a query aside or back, as it is leased or not."""
        if query in self._attempts or self.leases.of_query(query) is not None:
            self._pending.order.set_aside(query)
        else:
            self._pending.order.put_back(query)

    def _apply(self, record: Record) -> None:
        at_ms = self._pending.time.see(record)
        key = (record.key or b"").decode("utf-8", "replace")
        try:
            lease = None if record.value is None else decode(Lease, record.value, max_bytes=MAX_BYTES)
        except BadMessage as error:  # this service has not written it
            where = f"record {record.offset} of {record.topic} is no lease, and is passed over"
            self._problems.report(Kind.SKIPPED, error.reason, f"{where}: {error}")
            return
        change = self.leases.fold(key, lease, at_ms)
        if key in self._outcomes:
            self._outcomes[key] = change.outcome
        if change.expired:
            self._metrics.expired_leases.inc(change.expired)
        for query in change.queries:
            self._settle(query)

    def describe(self) -> dict[str, int]:
        """How many leases live, of how many holders, and how many queries are free; ready for JSON."""
        return {
            "living": len(self.leases),
            "limit": MAX_LEASES,
            "holders": self.leases.holders,
            "free": self._pending.order.free,
        }
