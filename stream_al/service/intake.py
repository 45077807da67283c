"""Intake: labels in, examples out.

Thin: what an answer means is judged by `engine.joiner`. What is left here is to make sure that the
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

from stream_al.engine.joiner import Outcome, join
from stream_al.engine.model import Label as LabelValue
from stream_al.engine.sample import flat_features
from stream_al.errors import BadMessage
from stream_al.messages import Label, decode, encode
from stream_al.service.consume import Work
from stream_al.service.control import Control
from stream_al.service.dead_letters import dead_letter
from stream_al.service.learn import Learning
from stream_al.service.log import Ack, Outgoing, Record
from stream_al.service.metrics import Metrics
from stream_al.service.pending import PendingQueries
from stream_al.service.select import input_rules
from stream_al.service.tracing import OFF, Step, Tracing
from stream_al.settings import Settings

__all__ = ["Intake"]


@dataclass(slots=True)
class _Sends:
    """What a batch of answers leads to."""

    examples: list[Outgoing] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    letters: list[Outgoing] = field(default_factory=list)
    closed: dict[str, Outgoing] = field(default_factory=dict)
    learned: dict[str, LabelValue] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)
    delays: list[float] = field(default_factory=list)


class Intake:
    """The stage that joins labels with their queries."""

    name = "intake"

    def __init__(
        self,
        settings: Settings,
        learning: Learning,
        pending: PendingQueries,
        control: Control,
        metrics: Metrics,
        tracing: Tracing = OFF,
    ) -> None:
        self.tracing = tracing
        self.settings = settings
        self.learning = learning
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

    async def prepare(self, items: dict[int, list[tuple[Record, Label]]]) -> None:
        """Catch up with the log, unless the query of every answer is in hand."""
        in_hand = all(label.id in self.pending for read in items.values() for _, label in read)
        if in_hand and not self._taken_over:
            return
        await self.pending.catch_up()
        await self.control.catch_up()
        await self.learning.catch_up()
        self._taken_over = False

    def decide(self, items: dict[int, list[tuple[Record, Label]]], states: dict[int, Any]) -> Work:
        """Judge every answer against the log as it stood when the answer was read."""
        sends = _Sends()
        for record, label in (answer for read in items.values() for answer in read):
            self.pending.see_time(record.timestamp_ms)
            try:
                self._judge(record, label, sends)
            except BadMessage as error:
                sends.outcomes[error.reason] += 1
                suffix = self.settings.topics.dead_letter_suffix
                sends.letters.append(dead_letter(record, self.name, error, suffix))
        tombstones = list(sends.closed.values()) if self.settings.queries.tombstones else []
        return Work(
            [[*sends.examples, *sends.letters], tombstones],
            dict(states),
            lambda acks: self._applied(sends, acks[0]),
        )

    def _judge(self, record: Record, label: Label, sends: _Sends) -> None:
        topics, key = self.settings.topics, label.id.encode()
        pending = None if label.id in sends.closed else self.pending.get(label.id)
        known = sends.learned.get(label.id, self.learning.learner.known.get(label.id))
        joined = join(label, at_ms=record.timestamp_ms, pending=pending, known=known)
        sends.outcomes[joined.outcome.value] += 1
        if joined.example is not None:
            trace = self.pending.trace(label.id)
            step = self.tracing.step(self.name, record, topics.examples, label.id, trace)
            sends.examples.append(Outgoing(topics.examples, key, encode(joined.example), step.headers))
            sends.steps.append(step)
            sends.learned.setdefault(label.id, joined.example.label)
        if joined.closes and self.pending.stands(label.id):  # a label that was never asked for closes nothing
            sends.closed[label.id] = Outgoing(topics.queries, key, None)
        if joined.outcome is Outcome.LABELLED and pending is not None:
            sends.delays.append(max(0, record.timestamp_ms - pending.queried_ms) / 1000)

    def _applied(self, sends: _Sends, acks: list[Ack]) -> None:
        for step, ack in zip(sends.steps, acks, strict=False):
            step.done(ack)
        for sample_id in sends.closed:
            self.pending.close(sample_id)
        for outcome, number in sends.outcomes.items():
            self.metrics.labels.labels(outcome).inc(number)
        for delay in sends.delays:
            self.metrics.label_delay.observe(delay)
        if sends.letters:
            self.metrics.dead_letters.labels(self.name, "unknown_id").inc(len(sends.letters))

    def encode(self, state: Any) -> str:
        """Nothing: all that intake knows is in the topics."""
        return ""

    def decode(self, partition: int, metadata: str) -> Any:
        """Nothing; but whoever held the partition may have closed queries that are still open here."""
        self._taken_over = True
        return None
