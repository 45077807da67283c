"""Fold: one learner on its way along the log of examples.

*Where it begins.* The newest sound snapshot must fit the log: the record just before its offset must be
there, with the content and timestamp that the snapshot remembers. Otherwise the topic was cut or created
anew, and going on would silently forget labels: a person has to decide (`StateLost`). So too where there is
no snapshot and the log no longer holds the first example, unless a person has decided already: what is gone
is voided then. A snapshot made while other examples counted is no fit either, yet nothing is wrong: it is
passed over for an older one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from time import monotonic

import structlog

from stream_al.engine.labels.exclusions import Exclusions
from stream_al.engine.labels.judge import KnownLabels
from stream_al.engine.labels.learner import Learner, Outcome
from stream_al.engine.strategies import strategy
from stream_al.errors import BadMessage, StateLost, Unavailable
from stream_al.messages import Example, decode
from stream_al.service.broker.protocols import Reader, Record
from stream_al.service.model.snapshots import Anchor, Snapshots
from stream_al.service.telemetry.metrics import Metrics
from stream_al.service.timing.deadline import Deadline
from stream_al.service.timing.time_slices import TimeSlices
from stream_al.settings import Settings

__all__ = ["PARTITION", "Replay", "fresh_learner"]

log = structlog.get_logger(__name__)

PARTITION = 0  # `examples` has one partition: one order


def fresh_learner(settings: Settings) -> Learner:
    """The fold before the first example."""
    given = settings.model
    model = strategy(settings.strategy).model(
        given.definition, seed=settings.seed, max_classes=given.max_classes, committee=given.committee
    )
    return Learner(model, KnownLabels(settings.labels.remember))


class Replay:
    """A learner, and the reader that brings its examples.

    Args:
        reader: Reads the topic `examples`; nobody else reads with it meanwhile.
        excluded: The examples that count no more.

    Attributes:
        learner: The state.
        anchor: The last record that it has passed; None before the first.
        saved: The offset of the snapshot that it began with; 0 without one.
    """

    def __init__(
        self, reader: Reader, settings: Settings, snapshots: Snapshots, metrics: Metrics, excluded: Exclusions
    ) -> None:
        self.reader = reader
        self.settings = settings
        self.snapshots = snapshots
        self.metrics = metrics
        self.learner = fresh_learner(settings)
        self.learner.excluded = excluded
        self.anchor: Anchor | None = None
        self.saved = 0
        self._time_slices = TimeSlices()
        # An example repeats a query's features and adds the label.
        self._max_bytes = 2 * settings.input.max_bytes + 100_000

    async def begin(self, *, recorded: bool = True) -> int:
        """Load the newest snapshot that fits, and have the reader go on behind it.

        Args:
            recorded: Whether it is on record which examples are voided, if only that none is.

        Returns:
            The end of the topic.

        Raises:
            StateLost: The log does not hold what the snapshot ends with, or, without one, the first example
                that counts.
        """
        begin, end = (await self.reader.begin())[PARTITION], (await self.reader.end())[PARTITION]
        excluded, topic = self.learner.excluded, self.reader.topic
        if excluded.end > end:
            raise StateLost(
                f"examples up to offset {excluded.end} of the topic {topic} are voided, and it holds {end}: "
                "it was created anew; run `stream-al model rebuild` for every replica, and all of it counts"
            )
        async for learner, anchor in self.snapshots.load(self.learner.model.fingerprint):
            if not learner.is_consistent_with(excluded):
                self._refuse_if_lost(learner, recorded=recorded)
                log.info("snapshot passed over", offset=learner.offset, why="other examples counted then")
                continue
            await self._check_anchor(learner, anchor, begin, end)
            self.learner, self.anchor, self.saved = learner, anchor, learner.offset
            break
        else:
            await self._begin_at(begin)
        self.learner.excluded, self.learner.known.remember = excluded, self.settings.labels.remember
        return end

    async def step(
        self, timeout_seconds: float, most: int, folded: Callable[[str], None] = lambda sample_id: None
    ) -> tuple[Sequence[Record], Counter[Outcome]]:
        """Fold what the next poll brings; the records, and what became of them.

        Args:
            timeout_seconds: Longest wait for records.
            most: How many records to fold at most.
            folded: Called with the id of every example, voided or not.
        """
        outcomes: Counter[Outcome] = Counter()
        records = await self.reader.poll(most, timeout_seconds)
        began = monotonic()
        for chunk in self._time_slices.cut(records):
            with self._time_slices.working():
                for record in chunk:
                    if record.offset >= self.learner.offset:
                        self._fold(record, outcomes, folded)
                if chunk[-1].offset + 1 == self.learner.offset:
                    self.anchor = Anchor.of(chunk[-1])
            await self._time_slices.over()
        if records:
            self._time_slices.fit()
            self.metrics.update_seconds.observe(monotonic() - began)
        return records, outcomes

    def _fold(self, record: Record, outcomes: Counter[Outcome], folded: Callable[[str], None]) -> None:
        try:
            example = decode(Example, record.value, max_bytes=self._max_bytes)
        except BadMessage as error:
            log.warning("example passed over", offset=record.offset, why=str(error))
            self.metrics.dead_letters.labels("learn", error.reason).inc()
            self.learner.skip(record.offset)
            return
        outcomes[self.learner.fold(example, record.offset)] += 1
        folded(example.id)

    async def _begin_at(self, begin: int) -> None:
        """Begin with the first record of the log, if nothing before it counts."""
        if not self.learner.excluded.covers(0, begin):
            raise StateLost(
                f"the topic {self.reader.topic} begins at offset {begin} and no snapshot covers the "
                "examples before it; restore a snapshot, or go on without them on all replicas: run "
                "`stream-al model rebuild --from-here`"
            )
        if begin > self.learner.offset:  # which an attempt that failed half way may have left behind it
            self.learner.skip(begin - 1)
            self.anchor = Anchor.before(begin)
        await self.reader.seek(PARTITION, begin)

    def _refuse_if_lost(self, learner: Learner, *, recorded: bool) -> None:
        """Refuse to count again, without a word, what an operator once took back."""
        if not recorded:
            ranges = ", ".join(f"{begin} to {end}" for begin, end in learner.excluded.ranges)
            raise StateLost(
                f"the newest snapshot was made without the examples {ranges}, and the topic "
                f"{self.settings.topics.control} no longer says so: it was deleted or created anew; run "
                "`stream-al model rebuild` for every replica, and all of them count until you roll back again"
            )

    async def _check_anchor(self, learner: Learner, anchor: Anchor, begin: int, end: int) -> None:
        """Refuse a sound snapshot whose last example the log does not hold where it should."""
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
        records: list[Record] = []
        deadline = Deadline(self.settings.limits.deadline_seconds)
        while not records:
            if not deadline.left:
                raise Unavailable(f"reading {topic} at {offset - 1} took too long")
            records = await self.reader.poll(1, 1.0)
        if Anchor.of(records[0]) != anchor:
            raise StateLost(
                f"example {offset - 1} of the topic {topic} is not the one the newest snapshot ends with: "
                "the topic was created anew, or the snapshots are another application's; point "
                "snapshots.directory elsewhere, or run `stream-al model rebuild` for every replica"
            )
        await self.reader.seek(PARTITION, offset)
