"""Select: samples in, queries out.

Thin: the sample is read by `engine.samples.sample`, scored by the model, decided about by `engine.selector`.
What is left here is to put messages together and to count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import time
from typing import Any

from stream_al.engine.budgets import Context, Decision
from stream_al.engine.budgets.caps import Caps
from stream_al.engine.model.predictions import likeliest_label
from stream_al.engine.samples.fast_reader import Reader
from stream_al.engine.samples.sample import InputRules, position_id
from stream_al.engine.samples.table import Sample
from stream_al.engine.selector import Selector
from stream_al.engine.strategies import ScoredSample
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
from stream_al.service.broker.dead_letters import dead_letter
from stream_al.service.broker.protocols import Ack, Headers, Outgoing, Record
from stream_al.service.loops.consumer import Items, Work
from stream_al.service.loops.pending import PendingQueries
from stream_al.service.model.local_model import LocalModel
from stream_al.service.telemetry.metrics import Metrics
from stream_al.service.telemetry.tracing import OFF, Step, Tracing
from stream_al.settings import BudgetSettings, Settings

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
        local_model: LocalModel,
        pending: PendingQueries,
        metrics: Metrics,
        partitions: Callable[[], int],
        tracing: Tracing = OFF,
    ) -> None:
        self.tracing = tracing
        self.partitions = partitions
        self.settings = settings
        self.local_model = local_model
        self.pending = pending
        self.metrics = metrics
        self.reader = Reader(input_rules(settings))
        self.change_budget(settings.budget)

    def read(self, records: Sequence[Record]) -> list[tuple[Sample, ScoredSample] | BadMessage]:
        """The samples, and what the model says of them now; a BadMessage for a record that cannot be used."""
        said: list[Sample | BadMessage] = [self._sample(record) for record in records]
        samples = [sample for sample in said if not isinstance(sample, BadMessage)]
        times = [r.timestamp_ms for r, s in zip(records, said, strict=True) if not isinstance(s, BadMessage)]
        seen = iter(self.selector.score_many(self.local_model.model, samples, times))
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

    def change_budget(self, budget: BudgetSettings) -> None:
        """Decide by another budget, from the next batch on; partitions keep their accounts."""
        self.settings = self.settings.model_copy(update={"budget": budget})
        self.selector = selector(self.settings)
        self.metrics.budget_share.set(budget.share)
        self.metrics.pending_cap.set(budget.pending)

    async def prepare(self, items: Items) -> None:
        """Nothing to wait for: what is read now is decided now, by the same model."""

    def begin(self) -> _BatchDecision:
        """Begin with a batch; all of it is decided by the budget that is in force now."""
        return _BatchDecision(self, self.selector, self.settings.budget, len(self.pending))

    def context(self, partition: int, pending: int, budget: BudgetSettings) -> Context:
        """What the selector may know about a partition, so many queries being pending."""
        room = budget.pending - pending
        model = self.local_model.model
        return Context(
            ready=model.ready,
            room=room,
            pending=pending,
            known=model.examples,
            partition=partition,
            partitions=self.partitions(),
        )

    def binding(self, partition: int, state: Any) -> dict[str, Any]:
        """What a partition has bought, and the cap that binds it now."""
        context = self.context(partition, len(self.pending), self.settings.budget)
        return {"bought": state.spent.bought, "binding": self.selector.binding(state, context)}

    def encode(self, state: Any) -> str:
        """The partition's account as commit metadata."""
        return self.selector.encode(state)

    def decode(self, partition: int, metadata: str) -> Any:
        """The account in a commit's metadata, a fresh one if there is none that can be read."""
        state = self.selector.decode(metadata) if metadata else None
        return self.selector.start() if state is None else state

    def traced(self, record: Record, query: Query) -> Step:
        """The step from a sample to its query."""
        return self.tracing.step(
            self.name,
            record,
            self.settings.topics.queries,
            query.id,
            reason=query.reason,
            utility=query.utility,
            propensity=query.propensity,
        )

    def request(self, record: Record, query: Query, headers: Headers) -> Outgoing:
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

    def query(
        self,
        record: Record,
        sample: Sample,
        arrival: ScoredSample,
        decision: Decision,
        stamp: ModelStamp,
        now_ms: int,
        pending: int,
    ) -> Query:
        """The query for a sample."""
        life_ms = int(self.settings.queries.life_hours * 3_600_000)
        return Query(
            id=sample.id,
            features=sample.features,
            payload=sample.payload,
            prediction=Prediction(likeliest_label(arrival.probabilities), _texts(arrival)),
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

    def prediction(
        self, arrival: ScoredSample, decision: Decision, stamp: ModelStamp, pending: int
    ) -> Outgoing:
        """What was predicted and decided, for the topic of predictions."""
        record = PredictionRecord(
            id=arrival.id,
            label=likeliest_label(arrival.probabilities),
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


@dataclass(slots=True)
class _BatchDecision:
    """What is decided about a batch of samples.

    Attributes:
        stage: Who decides,
        selector: with what,
        budget: and by which budget.
        pending: The queries that will be pending after it.
        asked: The labels that the budget allowed for its samples.
        thresholds: The last one of each partition.
    """

    stage: Select
    selector: Selector
    budget: BudgetSettings
    pending: int
    asked: float = 0.0
    queries: list[tuple[Query, Outgoing, Step]] = field(default_factory=list)
    predictions: list[Outgoing] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    thresholds: dict[int, float] = field(default_factory=dict)

    def decide(self, partition: int, items: Items, state: Any) -> Any:
        """Decide about the next samples of a partition, on its own account."""
        stage, stamp, now_ms = self.stage, self.stage.local_model.stamp(), int(time() * 1000)
        stage.pending.see_time(max((record.timestamp_ms for record, _ in items), default=0))
        context = stage.context(partition, self.pending, self.budget)
        made, state = self.selector.decide(state, [arrival for _, (_, arrival) in items], context)
        for (record, (sample, arrival)), decision in zip(items, made, strict=True):
            if stage.settings.topics.predictions:
                self.predictions.append(stage.prediction(arrival, decision, stamp, self.pending))
            if decision.selected:
                query = stage.query(record, sample, arrival, decision, stamp, now_ms, self.pending)
                step = stage.traced(record, query)
                self.queries.append((query, stage.request(record, query, step.headers), step))
                self.pending += 1
        if made:
            self.thresholds[partition] = made[-1].threshold
        self.decisions += made
        self.asked += self.budget.share * len(made)
        return state

    def work(self) -> Work:
        """The queries and predictions to send."""
        return Work([[*(request for _, request, _ in self.queries), *self.predictions]], self._applied)

    def _applied(self, acks: list[list[Ack]]) -> None:
        metrics, stage = self.stage.metrics, self.stage
        for (query, request, step), ack in zip(self.queries, acks[0], strict=False):
            step.done(ack)
            if ack.smaller:
                metrics.dead_letters.labels(stage.name, "query_too_large").inc()
            else:
                stage.pending.add(query, request.value or b"", ack, request.headers)
        outcomes = Counter([(d.selected, d.reason) for d in self.decisions])
        for (selected, reason), number in outcomes.items():
            metrics.samples.labels("query" if selected else "pass", reason.value).inc(number)
        metrics.utility.observe([d.utility for d in self.decisions])
        metrics.budget_asked.inc(self.asked)
        metrics.budget_spent.inc(len(self.queries))
        metrics.queries.inc(len(self.queries))
        for partition, threshold in self.thresholds.items():
            metrics.threshold.labels(str(partition)).set(threshold)


def _both(sample: Sample, seen: ScoredSample | BadMessage) -> tuple[Sample, ScoredSample] | BadMessage:
    return seen if isinstance(seen, BadMessage) else (sample, seen)


def _texts(arrival: ScoredSample) -> dict[str, float]:
    return {label_text(label): p for label, p in arrival.probabilities.items()}
