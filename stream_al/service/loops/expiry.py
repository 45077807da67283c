"""Expiry: close the queries whose life is over.

When that is the case, and by which time it is judged, is the rule of `engine.labels.expiry`. This loop asks
the broker what the rule needs and sends the tombstones.

One replica is enough to tell the others, and the owner of the first label partition is one. Without
tombstones nobody can be told, and each replica closes for itself.
"""

from __future__ import annotations

from stream_al.engine.labels.expiry import JudgedTime, Mark
from stream_al.service.broker.protocols import Broker, Group, Outgoing
from stream_al.service.loops.pending import PendingQueries
from stream_al.service.telemetry.metrics import Metrics
from stream_al.settings import Settings

__all__ = ["Expiry"]

AT_ONCE = 1000  # queries closed in one go


class Expiry:
    """Closes queries.

    Args:
        answers: The group that judges answers.
    """

    def __init__(
        self, settings: Settings, broker: Broker, labels: Group, pending: PendingQueries, metrics: Metrics
    ) -> None:
        self.settings = settings
        self.broker = broker
        self.labels = labels
        self.pending = pending
        self.metrics = metrics
        self._time = JudgedTime()

    async def step(self) -> None:
        """Close what is over now. Raises Unavailable."""
        tombstones, one = self.settings.queries.tombstones, 0 in self.labels.assignment()
        if tombstones and not one:
            return
        expired: list[str] = []
        if self.pending.overdue():
            expired = self.pending.expired(AT_ONCE, await self._judged())
        if tombstones:
            over = [*expired, *self.pending.orphaned()[:AT_ONCE]]
            queries = self.settings.topics.queries
            await self.broker.send([Outgoing(queries, sample_id.encode(), None) for sample_id in over])
        for sample_id in expired:
            self.pending.close(sample_id)
        if one:
            self.metrics.expired.inc(len(expired))

    async def _judged(self) -> int:
        """Log time up to which every label is judged."""
        mark = self._time.mark
        if mark is None:
            at_ms = self.pending.log_time_ms  # noted before the ends are read
            mark = Mark(at_ms, await self.labels.ends())
            self._time = self._time.with_mark(mark)
        self._time = self._time.checked(unread=await self.labels.unread(mark.ends))
        return self._time.judged_ms
