"""Select: samples in, queries out.

This stage is thin. `engine.samples` reads a sample, the model scores it, and `engine.selector` decides about
it. The stage puts the messages together and counts. A query gets its id by the rule of `stream_al.identity`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import msgspec

from stream_al.engine.budgets import Context, Decision
from stream_al.engine.budgets.manual import displace
from stream_al.engine.recent import RecentShare
from stream_al.engine.samples.fast_reader import Reader
from stream_al.engine.samples.sample import position_id
from stream_al.engine.samples.table import Sample, at_position
from stream_al.engine.selector import Selector
from stream_al.engine.strategies import ScoredSample
from stream_al.errors import BadMessage, NoSample
from stream_al.messages import decode_json, encode
from stream_al.service.broker.dead_letters import dead_letter
from stream_al.service.broker.protocols import Ack, Outgoing, Record
from stream_al.service.broker.topics import query_life_ms
from stream_al.service.engine_settings import input_rules, selector
from stream_al.service.loops.asked import Asked
from stream_al.service.loops.batch_queries import BatchQueries
from stream_al.service.loops.decision_messages import DecisionMessages
from stream_al.service.loops.pending import PendingQueries
from stream_al.service.loops.second_queries import SecondQueries
from stream_al.service.loops.stage import Items, Work
from stream_al.service.loops.taken_ids import TakenIds
from stream_al.service.model.local_model import LocalModel
from stream_al.service.pending.entries import OVERHEAD
from stream_al.service.telemetry.metrics import Metrics
from stream_al.service.telemetry.problems import Kind, Problems
from stream_al.service.telemetry.tracing import OFF, Tracing
from stream_al.service.timing.clock import Clock
from stream_al.settings import BudgetSettings, Settings

__all__ = ["Select"]

CLASS_BYTES = 20  # of work for a sample: with 1,000 classes, one takes two milliseconds and more
REPEATED = (
    "the id names more than one sample, so its queries get ids of their own, `id#version`: set input.id to "
    "what names one sample alone, such as `position`"
)
ADVICE = (
    "decided without an opinion of the model, which cannot take the sample: set model.definition to one that "
    "can (`auto` takes any), or leave features out by input.exclude"
)


class Select:
    """The stage that decides about samples.

    Args:
        settings: The settings; the budget among them may change while the service runs.
        local_model: The model that scores the samples.
        pending: The queries that wait; new ones are added.
        metrics: Where decisions are counted.
        problems: Where ids are reported that name more than one sample, and samples that the model fails on.
        clock: Says when a query is written.
        partition_count: Returns the number of partitions of the topic.
        tracing: Traces the way from a sample to its query.

    Attributes:
        on_samples: Called with the samples of every batch, when they are read.
        on_decided: Called with what was decided, a partition at a time, once it is committed; None calls
            nothing.
        asked: The samples whose labels people have asked for.
        without_opinion: Of the last samples since the model knew two classes, which ones it had no prediction
            for.
    """

    name = "select"

    def __init__(  # noqa: PLR0913 - the parts of the service that it works with
        self,
        settings: Settings,
        local_model: LocalModel,
        pending: PendingQueries,
        metrics: Metrics,
        problems: Problems,
        clock: Clock,
        partition_count: Callable[[], int],
        tracing: Tracing = OFF,
    ) -> None:
        self.settings = settings
        self.on_samples: Callable[[Sequence[Sample]], None] = lambda samples: None
        self.on_decided: Callable[[Items, Sequence[Decision], int], None] | None = None
        self.asked = Asked()
        self.local_model = local_model
        self.pending = pending
        self.metrics = metrics
        self.problems = problems
        self.clock = clock
        self.partition_count = partition_count
        self.tracing = tracing
        self.without_opinion = RecentShare()
        self.reader = Reader(input_rules(settings))
        self.second = SecondQueries(settings, local_model, pending)
        self.change_budget(settings.budget)

    def change_budget(self, budget: BudgetSettings) -> None:
        """Decide by another budget, from the next batch on; partitions keep their accounts."""
        self.settings = self.settings.model_copy(update={"budget": budget})
        self.selector = selector(self.settings)
        self.metrics.budget_share.set(budget.share)
        self.metrics.pending_cap.set(budget.pending)

    def read(self, records: Sequence[Record]) -> list[tuple[Sample, ScoredSample] | BadMessage]:
        """The samples, each scored by the model of now; a BadMessage for a record that cannot be used."""
        read: list[Sample | BadMessage] = [self.sample(record) for record in records]
        samples = [sample for sample in read if not isinstance(sample, BadMessage)]
        self.on_samples(samples)
        times = [r.timestamp_ms for r, s in zip(records, read, strict=True) if not isinstance(s, BadMessage)]
        arrivals = iter(self.selector.score_many(self.local_model.model, samples, times))
        return [one if isinstance(one, BadMessage) else (one, next(arrivals)) for one in read]

    def sample(self, record: Record) -> Sample | BadMessage:
        """The sample of a record, or what is wrong with it."""
        if record.value is None:
            return NoSample("tombstone", "the record has no value")
        try:
            given = decode_json(record.value, max_bytes=self.settings.input.max_bytes)
            sample = self.reader.read(
                given,
                key=record.key,
                position=lambda: position_id(record.topic, record.partition, record.offset),
            )
            return at_position(sample, record.partition, record.offset)
        except BadMessage as error:
            return error.kept()

    async def take_over(self) -> None:
        """Read the queries that the last owner has published: they have taken ids."""
        await self.pending.catch_up()

    def size(self, record: Record) -> int:
        """Its bytes, and more for each class, since each is scored and stands in what is written of it.

        A strategy that looks ahead takes one record at a time, since it copies the model for each.
        """
        model, given = self.local_model.model, len(record.value or b"")
        if self.selector.strategy.looks_ahead:
            return self.clock.pace.chunk_bytes
        return int(given * model.relative_work()) + CLASS_BYTES * len(model.classes)

    async def prepare(self, items: Items) -> None:
        """Nothing to wait for: the model that has scored the samples decides about them."""

    def begin(self) -> _BatchDecision:
        """Begin with a batch; the budget that is in force now decides about all of it."""
        taken = TakenIds(self.local_model, self.pending)
        queries = BatchQueries(
            self.settings.topics.queries,
            self.pending,
            taken,
            self.second,
            self.asked,
            self.tracing,
            to_dead_letter=self.dead_letter,
        )
        return _BatchDecision(self, self.selector, self.settings.budget, queries)

    def context(
        self, partition: int, pending: int, budget: BudgetSettings, pending_bytes: int, each_bytes: int = 1
    ) -> Context:
        """What the selector may know about a partition when so many queries are pending.

        Args:
            partition: The partition.
            pending: How many queries are pending.
            budget: Says how many may be.
            pending_bytes: How many bytes they take.
            each_bytes: How many bytes one more may take.
        """
        model = self.local_model.model
        room_bytes = self.settings.queries.max_pending_bytes - pending_bytes
        return Context(
            ready=model.ready,
            room=min(budget.pending - pending, room_bytes // each_bytes),
            pending=pending,
            known=model.examples,
            partition=partition,
            partitions=self.partition_count(),
        )

    def binding(self, partition: int, state: Any) -> dict[str, Any]:
        """What a partition has bought, and the cap that binds it now."""
        context = self.context(partition, len(self.pending), self.settings.budget, self.pending.taken_bytes)
        return {"bought": state.spent.bought, "binding": self.selector.binding(state, context)}

    def dead_letter(self, record: Record, error: BadMessage) -> Outgoing:
        """The dead letter for a record that cannot be used."""
        return dead_letter(record, self.name, error, self.settings.topics.dead_letter_suffix)

    def encode(self, state: Any) -> str:
        """The account of a partition, as the metadata of its commit."""
        return self.selector.encode(state)

    def decode(self, partition: int, metadata: str) -> Any:
        """The account in the metadata of a commit; a fresh one if there is none that can be read."""
        state = self.selector.decode(metadata) if metadata else None
        return self.selector.start() if state is None else state

    def messages(self) -> DecisionMessages:
        """Writes the messages about decisions that are made now."""
        life_ms = query_life_ms(self.settings.queries)
        return DecisionMessages(
            self.local_model.stamp(),
            self.local_model.learner.rule,
            self.selector.strategy_name,
            self.clock.wall_ms(),
            life_ms,
        )


@dataclass(slots=True)
class _BatchDecision:
    """What is decided about a batch of samples.

    Attributes:
        stage: The stage that decides.
        selector: The selector that it decides with.
        budget: The budget that it decides by.
        queries: The queries that the decisions lead to.
        silent: Of the samples since the model knew two classes, which ones it has no prediction for.
        allowed: The number of labels that the budget allowed for the samples.
        thresholds: The last threshold of each partition.
        failures: The samples that the model failed on, by reason: how many, and the last of them.
        decided: The samples of each partition, with their decisions, where somebody wants to know.
    """

    stage: Select
    selector: Selector
    budget: BudgetSettings
    queries: BatchQueries
    silent: list[bool] = field(default_factory=list)
    allowed: float = 0.0
    predictions: list[Outgoing] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    thresholds: dict[int, float] = field(default_factory=dict)
    failures: dict[str, tuple[int, ScoredSample]] = field(default_factory=dict)
    decided: list[tuple[Items, list[Decision]]] = field(default_factory=list)

    def decide(self, partition: int, items: Items, state: Any) -> Any:
        """Decide about the next samples of a partition, on its own account."""
        stage, messages, queries = self.stage, self.stage.messages(), self.queries
        asked = queries.still_asked(len(items))
        sizes = (len(one.value or b"") for one in chain((r for r, _ in items), (a.record for a in asked)))
        context = stage.context(
            partition, queries.pending, self.budget, queries.pending_bytes, max(sizes, default=0) + OVERHEAD
        )
        arrivals = [_at(stage.pending.time.see(record), arrival) for record, (_, arrival) in items]
        again = queries.again(partition, context.partitions, state.credit, self.selector.extra, len(arrivals))
        context, before = replace(context, again=again.number), state.credit.bought
        made, state = self.selector.decide(state, arrivals, context)
        # What the share of second labels asks about, no person need ask about: those come after it.
        queries.ask_again(messages, partition, range(before + 1, state.credit.bought + 1), again)
        if asked:
            made, places = displace(made, len(asked))
            queries.ask_by_hand(messages, asked[: len(places)])
        if again_by_hand := queries.to_relabel(partition, context.partitions, len(made)):
            made, places = displace(made, len(again_by_hand))
            queries.relabel(messages, again_by_hand[: len(places)])
        for (record, (sample, arrival)), decision in zip(items, made, strict=True):
            self._note(messages, arrival, decision)
            if decision.selected:
                queries.ask(messages, record, sample, arrival, decision)
        if context.ready:
            self.silent += [not arrival.probabilities for _, (_, arrival) in items]
        if made:
            self.thresholds[partition] = made[-1].threshold
        self.decisions += made
        if stage.on_decided is not None:
            self.decided.append((items, made))
        self.allowed += self.budget.share * len(made)
        return state

    def _note(self, messages: DecisionMessages, arrival: ScoredSample, decision: Decision) -> None:
        """Note a failure of the model, and write the prediction where there is a topic for it."""
        if arrival.failure is not None:
            number, _ = self.failures.get(arrival.failure.reason, (0, arrival))
            self.failures[arrival.failure.reason] = number + 1, arrival
        if topic := self.stage.settings.topics.predictions:
            predicted = messages.prediction(arrival, decision, self.queries.pending)
            self.predictions.append(Outgoing(topic, arrival.id.encode(), encode(predicted)))

    def work(self) -> Work:
        """The queries and predictions to send."""
        return Work([[*self.queries.outgoing(), *self.predictions]], self._applied)

    def _applied(self, acks: list[list[Ack]]) -> None:
        metrics, stage, queries = self.stage.metrics, self.stage, self.queries
        too_large = queries.enter(acks[0])
        if too_large:
            metrics.dead_letters.labels(stage.name, "query_too_large").inc(too_large)
        for sample_id in queries.repeated:
            stage.problems.report(Kind.IDENTITY, "repeated_id", REPEATED, sample=sample_id)
        stage.without_opinion.add(self.silent)
        outcomes = Counter([(d.selected, d.reason) for d in self.decisions])
        for (selected, reason), number in outcomes.items():
            metrics.samples.labels("query" if selected else "pass", reason.value).inc(number)
        metrics.utility.observe([d.utility for d in self.decisions])
        metrics.budget_asked.inc(self.allowed)
        metrics.budget_spent.inc(len(queries))
        metrics.queries.inc(len(queries))
        metrics.second_queries.inc(len(queries.second))
        metrics.manual_queries.inc(queries.by_hand)
        if stage.on_decided is not None:
            for items, made in self.decided:
                stage.on_decided(items, made, stage.local_model.model.examples)
        for partition, threshold in self.thresholds.items():
            metrics.threshold.labels(str(partition)).set(threshold)
        for kind, (number, last) in self.failures.items():
            why = last.failure.message if last.failure else ""
            stage.problems.report(Kind.NO_OPINION, kind, f"{ADVICE}: {why}", sample=last.id, count=number)


def _at(counts_ms: int, arrival: ScoredSample) -> ScoredSample:
    """A scored sample at the time that counts for it."""
    if arrival.timestamp_ms == counts_ms:
        return arrival
    return msgspec.structs.replace(arrival, timestamp_ms=counts_ms)
