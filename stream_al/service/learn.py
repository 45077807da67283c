"""Learn: examples in, the model on.

Every replica folds all of the topic `examples`, in its one order; the fold itself is `engine.learner`.
A snapshot saves the fold with its offset, so that a start need not begin at the first example.

*Restoring.* The newest sound snapshot must fit the log: the record just before its offset must be there,
with the content and timestamp that the snapshot remembers. Otherwise the topic was cut or created anew, and
going on would silently forget labels: a person has to decide (`StateLost`). So too where there is no
snapshot and the log no longer holds the first example.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from time import monotonic

import structlog

from stream_al.engine.learner import Learner, Outcome
from stream_al.engine.model import Model
from stream_al.engine.strategies import strategy
from stream_al.errors import BadMessage, StateLost, Unavailable
from stream_al.messages import Example, ModelStamp, decode
from stream_al.service.deadline import Deadline
from stream_al.service.log import Reader, Record, behind
from stream_al.service.metrics import Metrics
from stream_al.service.snapshots import Anchor, Snapshots
from stream_al.service.tracing import OFF, Tracing
from stream_al.settings import Settings

__all__ = ["Learning", "fresh_learner"]

log = structlog.get_logger(__name__)

PARTITION = 0  # `examples` has one partition: one order


def fresh_learner(settings: Settings) -> Learner:
    """The fold before the first example."""
    given = settings.model
    model = strategy(settings.strategy).model(
        given.definition, seed=settings.seed, max_classes=given.max_classes, committee=given.committee
    )
    return Learner(model, remember=settings.labels.remember)


class Learning:
    """The model of this replica, and the loop that keeps it up to date.

    Args:
        reader: Reads the topic `examples`.
        snapshots: Where to restore from and save to.
        folded: Called with the id of every example that was folded.
    """

    def __init__(
        self,
        reader: Reader,
        settings: Settings,
        snapshots: Snapshots,
        metrics: Metrics,
        folded: Callable[[str], None] = lambda sample_id: None,
        tracing: Tracing = OFF,
    ) -> None:
        self.tracing = tracing
        self.reader = reader
        self.settings = settings
        self.snapshots = snapshots
        self.metrics = metrics
        self.folded = folded
        self.learner = fresh_learner(settings)
        self.anchor: Anchor | None = None
        self.restored = False
        self.set_out()
        self._one_reader = asyncio.Lock()  # the loop and intake both read on; order must not suffer
        # An example repeats a query's features and adds the label.
        self._max_bytes = 2 * settings.input.max_bytes + 100_000
        self._saved_offset = 0
        self._saved_at = monotonic()

    def set_out(self) -> None:
        """From here on progress is expected."""
        self.progress = monotonic()

    @property
    def model(self) -> Model:
        """The model as it stands."""
        return self.learner.model

    def stamp(self) -> ModelStamp:
        """Which model speaks now."""
        return ModelStamp(self.settings.model.name, self.model.fingerprint[:12], self.model.examples)

    async def restore(
        self, progress: Callable[[int, int], None] = lambda done, end: None, *, from_here: bool = False
    ) -> None:
        """Load the newest snapshot that fits the log, then fold to the end of the log.

        Args:
            progress: Called with the offset reached and the end.
            from_here: Do without the examples that the log no longer holds.

        Raises:
            StateLost: The log does not hold what the snapshot ends with, or, without one, the first example.
        """
        begin, end = (await self.reader.begin())[PARTITION], (await self.reader.end())[PARTITION]
        async for learner, anchor in self.snapshots.load(self.model.fingerprint):
            await self._check_anchor(learner, anchor, begin, end)
            self.learner, self.anchor = learner, anchor
            self._saved_offset = learner.offset
            break
        else:
            if begin > 0 and not from_here:
                raise StateLost(
                    f"the topic {self.reader.topic} begins at offset {begin} and no snapshot covers the "
                    "examples before it; restore a snapshot, or go on without them on every replica: run "
                    "`stream-al model rebuild --from-here` for each"
                )
            if begin > 0:
                self.learner.skip(begin - 1)
                self.anchor = Anchor.before(begin)
            await self.reader.seek(PARTITION, begin)
        self.learner.remember = self.settings.labels.remember
        while self.learner.offset < end:
            await self.step(1.0)
            progress(self.learner.offset, end)
        self.restored = True

    async def catch_up(self) -> None:
        """Fold to what is the end of the topic now."""
        end = await self.reader.end()
        while await behind(self.reader, end):
            await self.step(0.1)

    async def step(self, timeout_seconds: float) -> int:
        """Fold what the next poll brings; the number of records."""
        self.progress = monotonic()
        async with self._one_reader:
            records = await self.reader.poll(self.settings.limits.batch_records, timeout_seconds)
            self.progress = monotonic()
            if not records:
                return 0
            outcomes: Counter[Outcome] = Counter()
            drifts = self.learner.drift.found
            for record in records:
                self._fold(record, outcomes)
            self.anchor = Anchor.of(records[-1])
        self._count(outcomes, monotonic() - self.progress)
        if self.restored:  # what a start replays was traced when it happened
            self.tracing.learned(records, monotonic() - self.progress)
        self._tell_drift(self.learner.drift.found - drifts)
        return len(records)

    def due(self) -> bool:
        """Whether it is time for a snapshot."""
        limits, new = self.settings.snapshots, self.learner.offset - self._saved_offset
        waited = monotonic() - self._saved_at
        return new >= limits.every_examples or (new > 0 and waited >= limits.every_seconds)

    async def save(self) -> None:
        """Write a snapshot; a store that fails costs the snapshot and nothing else."""
        if self.anchor is None or self.learner.offset == self._saved_offset:
            return
        offset = self.learner.offset
        try:
            await self.snapshots.save(self.learner, self.anchor)
        except Unavailable as error:
            self.metrics.snapshots.labels("failed").inc()
            log.warning("snapshot failed", why=str(error))
        else:
            self.metrics.snapshots.labels("written").inc()
            self._saved_offset = offset
        self._saved_at = monotonic()

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

    def _fold(self, record: Record, outcomes: Counter[Outcome]) -> None:
        if record.offset < self.learner.offset:
            return
        try:
            example = decode(Example, record.value, max_bytes=self._max_bytes)
        except BadMessage as error:
            log.warning("example passed over", offset=record.offset, why=str(error))
            self.metrics.dead_letters.labels("learn", error.reason).inc()
            self.learner.skip(record.offset)
            return
        outcomes[self.learner.fold(example, record.offset)] += 1
        self.folded(example.id)

    def _tell_drift(self, found: int) -> None:
        last = self.learner.drift.last
        if last is not None:
            self.metrics.drift_example.set(last + 1)
        if found and self.restored:  # what a start replays was told when it happened
            self.metrics.drift.inc(found)
            log.warning("drift: the model errs more than before", example=last)

    def _count(self, outcomes: Counter[Outcome], seconds: float) -> None:
        metrics = self.metrics
        for outcome, number in outcomes.items():
            metrics.examples.labels(outcome.value).inc(number)
        metrics.update_seconds.observe(seconds)
        metrics.model_examples.set(self.model.examples)
        metrics.model_classes.set(len(self.model.classes))
        for span, accuracy in (("all", self.learner.overall), ("recent", self.learner.recent)):
            if estimate := accuracy.estimate():
                metrics.accuracy.labels(span, "estimate").set(estimate.accuracy)
                metrics.accuracy.labels(span, "low").set(estimate.low)
                metrics.accuracy.labels(span, "high").set(estimate.high)
