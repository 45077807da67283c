"""The lag: how far the loops are behind, for the metrics and for the watchdog."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from stream_al.errors import Unavailable
from stream_al.service.loops.consumer import Consumer
from stream_al.service.loops.pending import PendingQueries
from stream_al.service.model.local_model import LocalModel
from stream_al.service.telemetry.metrics import Metrics

__all__ = ["LagMeter"]


class LagMeter:
    """Measures the lag of every loop.

    Args:
        consumers: The loops that read as members of a group.
        local_model: The loop that learns.
        pending: The queries that wait.
        metrics: Where the lag is shown.

    Attributes:
        model: How many examples the model had not read when it was measured last.
        waiting: The partitions in which records wait, held by this replica or not, each with the offset from
            which they wait; as `topic/partition`.
        held: Those of them that this replica holds.
    """

    def __init__(
        self,
        consumers: Sequence[Consumer],
        local_model: LocalModel,
        pending: PendingQueries,
        metrics: Metrics,
    ) -> None:
        self.consumers = consumers
        self.local_model = local_model
        self.pending = pending
        self.metrics = metrics
        self.model = 0
        self.waiting: dict[str, int] = {}
        self.held: frozenset[str] = frozenset()

    async def measure(self) -> None:
        """Measure once. Raises Unavailable; then nobody knows whether records wait."""
        try:
            for consumer in self.consumers:
                await self._measure(consumer)
            here = _named((consumer, consumer.waiting()) for consumer in self.consumers)
            elsewhere = _named([(consumer, await consumer.group.backlog()) for consumer in self.consumers])
        except Unavailable:
            for consumer in self.consumers:
                consumer.progress.not_observed()
            self.waiting, self.held = {}, frozenset()
            raise
        self.waiting, self.held = elsewhere | here, frozenset(here)
        reader = self.local_model.reader
        ends, positions = await reader.end_offsets(), await reader.positions()
        self.model = sum(max(0, end - positions[p]) for p, end in ends.items())
        self.metrics.model_offset_lag.set(self.model)
        self.metrics.pending_oldest.set(self.pending.oldest_seconds())

    async def _measure(self, consumer: Consumer) -> None:
        topic, stage = consumer.group.topic, consumer.stage.name
        before = consumer.lag
        await consumer.measure_lag()
        for partition in before.keys() - consumer.lag.keys():  # its new owner shows it
            self.metrics.consumer_lag.remove(topic, str(partition))
        self.metrics.assignments.labels(stage).inc(before.keys() != consumer.lag.keys())
        for partition, lag in consumer.lag.items():
            self.metrics.consumer_lag.labels(topic, str(partition)).set(lag)
        self.metrics.stopped.labels(stage).set(len(consumer.stopped()))


def _named(found: Iterable[tuple[Consumer, Mapping[int, int]]]) -> dict[str, int]:
    return {
        f"{consumer.group.topic}/{partition}": offset
        for consumer, offsets in found
        for partition, offset in offsets.items()
    }
