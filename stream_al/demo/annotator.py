"""The annotator of the demo: it labels every query with the truth, some time after the query came."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from time import monotonic

from stream_al.errors import BadMessage
from stream_al.messages import ClassLabel, Label, Query, decode, encode
from stream_al.service.broker.protocols import Broker, Outgoing, Record
from stream_al.service.broker.topics import max_message_bytes
from stream_al.settings import Settings

__all__ = ["TopicAnnotator"]

AT_ONCE = 500
IDLE_SECONDS = 0.05


class TopicAnnotator:
    """Reads queries, waits, and sends labels; a client of the topics like any other.

    A query may come twice, because delivery is at least once. It is labelled once.

    Args:
        broker: The broker, started.
        settings: The settings of the service, which name the topics.
        truth: The label of every sample, by id.
        delay: Seconds from reading a query to sending its label.

    Attributes:
        labelled: The number of labels sent.
    """

    def __init__(
        self, broker: Broker, settings: Settings, truth: Mapping[str, ClassLabel], delay: float
    ) -> None:
        self.broker = broker
        self.topics = settings.topics
        self.truth = truth
        self.delay = delay
        self.labelled = 0
        self._max_bytes = max_message_bytes(settings.input)
        self._seen: set[str] = set()
        self._waiting: deque[tuple[float, str, str]] = deque()

    async def run(self) -> None:
        """Label queries until cancelled."""
        reader = self.broker.reader(self.topics.queries, expiring=True)
        await reader.start()
        try:
            while True:
                due = self._waiting[0][0] - monotonic() if self._waiting else IDLE_SECONDS
                for record in await reader.poll(AT_ONCE, min(max(due, 0.0), IDLE_SECONDS)):
                    self._see(record)
                await self._send_labels()
        finally:
            await asyncio.shield(reader.stop(1.0))

    def _see(self, record: Record) -> None:
        if record.value is None:
            return  # the tombstone of a closed query
        try:
            query = decode(Query, record.value, max_bytes=self._max_bytes)
        except BadMessage:
            return
        if query.id in self.truth and query.id not in self._seen:
            self._seen.add(query.id)
            self._waiting.append((monotonic() + self.delay, query.id, query.version))

    async def _send_labels(self) -> None:
        labels = []
        now = monotonic()
        while self._waiting and self._waiting[0][0] <= now:
            _, sample_id, version = self._waiting.popleft()
            label = Label(sample_id, self.truth[sample_id], annotator="simulated", version=version or None)
            labels.append(Outgoing(self.topics.labels, sample_id.encode(), encode(label)))
        self.labelled += len(await self.broker.send(labels))
