"""The simulated annotator: answers every query with the truth, some time after it was asked."""

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

__all__ = ["Annotator"]

AT_ONCE = 500
IDLE_SECONDS = 0.05


class Annotator:
    """Reads queries, waits, sends labels; a client of the topics like any other.

    A query may come twice (delivery is at least once) and is answered once.

    Args:
        log: The broker, started.
        settings: Which topics.
        truth: The label of every sample, by id.
        delay: Seconds from seeing a query to answering it.

    Attributes:
        answered: Labels sent.
    """

    def __init__(
        self, broker: Broker, settings: Settings, truth: Mapping[str, ClassLabel], delay: float
    ) -> None:
        self.broker = broker
        self.topics = settings.topics
        self.truth = truth
        self.delay = delay
        self.answered = 0
        self._max_bytes = max_message_bytes(settings.input)
        self._seen: set[str] = set()
        self._waiting: deque[tuple[float, str]] = deque()

    async def run(self) -> None:
        """Answer until cancelled."""
        reader = self.broker.reader(self.topics.queries, expiring=True)
        await reader.start()
        try:
            while True:
                due = self._waiting[0][0] - monotonic() if self._waiting else IDLE_SECONDS
                for record in await reader.poll(AT_ONCE, min(max(due, 0.0), IDLE_SECONDS)):
                    self._see(record)
                await self._answer()
        finally:
            await asyncio.shield(reader.stop(1.0))

    def _see(self, record: Record) -> None:
        if record.value is None:
            return  # a query that is over
        try:
            query = decode(Query, record.value, max_bytes=self._max_bytes)
        except BadMessage:
            return
        if query.id in self.truth and query.id not in self._seen:
            self._seen.add(query.id)
            self._waiting.append((monotonic() + self.delay, query.id))

    async def _answer(self) -> None:
        labels = []
        now = monotonic()
        while self._waiting and self._waiting[0][0] <= now:
            _, sample_id = self._waiting.popleft()
            label = Label(sample_id, self.truth[sample_id], annotator="simulated")
            labels.append(Outgoing(self.topics.labels, sample_id.encode(), encode(label)))
        self.answered += len(await self.broker.send(labels))
