"""Expiry: close the queries whose life is over, and publish those again that share their id.

Which queries these are, and up to which time all labels are judged, are rules of `engine.labels.expiry`. This
loop reads from the broker what the rules need, and sends the tombstones.

Tombstones tell all replicas that a query is closed. The owner of the first label partition sends them,
because one replica is enough. If the settings turn tombstones off, each replica closes queries for itself.
The same replica publishes queries under an id of their own (`shared_ids`).
"""

from __future__ import annotations

from stream_al.engine.labels.expiry import JudgedTime, Mark
from stream_al.service.broker.protocols import Broker, Group
from stream_al.service.loops.pending import PendingQueries
from stream_al.service.telemetry.metrics import Metrics
from stream_al.settings import QuerySettings

__all__ = ["Expiry"]

MAX_CLOSED = 1000  # queries closed in one step
MAX_PUBLISHED = 10  # queries published at once, each of which has to be decoded
MAX_ROUNDS = 10  # in one step


class Expiry:
    """Closes queries.

    Args:
        queries: Whether there are tombstones.
        topic: The topic `queries`.
        broker: Where tombstones are sent.
        labels: The group that reads the labels.
        pending: The queries that wait.
        metrics: Where expired queries are counted.
    """

    def __init__(
        self,
        queries: QuerySettings,
        topic: str,
        broker: Broker,
        labels: Group,
        pending: PendingQueries,
        metrics: Metrics,
    ) -> None:
        self.queries = queries
        self.topic = topic
        self.broker = broker
        self.labels = labels
        self.pending = pending
        self.metrics = metrics
        self._time = JudgedTime()

    async def step(self) -> None:
        """Close what is over now, and publish what has to be published. Raises Unavailable."""
        tombstones, responsible = self.queries.tombstones, 0 in self.labels.assignment()
        if tombstones and not responsible:
            return
        expired: list[str] = []
        if self.pending.overdue():
            expired = self.pending.expired(MAX_CLOSED, await self._judged())
        entries = {sample_id: self.pending.entry(sample_id) for sample_id in expired}
        if tombstones:
            over = [*expired, *self.pending.orphaned()[:MAX_CLOSED]]
            await self.broker.send([self.pending.tombstone(sample_id) for sample_id in over])
        for sample_id, entry in entries.items():
            if self.pending.entry(sample_id) is entry:  # else the id has got another query meanwhile
                self.pending.close(sample_id)
        if responsible:
            self.metrics.expired.inc(len(expired))
            await self._publish()

    async def _publish(self) -> None:
        for _ in range(MAX_ROUNDS):
            if not (again := self.pending.unpublished(MAX_PUBLISHED)):
                return
            acks = await self.broker.send([outgoing for _, outgoing in again])
            for (query, outgoing), ack in zip(again, acks, strict=True):
                if ack.replaced:
                    self.pending.give_up(query.id)
                elif query.id in self.pending:  # else it was closed meanwhile: its record is an orphan
                    self.pending.add(query, outgoing.value or b"", ack, outgoing.headers)

    async def _judged(self) -> int:
        """The log's time up to which every label is judged, in milliseconds."""
        mark = self._time.mark
        if mark is None:
            at_ms = self.pending.time.now_ms  # noted before the ends are read
            mark = Mark(at_ms, await self.labels.end_offsets())
            self._time = self._time.with_mark(mark)
        self._time = self._time.checked(unread=await self.labels.has_uncommitted(mark.ends))
        return self._time.judged_ms
