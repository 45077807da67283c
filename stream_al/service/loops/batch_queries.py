"""The queries of a batch of samples: for whom a label is asked, and how the query is sent.

Four kinds come together here. All count against the one budget, and all are sent with their batch:

    first     the budget manager has selected a sample
    by hand   a person has asked for the label of a sample: it takes the place of one that the manager has
              selected (`engine.budgets.manual`)
    relabel   a person wants another annotator to look at a labelled sample, in the same way
    second    another annotator is asked about a sample that has a label (`service.loops.second_queries`)

A query gets its id by the rule of `stream_al.identity`. Nothing is entered before the broker has it, and a
batch that fails leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from stream_al.engine.budgets import Decision
from stream_al.engine.budgets.caps import UNBOUNDED
from stream_al.engine.budgets.second_labels import Credit
from stream_al.engine.samples.table import Sample
from stream_al.engine.strategies import ScoredSample
from stream_al.engine.trust.again import Candidate
from stream_al.errors import BadMessage
from stream_al.identity import own_id, version_of
from stream_al.messages import Query, encode
from stream_al.service.broker.protocols import Ack, Outgoing, Record
from stream_al.service.loops.asked import Asked, Wanted, has_query
from stream_al.service.loops.decision_messages import DecisionMessages, Name
from stream_al.service.loops.pending import PendingQueries
from stream_al.service.loops.second_queries import SecondQueries
from stream_al.service.loops.taken_ids import TakenIds
from stream_al.service.pending.entries import OVERHEAD
from stream_al.service.telemetry.tracing import Step, Tracing

__all__ = ["Again", "BatchQueries"]

STAGE = "select"


class Again(NamedTuple):
    """What a partition can ask again.

    Attributes:
        sent: How many second queries are in the topic already, from an attempt that was not committed.
        candidates: The samples to ask about, the most urgent first.
    """

    sent: int
    candidates: list[Candidate]

    @property
    def number(self) -> int:
        """How many second queries that is."""
        return self.sent + len(self.candidates)


class BatchQueries:
    """The queries of one batch.

    Args:
        topic: The topic of the queries.
        waiting: The queries that wait for a label; those of the batch are added once the broker has them.
        taken: What is known of ids.
        second_queries: Chooses the samples to ask about again.
        asked: The samples whose labels people have asked for.
        tracing: Traces the way from a sample to its query.
        to_dead_letter: Makes the dead letter of a sample whose query is too large for the topic.

    Attributes:
        pending: The number of queries that will be pending after the batch.
        pending_bytes: The bytes that they will take.
        second: The second queries.
        repeated: The ids that name other samples already.
        by_hand: How many were asked for by a person.
    """

    def __init__(
        self,
        topic: str,
        waiting: PendingQueries,
        taken: TakenIds,
        second_queries: SecondQueries,
        asked: Asked,
        tracing: Tracing,
        *,
        to_dead_letter: Callable[[Record, BadMessage], Outgoing],
    ) -> None:
        self.pending, self.pending_bytes = len(waiting), waiting.taken_bytes
        self.second: list[tuple[Query, Outgoing]] = []
        self.repeated: list[str] = []
        self.by_hand = 0
        self._topic = topic
        self._waiting = waiting
        self._taken = taken
        self._second_queries = second_queries
        self._asked = asked
        self._tracing = tracing
        self._to_dead_letter = to_dead_letter
        self._first: list[tuple[Query, Outgoing, Step]] = []
        self._versions: dict[str, str] = {}  # of the samples asked about, by the id of the query
        self._done: list[int] = []  # the numbers of samples that people asked for and that wait no longer
        self._relabelled: list[str] = []  # likewise, the ids of samples to relabel

    def __len__(self) -> int:
        return len(self._first) + len(self.second)

    def ask(
        self,
        messages: DecisionMessages,
        record: Record,
        sample: Sample,
        arrival: ScoredSample,
        decision: Decision,
    ) -> None:
        """Ask for the label of a sample."""
        query = messages.query(
            sample, self._name(sample), record.timestamp_ms, arrival, decision, self.pending
        )
        step = self._tracing.step(
            STAGE,
            record,
            self._topic,
            query.id,
            reason=query.reason,
            utility=query.utility,
            propensity=query.propensity,
        )
        error = BadMessage(
            "query_too_large", f"the topic {self._topic} takes no query so large; raise its max.message.bytes"
        )
        outgoing = Outgoing(
            self._topic,
            query.id.encode(),
            encode(query),
            step.headers,
            replacement=partial(self._to_dead_letter, record, error),
        )
        self._first.append((query, outgoing, step))
        self._count(outgoing)

    def still_asked(self, most: int) -> list[Wanted]:
        """The next samples that people asked for and that have no query yet, at most so many."""
        found = dict[tuple[str, str], Wanted]()
        if self._asked.is_empty():
            return []
        for one in self._asked.without(self._done):
            if len(found) == most:
                break
            sample = one.sample.id, one.version
            if sample in found or has_query(*sample, self._version):  # it came twice, or has a query by now
                self._done.append(one.number)
            else:
                found[sample] = one
        return list(found.values())

    def ask_by_hand(self, messages: DecisionMessages, wanted: Sequence[Wanted]) -> None:
        """Ask for the labels of samples that people want."""
        for one in wanted:
            self.ask(messages, one.record, one.sample, one.arrival, one.decision)
            self._done.append(one.number)
        self.by_hand += len(wanted)

    def again(self, partition: int, partitions: int, credit: Credit, extra: float, arrivals: int) -> Again:
        """What a partition can ask again in this batch.

        Args:
            partition: The partition.
            partitions: How many there are.
            credit: Its credit for second labels.
            extra: The second labels for each first one.
            arrivals: The number of its samples in this batch.
        """
        sent = self._second_queries.sent(partition, credit.bought)
        most = credit.due(arrivals, extra, UNBOUNDED)
        return Again(sent, self._second_queries.free(partition, partitions, self._version, most - sent))

    def ask_again(self, messages: DecisionMessages, partition: int, numbers: range, again: Again) -> None:
        """Make the second queries of these numbers, without the first ones of them that are sent already."""
        for number, candidate in zip(numbers[again.sent :], again.candidates, strict=False):
            self._ask_second(messages.second_query(candidate, self.pending, (partition, number)))

    def to_relabel(self, partition: int, partitions: int, most: int) -> list[Candidate]:
        """The next labelled samples that people want another annotator to look at, at most so many."""
        found, over = self._second_queries.next_by_hand(
            partition, partitions, most, self._version, self._relabelled
        )
        self._relabelled += over
        return found

    def relabel(self, messages: DecisionMessages, candidates: Sequence[Candidate]) -> None:
        """Ask other annotators about labelled samples."""
        for candidate in candidates:
            self._ask_second(messages.second_query(candidate, self.pending, None))
            self._relabelled.append(candidate.item.id)
        self.by_hand += len(candidates)

    def outgoing(self) -> list[Outgoing]:
        """The records to send."""
        return [outgoing for _, outgoing, _ in self._first] + [outgoing for _, outgoing in self.second]

    def enter(self, acks: Sequence[Ack]) -> int:
        """Enter the queries that the broker has; return how many were too large.

        Args:
            acks: Of the records of `outgoing`, and perhaps of more records after them.
        """
        too_large = 0
        for (query, outgoing, step), ack in zip(self._first, acks, strict=False):
            step.done(ack)
            if ack.replaced:
                too_large += 1
            else:
                self._waiting.add(query, outgoing.value or b"", ack, outgoing.headers)
        for (query, outgoing), ack in zip(self.second, acks[len(self._first) :], strict=False):
            if not ack.replaced:
                self._waiting.add(query, outgoing.value or b"", ack)
        self._asked.forget(self._done)
        self._second_queries.forget(self._relabelled)
        return too_large

    def _ask_second(self, query: Query) -> None:
        outgoing = self._second_queries.outgoing(query)
        self._versions[query.id] = query.version
        self.second.append((query, outgoing))
        self._count(outgoing)

    def _count(self, outgoing: Outgoing) -> None:
        self.pending += 1
        self.pending_bytes += len(outgoing.value or b"") + OVERHEAD

    def _name(self, sample: Sample) -> Name:
        """What the query for a sample is known by; the id is taken from now on."""
        version = version_of(sample.features)
        name = Name(own_id(sample.id, version, self._version), version)
        self._versions[name.id] = version
        if name.id != sample.id:
            self.repeated.append(sample.id)
        return name

    def _version(self, sample_id: str) -> str | None:
        return self._versions.get(sample_id) or self._taken.version(sample_id)
