"""Select: samples in, queries out.

Thin: the sample is read by `engine.sample`, scored by the model, decided about by `engine.selector`.
What is left here is to put messages together and to count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from time import time
from typing import Any

from stream_al.engine.budgets import Situation
from stream_al.engine.caps import Caps
from stream_al.engine.model import prediction
from stream_al.engine.reading import Reader
from stream_al.engine.sample import InputRules, position_id
from stream_al.engine.selector import Decision, Selector
from stream_al.engine.strategies import Arrival
from stream_al.engine.table import Sample
from stream_al.errors import BadMessage
from stream_al.messages import (
    ModelStamp,
    Prediction,
    PredictionRecord,
    Query,
    decode_json,
    encode,
    iso,
    label_text,
)
from stream_al.service.consume import Work
from stream_al.service.dead_letters import dead_letter
from stream_al.service.learn import Learning
from stream_al.service.log import Ack, Headers, Outgoing, Record
from stream_al.service.metrics import Metrics
from stream_al.service.pending import PendingQueries
from stream_al.service.tracing import OFF, Step, Tracing
from stream_al.settings import Budget, Settings

__all__ = ["Select", "input_rules", "selector"]


def input_rules(settings: Settings) -> InputRules:
    """The engine's rules for reading a sample, from the settings."""
    given = settings.input
    return InputRules(
        id=given.id,
        features=given.features,
        payload=given.payload,
        include=given.include,
        exclude=given.exclude,
        max_depth=given.max_depth,
        max_features=given.max_features,
        max_text=given.max_text,
    )


def selector(settings: Settings) -> Selector:
    """The selector that the settings name."""
    budget = settings.budget
    return Selector(
        settings.strategy,
        budget.manager,
        share=budget.share,
        exploration=budget.exploration,
        seed=settings.seed,
        target=settings.target(),
        caps=Caps(budget.per_hour, budget.total),
    )


class Select:
    """The stage that decides about samples."""

    name = "select"

    def __init__(
        self,
        settings: Settings,
        learning: Learning,
        pending: PendingQueries,
        metrics: Metrics,
        partitions: Callable[[], int],
        tracing: Tracing = OFF,
    ) -> None:
        self.tracing = tracing
        self.partitions = partitions
        self.settings = settings
        self.learning = learning
        self.pending = pending
        self.metrics = metrics
        self.reader = Reader(input_rules(settings))
        self.rebudget(settings.budget)

    def read(self, records: Sequence[Record]) -> list[tuple[Sample, Arrival] | BadMessage]:
        """The samples, and what the model says of them now; a BadMessage for a record that cannot be used."""
        said: list[Sample | BadMessage] = [self._sample(record) for record in records]
        samples = [sample for sample in said if not isinstance(sample, BadMessage)]
        times = [r.timestamp_ms for r, s in zip(records, said, strict=True) if not isinstance(s, BadMessage)]
        seen = iter(self.selector.look_at(self.learning.model, samples, times))
        return [sample if isinstance(sample, BadMessage) else _both(sample, next(seen)) for sample in said]

    def _sample(self, record: Record) -> Sample | BadMessage:
        try:
            given = decode_json(record.value, max_bytes=self.settings.input.max_bytes)
            return self.reader.read(
                given,
                key=record.key,
                position=lambda: position_id(record.topic, record.partition, record.offset),
            )
        except BadMessage as error:
            return error

    def rebudget(self, budget: Budget) -> None:
        """Decide by another budget, from the next batch on; partitions keep their accounts."""
        self.settings = self.settings.model_copy(update={"budget": budget})
        self.selector = selector(self.settings)
        self.metrics.budget_share.set(budget.share)
        self.metrics.pending_cap.set(budget.pending)

    async def prepare(self, items: dict[int, list[tuple[Record, tuple[Sample, Arrival]]]]) -> None:
        """Nothing to wait for: a decision needs what is in hand, and no other budget comes in between."""

    def decide(
        self, items: dict[int, list[tuple[Record, tuple[Sample, Arrival]]]], states: dict[int, Any]
    ) -> Work:
        """Decide partition by partition, each on its own account."""
        out: list[Outgoing] = []
        queries: list[tuple[Query, Outgoing, Step]] = []
        decisions: list[Decision] = []
        after: dict[int, Any] = {}
        stamp = self.learning.stamp()
        now_ms = int(time() * 1000)
        pending = len(self.pending)
        for partition, read in items.items():
            self.pending.see_time(max((record.timestamp_ms for record, _ in read), default=0))
            situation = self.situation(partition, pending)
            made, after[partition] = self.selector.decide(
                states[partition], [arrival for _, (_, arrival) in read], situation
            )
            decisions += made
            for (record, (sample, arrival)), decision in zip(read, made, strict=True):
                if self.settings.topics.predictions:
                    out.append(self._prediction(arrival, decision, stamp, pending))
                if decision.selected:
                    query = self._query(record, sample, arrival, decision, stamp, now_ms, pending)
                    step = self._traced(record, query)
                    queries.append((query, self._request(record, query, step.headers), step))
                    pending += 1

        asked = self.settings.budget.share * len(decisions)  # by when they are acknowledged it may be another

        def applied(acks: list[list[Ack]]) -> None:
            for (query, request, step), ack in zip(queries, acks[0], strict=False):
                step.done(ack)
                if ack.smaller:
                    self.metrics.dead_letters.labels(self.name, "query_too_large").inc()
                else:
                    self.pending.add(query, request.value or b"", ack, request.headers)
            self.metrics.budget_asked.inc(asked)
            self._count(decisions, items)

        return Work([[*(request for _, request, _ in queries), *out]], after, applied)

    def situation(self, partition: int, pending: int) -> Situation:
        """What the selector may know about a partition, so many queries being pending."""
        room = self.settings.budget.pending - pending
        return Situation(self.learning.model.ready, room, pending, partition, self.partitions())

    def binding(self, partition: int, state: Any) -> dict[str, Any]:
        """What a partition has bought, and the cap that binds it now."""
        situation = self.situation(partition, len(self.pending))
        return {"bought": state.spent.bought, "binding": self.selector.binding(state, situation)}

    def encode(self, state: Any) -> str:
        """The partition's account as commit metadata."""
        return self.selector.encode(state)

    def decode(self, partition: int, metadata: str) -> Any:
        """The account in a commit's metadata, a fresh one if there is none that can be read."""
        state = self.selector.decode(metadata) if metadata else None
        return self.selector.start() if state is None else state

    def _traced(self, record: Record, query: Query) -> Step:
        return self.tracing.step(
            self.name,
            record,
            self.settings.topics.queries,
            query.id,
            reason=query.reason,
            utility=query.utility,
            propensity=query.propensity,
        )

    def _request(self, record: Record, query: Query, headers: Headers) -> Outgoing:
        """The query as it is sent; in its place, where it is too large, the sample as a dead letter."""
        topics = self.settings.topics
        error = BadMessage(
            "query_too_large",
            f"the topic {topics.queries} takes no query so large; raise its max.message.bytes",
        )
        return Outgoing(
            topics.queries,
            query.id.encode(),
            encode(query),
            headers,
            smaller=lambda: dead_letter(record, self.name, error, topics.dead_letter_suffix),
        )

    def _query(
        self,
        record: Record,
        sample: Sample,
        arrival: Arrival,
        decision: Decision,
        stamp: ModelStamp,
        now_ms: int,
        pending: int,
    ) -> Query:
        life_ms = int(self.settings.queries.life_hours * 3_600_000)
        return Query(
            id=sample.id,
            features=sample.features,
            payload=sample.payload,
            prediction=Prediction(prediction(arrival.probabilities), _texts(arrival)),
            utility=decision.utility,
            threshold=decision.threshold,
            propensity=decision.propensity,
            reason=decision.reason.value,
            strategy=self.selector.strategy_name,
            model=stamp,
            sampled_at=iso(record.timestamp_ms),
            queried_at=iso(now_ms),
            expires_at=iso(now_ms + life_ms),
            pending=pending,
        )

    def _prediction(self, arrival: Arrival, decision: Decision, stamp: ModelStamp, pending: int) -> Outgoing:
        record = PredictionRecord(
            id=arrival.id,
            label=prediction(arrival.probabilities),
            probabilities=_texts(arrival),
            utility=decision.utility,
            threshold=decision.threshold,
            propensity=decision.propensity,
            queried=decision.selected,
            reason=decision.reason.value,
            model=stamp,
            pending=pending,
        )
        return Outgoing(str(self.settings.topics.predictions), arrival.id.encode(), encode(record))

    def _count(self, decisions: list[Decision], items: dict[int, list[Any]]) -> None:
        metrics = self.metrics
        outcomes = Counter([(d.selected, d.reason) for d in decisions])
        for (selected, reason), number in outcomes.items():
            metrics.samples.labels("query" if selected else "pass", reason.value).inc(number)
        metrics.utility.observe([d.utility for d in decisions])
        spent = sum(number for (selected, _), number in outcomes.items() if selected)
        metrics.budget_spent.inc(spent)
        metrics.queries.inc(spent)
        position = 0
        for partition, read in items.items():
            position += len(read)
            if read:
                metrics.threshold.labels(str(partition)).set(decisions[position - 1].threshold)


def _both(sample: Sample, seen: Arrival | BadMessage) -> tuple[Sample, Arrival] | BadMessage:
    return seen if isinstance(seen, BadMessage) else (sample, seen)


def _texts(arrival: Arrival) -> dict[str, float]:
    return {label_text(label): p for label, p in arrival.probabilities.items()}
