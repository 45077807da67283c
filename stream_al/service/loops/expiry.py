"""Sweep: close the queries whose life is over.

An answer that came in time must never find its query closed, however late it is read: after an outage,
answers wait in the log while samples already tell a later time. So a query is closed by the time *up to
which answers are judged*, never by the latest time seen:

    mark    note the log's time, then the ends of all partitions of `labels`
    later   when every answer before those ends is committed, by whichever replica, all answers up to the
            marked time are judged: what came after it, came later than the deadlines before it

One replica is enough to tell the others, and the owner of the first label partition is one. Without
tombstones nobody can be told, and each replica closes for itself.
"""

from __future__ import annotations

from collections.abc import Mapping

from stream_al.service.broker.protocols import Broker, Group, Outgoing
from stream_al.service.loops.pending import PendingQueries
from stream_al.service.telemetry.metrics import Metrics
from stream_al.settings import QuerySettings

__all__ = ["Expiry"]

AT_ONCE = 1000  # queries closed in one go


class Expiry:
    """Closes queries.

    Args:
        answers: The group that judges answers.
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
        tombstones, one = self.queries.tombstones, 0 in self.labels.assignment()
        if tombstones and not one:
            return
        expired: list[str] = []
        if self.pending.overdue():
            expired = self.pending.expired(AT_ONCE, await self._judged())
        if tombstones:
            over = [*expired, *self.pending.orphaned()[:AT_ONCE]]
            await self.broker.send([Outgoing(self.topic, sample_id.encode(), None) for sample_id in over])
        for sample_id in expired:
            self.pending.close(sample_id)
        if one:
            self.metrics.expired.inc(len(expired))

    async def _judged(self) -> int:
        """Log time up to which every answer is judged."""
        if self._mark is None:
            now_ms = self.pending.log_time_ms
            self._mark = now_ms, await self.labels.end_offsets()
        now_ms, ends = self._mark
        if not await self.labels.has_uncommitted(ends):
            self._judged_ms, self._mark = now_ms, None
        return self._judged_ms
