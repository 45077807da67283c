"""Intake: labels in, examples out.

Thin: what an answer means is judged by `engine.labels.join`. What is left here is to make sure that the
judgement sees everything that was in the log before the answer.

An answer whose query is not in hand may simply have been faster than our own reading. So the topic
`queries` is first read up to its current end, then `examples` is (a query is closed only after its
example is in the log), with all that an operator has taken back of them by then, and only then is the answer
judged. The same is done for the first answers of a
partition that was another replica's, which may have closed what is in hand here. Answers of one batch
are judged as if each were alone: by what those before it have brought about.

Examples go first, tombstones after they are acknowledged: if the service dies in between, the query
is still open, the answer is read again, and the second example is ignored by the fold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from stream_al.engine.labels.join import Outcome, join
from stream_al.engine.labels.judge import judge
from stream_al.engine.labels.lifecycle import Event
from stream_al.engine.samples.sample import flat_features
from stream_al.errors import BadMessage
from stream_al.messages import ClassLabel, Label, decode, encode
from stream_al.service.broker.dead_letters import dead_letter
from stream_al.service.broker.protocols import Ack, Outgoing, Record
from stream_al.service.control import Control
from stream_al.service.loops.consumer import Items, Work
from stream_al.service.loops.pending import PendingQueries
from stream_al.service.loops.select import input_rules
from stream_al.service.model.local_model import LocalModel
from stream_al.service.telemetry.metrics import Metrics
from stream_al.service.telemetry.tracing import OFF, Step, Tracing
from stream_al.settings import Settings

__all__ = ["Intake"]


class Intake:
    """The stage that joins labels with their queries."""

    name = "intake"

    def __init__(
        self,
        settings: Settings,
        local_model: LocalModel,
        pending: PendingQueries,
        control: Control,
        metrics: Metrics,
        tracing: Tracing = OFF,
    ) -> None:
        self.tracing = tracing
        self.settings = settings
        self.local_model = local_model
        self.pending = pending
        self.control = control
        self.metrics = metrics
        self.rules = input_rules(settings)
        self._taken_over = False

    def read(self, records: Sequence[Record]) -> list[Label | BadMessage]:
        """The answers; a BadMessage for what is none."""
        return [self._read(record) for record in records]

    def _read(self, record: Record) -> Label | BadMessage:
        """The answer, its own features (if it brings any) flat and checked."""
        try:
            return self._checked(record)
        except BadMessage as error:
            return error

    def _checked(self, record: Record) -> Label:
        label = decode(Label, record.value, max_bytes=self.settings.input.max_bytes)
        if label.features is None:
            return label
        features = flat_features(label.features, self.rules)
        return Label(label.id, label.label, label.annotator, label.labelled_at, label.skipped, dict(features))

    async def prepare(self, items: Items) -> None:
        """Catch up with the log, unless the query of every answer is in hand."""
        if all(label.id in self.pending for _, label in items) and not self._taken_over:
            return
        await self.pending.catch_up()
        await self.control.catch_up()
        await self.local_model.catch_up()
        self._taken_over = False

    def begin(self) -> _BatchDecision:
        """Begin with a batch."""
        return _BatchDecision(self)

    def encode(self, state: Any) -> str:
        """Nothing: all that intake knows is in the topics."""
        return ""

    def decode(self, partition: int, metadata: str) -> Any:
        """Nothing; but whoever held the partition may have closed queries that are still open here."""
        self._taken_over = True
        return None


@dataclass(slots=True)
class _BatchDecision:
    """What a batch of answers leads to.

    Attributes:
        stage: Who judges.
        learned: The labels of the examples, by id.
        closed: The tombstones, by id.
    """

    stage: Intake
    examples: list[Outgoing] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    letters: list[Outgoing] = field(default_factory=list)
    closed: dict[str, Outgoing] = field(default_factory=dict)
    learned: dict[str, ClassLabel] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)
    delays: list[float] = field(default_factory=list)

    def decide(self, partition: int, items: Items, state: Any) -> Any:
        """Judge every answer against the log as it stood when the answer was read."""
        stage = self.stage
        for record, label in items:
            stage.pending.see_time(record.timestamp_ms)
            try:
                self._judge(record, label)
            except BadMessage as error:
                self.outcomes[error.reason] += 1
                suffix = stage.settings.topics.dead_letter_suffix
                self.letters.append(dead_letter(record, stage.name, error, suffix))
        return state

    def work(self) -> Work:
        """The examples to send, and then the tombstones."""
        tombstones = list(self.closed.values()) if self.stage.settings.queries.tombstones else []
        return Work([[*self.examples, *self.letters], tombstones], lambda acks: self._applied(acks[0]))

    def _judge(self, record: Record, label: Label) -> None:
        stage = self.stage
        topics, key = stage.settings.topics, label.id.encode()
        pending = None if label.id in self.closed else stage.pending.get(label.id)
        known = self.learned.get(label.id, stage.local_model.learner.known.get(label.id))
        joined = join(label, at_ms=record.timestamp_ms, pending=pending, known=known)
        self.outcomes[joined.outcome.value] += 1
        if joined.example is not None:
            trace = stage.pending.trace(label.id)
            step = stage.tracing.step(stage.name, record, topics.examples, label.id, trace)
            self.examples.append(Outgoing(topics.examples, key, encode(joined.example), step.headers))
            self.steps.append(step)
            if judge(known, joined.example.label) is Event.LABEL:
                self.learned[label.id] = joined.example.label
        if joined.closes and stage.pending.is_open(label.id):  # what was never asked for closes nothing
            self.closed[label.id] = Outgoing(topics.queries, key, None)
        if joined.outcome is Outcome.LABELLED and pending is not None:
            self.delays.append(max(0, record.timestamp_ms - pending.queried_ms) / 1000)

    def _applied(self, acks: list[Ack]) -> None:
        metrics, stage = self.stage.metrics, self.stage
        for step, ack in zip(self.steps, acks, strict=False):
            step.done(ack)
        for sample_id in self.closed:
            stage.pending.close(sample_id)
        for outcome, number in self.outcomes.items():
            metrics.labels.labels(outcome).inc(number)
        for delay in self.delays:
            metrics.label_delay.observe(delay)
        if self.letters:
            metrics.dead_letters.labels(stage.name, "unknown_id").inc(len(self.letters))
