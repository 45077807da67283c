"""Expiry: close the queries whose life is over.

A label that came in time must find its query open, however late the label is read: after an outage, labels
wait in the log while the samples already show a later time. So a query is closed by the time *up to which all
labels are judged*, never by the latest time seen:

    1. mark    note the log's time, then the end offsets of all partitions of `labels`
    2. later   when the group has committed every label before those ends, all labels up to the marked time
               are judged: every other label came later, and so after the deadlines before that time

Tombstones tell all replicas that a query is closed. The owner of the first label partition sends them,
because one replica is enough. If the settings turn tombstones off, each replica closes queries for itself.
"""

from __future__ import annotations

from collections.abc import Mapping

from stream_al.service.broker.protocols import Broker, Group, Outgoing
from stream_al.service.loops.pending import PendingQueries
from stream_al.service.telemetry.metrics import Metrics
from stream_al.settings import QuerySettings

__all__ = ["Expiry"]

MAX_CLOSED = 1000  # queries closed in one step


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
        self._mark: tuple[int, Mapping[int, int]] | None = None
        self._judged_ms = 0

    async def step(self) -> None:
        """Close what is over now. Raises Unavailable."""
        tombstones, responsible = self.queries.tombstones, 0 in self.labels.assignment()
        if tombstones and not responsible:
            return
        expired: list[str] = []
        if self.pending.overdue():
            expired = self.pending.expired(MAX_CLOSED, await self._judged())
        if tombstones:
            over = [*expired, *self.pending.orphaned()[:MAX_CLOSED]]
            await self.broker.send([Outgoing(self.topic, sample_id.encode(), None) for sample_id in over])
        for sample_id in expired:
            self.pending.close(sample_id)
        if responsible:
            self.metrics.expired.inc(len(expired))

    async def _judged(self) -> int:
        """The log's time up to which every label is judged, in milliseconds."""
        if self._mark is None:
            now_ms = self.pending.log_time_ms
            self._mark = now_ms, await self.labels.end_offsets()
        now_ms, ends = self._mark
        if not await self.labels.has_uncommitted(ends):
            self._judged_ms, self._mark = now_ms, None
        return self._judged_ms
