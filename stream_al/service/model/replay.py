"""A replay: one learner on its way through the examples.

*Where it begins.* It begins behind the newest sound snapshot that fits the topic. A snapshot fits if the
record just before its offset is there, with the content and the timestamp that the snapshot remembers.
Otherwise:

- The record is not there: the topic was cut or created anew. To continue would forget labels silently, so a
  person has to decide (`StateLost`).
- Other examples counted when the snapshot was made, or another label of one of them: nothing is wrong, and an
  older one is tried. So corrections are looked for first (`service.model.scout`).
- There is no snapshot: it begins at the first record of the topic. If the topic no longer holds the first
  example that counts, a person has to decide (`StateLost`).

`stream-al model rebuild --from-here` is such a decision: it excludes the examples that are gone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog

from stream_al.engine.labels.corrections import Corrections
from stream_al.engine.labels.exclusions import Exclusions
from stream_al.engine.labels.learner import Learner, Outcome
from stream_al.errors import BadMessage, Misconfigured, StateLost
from stream_al.messages import Example, decode
from stream_al.service.broker.protocols import Reader, Record
from stream_al.service.broker.readers import next_record, read_again
from stream_al.service.engine_settings import fresh_learner
from stream_al.service.model.scout import Scout
from stream_al.service.model.snapshots import Anchor, Snapshots
from stream_al.service.telemetry.metrics import Metrics
from stream_al.service.telemetry.problems import Kind, Problems
from stream_al.service.timing.clock import Clock
from stream_al.service.timing.deadline import Deadline
from stream_al.service.timing.time_slices import TimeSlices
from stream_al.settings import Settings

__all__ = ["PARTITION", "Replay"]

log = structlog.get_logger(__name__)

PARTITION = 0  # `examples` has one partition: one order


class Replay:
    """A learner, and the reader that brings its examples.

    Args:
        reader: Reads the topic `examples`; nothing else reads with it meanwhile.
        settings: The settings.
        snapshots: Where it may begin.
        metrics: Where examples that cannot be read, and the time of a fold, are counted.
        problems: Where examples that cannot be read are reported.
        clock: Where the time is read.
        excluded: The examples that do not count.

    Attributes:
        learner: The learner after the examples folded so far.
        anchor: The last record folded; None before the first.
        saved: The offset of the newest snapshot of this learner; 0 without one.
    """

    def __init__(
        self,
        reader: Reader,
        settings: Settings,
        snapshots: Snapshots,
        metrics: Metrics,
        problems: Problems,
        clock: Clock,
        excluded: Exclusions,
    ) -> None:
        self.reader = reader
        self.settings = settings
        self.snapshots = snapshots
        self.metrics = metrics
        self.problems = problems
        self.clock = clock
        self.learner = fresh_learner(settings)
        self.learner.excluded = excluded
        self.anchor: Anchor | None = None
        self.saved = 0
        self._time_slices = TimeSlices(clock)
        self._max_bytes = settings.input.max_message_bytes

    async def begin(
        self, *, exclusions_known: bool = True, on_read: Callable[[], None] = lambda: None
    ) -> int:
        """Load the newest snapshot that fits, and let the reader continue behind it.

        Args:
            exclusions_known: Whether a record says which examples are excluded, or that none is.
            on_read: Called while the examples are searched for corrections.

        Returns:
            The end of the topic.

        Raises:
            Misconfigured: The topic has more than one partition.
            StateLost: The topic does not hold the record that the snapshot ends with; or there is no
                snapshot, and the topic does not hold the first example that counts.
        """
        begins = await self.reader.beginning_offsets()
        self._check_order(len(begins))
        begin = begins[PARTITION]
        end = (await self.reader.end_offsets())[PARTITION]
        excluded, topic = self.learner.excluded, self.reader.topic
        if excluded.end > end:
            raise StateLost(
                f"the topic {topic} holds {end} examples, and those before {excluded.end} are excluded: "
                "it was created anew; run `stream-al model rebuild` for every replica, then all of them "
                "count"
            )
        scout = Scout(self.reader, PARTITION, excluded, self._max_bytes, self._time_slices, on_read)
        found: Corrections | None = None
        async for learner, anchor in self.snapshots.load(self.learner.fingerprint):
            if not learner.is_consistent_with(excluded):
                self._refuse_if_forgotten(learner, exclusions_known=exclusions_known)
                log.info("snapshot skipped", offset=learner.offset, why="other examples counted then")
                continue
            await self._check_anchor(learner, anchor, begin, end)
            learner.known.remember = self.settings.labels.remember
            learner.trust.last.bound(self.settings.desk.labelled_bytes)
            if found is None:
                found = await scout.corrections(learner.ledger, learner.offset, end)
            if not learner.is_corrected_by(found):
                log.info("snapshot skipped", offset=learner.offset, why="labels were corrected since")
                continue
            self.learner, self.anchor, self.saved = learner, anchor, learner.offset
            await self.reader.seek(PARTITION, learner.offset)
            break
        else:
            found = await self._begin_at(begin, end, scout, found)
        self.learner.excluded = excluded
        self.learner.correct(found)
        return end

    async def check_order(self) -> None:
        """Look whether there is one order of the examples still. Raises Misconfigured, Unavailable."""
        self._check_order(len(await self.reader.beginning_offsets()))

    def _check_order(self, partitions: int) -> None:
        if partitions > 1:
            raise Misconfigured(
                f"topics.examples: {self.reader.topic} has {partitions} partitions, and replicas learn in "
                "the order of one: create a topic with one partition, and copy the examples there"
            )

    async def step(
        self,
        timeout_seconds: float,
        max_records: int,
        on_example: Callable[[Example, Outcome], None] = lambda example, outcome: None,
    ) -> Sequence[Record]:
        """Fold what the next poll brings; return the records.

        If it is cancelled, what it has not folded is read again.

        Args:
            timeout_seconds: Longest wait for records.
            max_records: Most records to fold.
            on_example: Called with every example, excluded or not, and what became of it.

        Raises:
            Misconfigured: The topic has got another partition meanwhile.
        """
        records = await self.reader.poll(max_records, timeout_seconds)
        self._check_order(1 + max((record.partition for record in records), default=PARTITION))
        began = self.clock.monotonic()
        try:
            async for record in self._time_slices.one_by_one(records):
                if record.offset >= self.learner.offset:
                    self._fold(record, on_example)
                if record.next_offset == self.learner.offset:
                    self.anchor = Anchor.of(record)
        except BaseException:
            await read_again(self.reader, [one for one in records if one.offset >= self.learner.offset])
            raise
        if records:
            self.metrics.update_seconds.observe(self.clock.monotonic() - began)
        return records

    def _fold(self, record: Record, on_example: Callable[[Example, Outcome], None]) -> None:
        try:
            example = decode(Example, record.value, max_bytes=self._max_bytes)
        except BadMessage as error:
            where = f"record {record.offset} of {record.topic} is no example, and is passed over"
            self.problems.report(Kind.SKIPPED, error.reason, f"{where}: {error}")
            self.metrics.dead_letters.labels("learn", error.reason).inc()
            self.learner.skip(record.offset)
            return
        on_example(example, self.learner.fold(example, record.offset))

    async def _begin_at(self, begin: int, end: int, scout: Scout, found: Corrections | None) -> Corrections:
        """Begin with the first record of the topic, if no example before it counts; return corrections."""
        if not self.learner.excluded.covers(0, begin):
            raise StateLost(
                f"the topic {self.reader.topic} begins at offset {begin} and no snapshot covers the "
                "examples before it; restore a snapshot, or continue without them on all replicas: run "
                "`stream-al model rebuild --from-here`"
            )
        ours = self.learner  # an earlier attempt that failed may have come further
        if found is None:
            found = await scout.corrections(ours.ledger, max(begin, ours.offset), end)
        if not ours.is_corrected_by(found):
            self.learner, self.anchor = fresh_learner(self.settings), None
        if begin > self.learner.offset:
            self.learner.skip(begin - 1)
            self.anchor = Anchor.before(begin)
        await self.reader.seek(PARTITION, begin)
        return found

    def _refuse_if_forgotten(self, learner: Learner, *, exclusions_known: bool) -> None:
        """Refuse to count examples again, without a word, that an operator has excluded."""
        if not exclusions_known:
            ranges = ", ".join(f"{begin} to {end}" for begin, end in learner.excluded.ranges)
            raise StateLost(
                f"the newest snapshot was made without the examples {ranges}, and the topic "
                f"{self.settings.topics.control} no longer says so: it was deleted or created anew; run "
                "`stream-al model rebuild` for every replica, then all of them count until you roll back "
                "again"
            )

    async def _check_anchor(self, learner: Learner, anchor: Anchor, begin: int, end: int) -> None:
        """Refuse a sound snapshot whose last example is not where it should be in the topic."""
        offset, topic = learner.offset, self.reader.topic
        known = anchor != Anchor.before(offset)
        if not begin <= offset - known <= offset <= end:
            raise StateLost(
                f"the newest snapshot ends before offset {offset}, the topic {topic} holds {begin} to {end}: "
                "it was cut or created anew; restore the topic, or run `stream-al model rebuild` for every "
                "replica (`--from-here` if its beginning is gone for good)"
            )
        if not known:
            await self.reader.seek(PARTITION, offset)
            return
        await self.reader.seek(PARTITION, offset - 1)
        deadline = Deadline(self.settings.limits.deadline_seconds, self.clock)
        before = await next_record(self.reader, deadline, f"{topic} at {offset - 1}")
        if Anchor.of(before) != anchor:
            raise StateLost(
                f"example {offset - 1} of the topic {topic} is not the one that the newest snapshot ends "
                "with: the topic was created anew, or the snapshots belong to another application; point "
                "snapshots.directory elsewhere, or run `stream-al model rebuild` for every replica"
            )
        await self.reader.seek(PARTITION, offset)
