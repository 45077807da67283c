"""Intake: labels in, examples out.

This stage is thin. `engine.labels.join` judges what a label means. The stage makes sure that the judgement
sees everything that was in the log before the label.

*Catching up.* A label may arrive before this replica has read its query. So a label without a pending query
waits until the replica has read, up to their ends of now,

    1. `queries`
    2. `control`, for the examples that an operator has excluded by now
    3. `examples`: a query is closed only after its example is in the log

and only then is it judged. The first labels of a partition that another replica has held wait in the same
way, because that replica may have closed queries that are still open here.

*One batch.* The labels of a batch are judged as if each were alone: by what those before it have led to.

*What becomes of a label* (`engine.labels.join.Outcome`), and where it shows beside the metric by outcome:

    labelled      an example: the model learns or refuses it (`service.model.local_model` reports that)
    unsolicited   an example without a query; it says nothing about the stream
    second        an example that is recorded and not learned: it tells about labels and annotators
    skipped       nothing: the annotator gives no label, and the query is closed; counted by reason
    duplicate     nothing: the sample has this label
    expired       a problem `too_late`: the label was given, and is not learned
    conflict      a problem `conflict`: the sample has another label, which counts
    unknown_id, unknown_version, ambiguous_id, same_annotator    a dead letter, and so a problem

*Order.* Examples are sent first, tombstones after the examples are acknowledged. If the service dies in
between, the query is still open, the label is read again, and the fold ignores the second example.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from stream_al.engine.labels.join import Joined, Known, Outcome, Pending, addressed, join
from stream_al.engine.labels.skips import SkipReasons
from stream_al.engine.samples.sample import flat_features
from stream_al.errors import BadMessage, NoSample
from stream_al.messages import Example, Label, decode, encode
from stream_al.service.broker.dead_letters import dead_letter, report_dead_letter
from stream_al.service.broker.protocols import Ack, Outgoing, Record
from stream_al.service.control import Control
from stream_al.service.engine_settings import allowed_classes, input_rules, wanted
from stream_al.service.loops.pending import PendingQueries
from stream_al.service.loops.stage import Items, Work
from stream_al.service.loops.taken_ids import TakenIds
from stream_al.service.model.local_model import LocalModel
from stream_al.service.telemetry.metrics import Metrics
from stream_al.service.telemetry.problems import Kind, Problems
from stream_al.service.telemetry.tracing import OFF, Step, Tracing
from stream_al.settings import Settings

__all__ = ["Intake"]


class Intake:
    """The stage that joins labels with their queries.

    Args:
        settings: The settings.
        local_model: Knows the labels learned so far.
        pending: The queries that wait; labelled ones are closed.
        control: Knows which examples are excluded.
        metrics: Where labels are counted.
        problems: Where labels that are lost are reported.
        tracing: Traces the way from a label to its example.

    Attributes:
        skips: The skips that this process has read, by reason.
    """

    name = "intake"

    def __init__(
        self,
        settings: Settings,
        local_model: LocalModel,
        pending: PendingQueries,
        control: Control,
        metrics: Metrics,
        problems: Problems,
        tracing: Tracing = OFF,
    ) -> None:
        self.settings = settings
        self.local_model = local_model
        self.pending = pending
        self.control = control
        self.metrics = metrics
        self.problems = problems
        self.tracing = tracing
        self.rules = input_rules(settings)
        self.allowed = allowed_classes(settings)
        self._again = wanted(settings).extra > 0
        self.skips = SkipReasons()
        self._has_new_partition = False

    def read(self, records: Sequence[Record]) -> list[Label | BadMessage]:
        """The labels; a BadMessage for a record that cannot be used."""
        return [self._read(record) for record in records]

    def _read(self, record: Record) -> Label | BadMessage:
        """The label; its own features, if it brings any, are flattened and checked."""
        if record.value is None:
            return NoSample("tombstone", "the record has no value")
        try:
            label = decode(Label, record.value, max_bytes=self.settings.input.max_bytes)
            if label.features is None:
                return label
            features = dict(flat_features(label.features, self.rules))
        except BadMessage as error:
            return error.kept()
        return msgspec.structs.replace(label, features=features)

    async def take_over(self) -> None:
        """Nothing before the first labels are known; `prepare` catches up."""

    def size(self, record: Record) -> int:
        """Its bytes."""
        return len(record.value or b"")

    async def prepare(self, items: Items) -> None:
        """Catch up with the log, unless the query of every label is pending here."""
        if all(label.id in self.pending for _, label in items) and not self._has_new_partition:
            return
        await self.pending.catch_up()
        await self.control.catch_up()
        await self.local_model.catch_up()
        self._has_new_partition = False

    def begin(self) -> _BatchDecision:
        """Begin with a batch."""
        return _BatchDecision(self, TakenIds(self.local_model, self.pending))

    def kept(self, joined: Joined, pending: Pending | None) -> Example | None:
        """The example to send: with the payload of its query if others may be asked about the sample."""
        example = joined.example
        if example is None or pending is None or joined.outcome is not Outcome.LABELLED or not self._again:
            return example
        return msgspec.structs.replace(example, payload=pending.query.payload)

    def dead_letter(self, record: Record, error: BadMessage) -> Outgoing:
        """The dead letter for a record that cannot be used."""
        return dead_letter(record, self.name, error, self.settings.topics.dead_letter_suffix)

    def encode(self, state: Any) -> str:
        """Nothing: the topics hold all that intake knows."""
        return ""

    def decode(self, partition: int, metadata: str) -> Any:
        """Nothing; but its last owner may have closed queries that are still open here."""
        self._has_new_partition = True
        return None


@dataclass(slots=True)
class _BatchDecision:
    """What a batch of labels leads to.

    Attributes:
        stage: The stage that judges.
        taken: What is known of ids, by the log and by the labels of this batch.
        examples: The examples to send.
        steps: The traced step from each label to its example.
        letters: The dead letters.
        unusable: The records that they are for, each with its error.
        lost: For each label why it is lost; empty if it is not.
        reports: The labels that are lost without a dead letter: reason, message and id of each.
        closed: The tombstones, by id.
        outcomes: How many labels had each outcome.
        delays: Seconds from a query to its label.
        skips: The reason of each skip.
    """

    stage: Intake
    taken: TakenIds
    examples: list[Outgoing] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    letters: list[Outgoing] = field(default_factory=list)
    unusable: list[tuple[Record, BadMessage]] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    reports: list[tuple[str, str, str]] = field(default_factory=list)
    closed: dict[str, Outgoing] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)
    delays: list[float] = field(default_factory=list)
    skips: list[str | None] = field(default_factory=list)

    def decide(self, partition: int, items: Items, state: Any) -> Any:
        """Judge every label by the log as it was when the label was read."""
        stage = self.stage
        for record, label in items:
            at_ms = stage.pending.time.see(record)
            try:
                self.lost.append(self._judge(record, label, at_ms))
            except BadMessage as error:
                self.outcomes[error.reason] += 1
                self.letters.append(stage.dead_letter(record, error))
                self.unusable.append((record, error.kept()))
                self.lost.append(str(error))
        return state

    def work(self) -> Work:
        """The examples to send, and then the tombstones."""
        tombstones = list(self.closed.values()) if self.stage.settings.queries.tombstones else []
        sends = [[*self.examples, *self.letters], tombstones]
        return Work(sends, lambda acks: self._applied(acks[0]), self.lost)

    def _judge(self, record: Record, label: Label, at_ms: int) -> str:
        """Judge a label at the time that counts for it; return why it is lost, if it is."""
        stage = self.stage
        label, version = addressed(label, self.taken.version)
        topics, key = stage.settings.topics, label.id.encode()
        if label.label is not None:  # a class that is not allowed is refused before it can close the query
            label = msgspec.structs.replace(label, label=stage.allowed.named_by(label.label))
        pending = None if label.id in self.closed else stage.pending.get(label.id)
        known = self.taken.known(label.id)
        shared = label.id in stage.pending.shared
        joined = join(label, at_ms=at_ms, pending=pending, known=known, version=version, shared=shared)
        self.outcomes[joined.outcome.value] += 1
        if joined.example is not None:
            trace = stage.pending.trace(label.id)
            step = stage.tracing.step(stage.name, record, topics.examples, label.id, trace)
            self.examples.append(
                Outgoing(topics.examples, key, encode(stage.kept(joined, pending)), step.headers)
            )
            self.steps.append(step)
            self.taken.note(joined.example)
        if joined.closes and stage.pending.is_open(label.id):  # a label that nobody asked for closes nothing
            self.closed[label.id] = stage.pending.tombstone(label.id)
        delay = max(0, at_ms - pending.queried_ms) / 1000 if pending is not None else 0.0
        if joined.outcome in (Outcome.LABELLED, Outcome.SECOND):
            self.delays.append(delay)
        elif joined.outcome is Outcome.SKIPPED:
            self.skips.append(label.skip_reason)
        return self._report(label, joined.outcome, delay, known)

    def _report(self, label: Label, outcome: Outcome, delay: float, known: Known | None) -> str:
        """Report a label that is lost; return why. A conflict costs a label, but none that was missing."""
        if outcome is Outcome.CONFLICT:
            given = f"another one came: {label.label!r:.100}"
            why = f"the sample has the label {known.label if known else None!r:.100}, which counts; {given}"
            self.reports.append((outcome.value, why, label.id))
        if outcome is Outcome.EXPIRED and not label.skipped:
            why = (
                f"a label came {delay / 3600:.1f} hours after its query, whose life was over: raise "
                "queries.life_hours, or label the oldest queries first"
            )
            self.reports.append(("too_late", why, label.id))
            return why
        return ""

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
        for skip in self.skips:
            metrics.skips.labels(stage.skips.count(skip)).inc()
        for record, error in self.unusable:
            metrics.dead_letters.labels(stage.name, error.reason).inc()
            report_dead_letter(stage.problems, record, error)
        for reason, why, sample_id in self.reports:
            stage.problems.report(Kind.LABEL_REFUSED, reason, why, sample=sample_id)
