"""The annotators of the demo. They know the truth, and label as a simulated crew does (`simulate.people`).

`TopicAnnotators` are clients of the topics like any other, and label every query. `Colleagues` sit at desks
of their own: they lease queries over HTTP, one at a time, so that a person at the desk gets the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from heapq import heappop, heappush
from math import inf
from time import time

from stream_al.client import AsyncClient, LeasedQuery
from stream_al.errors import BadMessage, StreamAlError
from stream_al.messages import ClassLabel, Label, Query, decode, encode
from stream_al.service.broker.protocols import Broker, Outgoing, Record
from stream_al.service.broker.readers import started
from stream_al.settings import Settings
from stream_al.simulate.people.annotator import SimulatedAnnotator, Wait
from stream_al.simulate.people.crew import Crew, Profile

__all__ = ["Colleagues", "TopicAnnotators", "punctual"]

AT_ONCE = 500
IDLE_SECONDS = 0.05
START_SECONDS = 120.0


def punctual(delay: float) -> Profile:
    """An annotator that is never wrong, and gives every label so many seconds after its query."""
    return Profile("simulated", delay=Wait("fixed", delay))


class TopicAnnotators:
    """Read queries, wait, and send labels.

    A query may come twice, because delivery is at least once. It is labelled once.

    Args:
        broker: The broker, started.
        settings: The settings of the service, which name the topics.
        truth: The label of every sample, by id.
        crew: Who labels, when, and with which errors.

    Attributes:
        labelled: The number of labels sent.
    """

    def __init__(
        self, broker: Broker, settings: Settings, truth: Mapping[str, ClassLabel], crew: Crew
    ) -> None:
        self.broker = broker
        self.topics = settings.topics
        self.truth = truth
        self.crew = crew
        self.labelled = 0
        self._state = crew.begin
        self._max_bytes = settings.input.max_message_bytes
        self._seen: set[str] = set()
        self._waiting: list[
            tuple[float, int, Label]
        ] = []  # by the time of the label, then as they were asked

    @property
    def busy(self) -> bool:
        """Whether labels are still to come for queries that were read."""
        return bool(self._waiting)

    async def run(self) -> None:
        """Label queries until cancelled."""
        async with started(self.broker.reader(self.topics.queries, expiring=True)) as reader:
            while True:
                due = self._waiting[0][0] - time() if self._waiting else IDLE_SECONDS
                for record in await reader.poll(AT_ONCE, min(max(due, 0.0), IDLE_SECONDS)):
                    self._see(record)
                await self._send_labels()

    def _see(self, record: Record) -> None:
        if record.value is None:
            return  # the tombstone of a closed query
        try:
            query = decode(Query, record.value, max_bytes=self._max_bytes)
        except BadMessage:
            return
        if query.id in self.truth and query.id not in self._seen:
            self._seen.add(query.id)
            task, self._state = self.crew.assign(self._state, query.id, time(), query.labelled_by)
            if task is None:  # all of them have labelled the sample
                return
            label = task.annotator.label(query.id, self.truth[query.id])
            given = Label(query.id, label, annotator=task.annotator.name, version=query.version or None)
            heappush(self._waiting, (task.seconds, len(self._seen), given))

    async def _send_labels(self) -> None:
        labels = []
        now = time()
        while self._waiting and self._waiting[0][0] <= now:
            _, _, label = heappop(self._waiting)
            labels.append(Outgoing(self.topics.labels, label.id.encode(), encode(label)))
        self.labelled += len(await self.broker.send(labels))


class Colleagues:
    """Lease queries over HTTP, each annotator for itself, and label them at its pace.

    Args:
        url: Gives the address of the service; None until it listens.
        truth: The label of every sample, by id.
        crew: Who they are.

    Attributes:
        labelled: The number of labels sent.
        busy: Always true: the person at the desk labels as long as they like.
    """

    busy = True

    def __init__(self, url: Callable[[], str | None], truth: Mapping[str, ClassLabel], crew: Crew) -> None:
        self.url = url
        self.truth = truth
        self.crew = crew
        self.labelled = 0

    async def run(self) -> None:
        """Label queries until cancelled. Raises StreamAlError if the service is away for long."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for annotator in self.crew.annotators:
                    tasks.create_task(self._work(annotator))
        except* StreamAlError as group:
            raise group.exceptions[0] from group

    async def _work(self, annotator: SimulatedAnnotator) -> None:
        while (url := self.url()) is None:  # noqa: ASYNC110 - the service does not notify
            await asyncio.sleep(IDLE_SECONDS)
        async with AsyncClient(url, annotator=annotator.name) as client:
            await client.wait_until_ready(START_SECONDS)
            async for query in client.queries(ahead=1, wait=inf):
                sample_id = sample_of(query)
                now = time()
                await asyncio.sleep(annotator.gives(sample_id, annotator.begins(now)) - now)
                if sample_id in self.truth:
                    await client.label(query, annotator.label(sample_id, self.truth[sample_id]))
                    self.labelled += 1
                else:
                    await client.skip(query)


def sample_of(query: LeasedQuery) -> str:
    """The id of the sample that a query asks about."""
    found = query.query
    return found.second_of or found.sample_id or found.id
