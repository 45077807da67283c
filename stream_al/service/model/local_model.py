"""Learn: examples in, the model on.

Every replica folds all of the topic `examples`, in its one order; the fold itself is `engine.labels.learner`,
its way along the log `service.model.replay`. A snapshot saves it with its offset, so that a start need not
begin at the first example.

*Another set of examples.* When an operator voids examples that are folded already, or has voided ones count
again, the model has to be folded anew. That is done aside, with a reader of its own; the one that stands goes
on serving and learning. When the new one has come as far as the old one, it takes its place, at once and for
everybody. Only an answer whose query is not in hand waits for that: what is known of its id may change.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

import structlog

from stream_al.engine.labels.exclusions import Exclusions
from stream_al.engine.labels.learner import Learner, Outcome
from stream_al.engine.model.model import Model
from stream_al.errors import Misconfigured, Unavailable
from stream_al.messages import ModelStamp
from stream_al.service.broker.protocols import Reader, is_behind
from stream_al.service.model.replay import PARTITION, Replay
from stream_al.service.model.snapshots import Snapshots
from stream_al.service.telemetry.metrics import Metrics
from stream_al.service.telemetry.tracing import OFF, Tracing
from stream_al.service.timing.clock import Clock
from stream_al.service.timing.watchdog import Progress
from stream_al.settings import Settings

__all__ = ["LocalModel"]

log = structlog.get_logger(__name__)

READER_STOP_SECONDS = 1.0
AT_ONCE = 500  # examples between two signs of life, however slow the model is


class LocalModel:
    """The model of this replica, and the loops that keep it up to date.

    Args:
        open_reader: Makes a reader of the topic `examples`, not started yet.
        snapshots: Where to restore from and save to.
        on_example: Called with the id of every example that was folded.

    Attributes:
        excluded: The examples that count no more; the model may still be on its way there.
        progress: What the watchdog knows of the loop.
        progress_aside: What it knows of the model that is built aside.
    """

    def __init__(
        self,
        open_reader: Callable[[], Reader],
        settings: Settings,
        snapshots: Snapshots,
        metrics: Metrics,
        clock: Clock,
        on_example: Callable[[str], None] = lambda sample_id: None,
        tracing: Tracing = OFF,
    ) -> None:
        self.open_reader = open_reader
        self.reader = open_reader()
        self.tracing = tracing
        self.settings = settings
        self.snapshots = snapshots
        self.metrics = metrics
        self.clock = clock
        self.on_example = on_example
        self.excluded = Exclusions()
        self.restored = False
        self._at_once = min(AT_ONCE, settings.limits.batch_records)
        self._recorded = False
        self._replay = self._fresh(self.reader)
        self.progress = Progress()
        self.progress_aside = Progress(working=False)
        self._one_reader = asyncio.Lock()  # the loop and intake both read on; order must not suffer
        self._stale = asyncio.Event()
        self._settled = asyncio.Event()
        self._settled.set()
        self._saved_at = self.clock.monotonic()

    @property
    def learner(self) -> Learner:
        """The fold as it stands."""
        return self._replay.learner

    @property
    def model(self) -> Model:
        """The model as it stands."""
        return self.learner.model

    @property
    def rebuilding(self) -> bool:
        """Whether the model is not yet what it has to be, since other examples count now."""
        return self._stale.is_set()

    def stamp(self) -> ModelStamp:
        """Which model speaks now."""
        return ModelStamp(self.settings.model.name, self.model.fingerprint[:12], self.model.examples)

    def exclude(self, excluded: Exclusions) -> None:
        """Have these examples count no more, and all others count; the model follows where it has to."""
        self.excluded, self._recorded = excluded, True
        if self.restored:
            self._conform()

    def _conform(self) -> None:
        """Go on under what is voided now, or have the model folded anew."""
        if self.learner.is_consistent_with(self.excluded):
            self.learner.excluded = self.excluded
            self._settle()
        else:
            if not self.rebuilding:
                self.progress_aside.step(self.clock.monotonic())
            self._stale.set()
            self._settled.clear()
            self.progress_aside.working = True

    def _settle(self) -> None:
        """The model is what it has to be."""
        self._stale.clear()
        self._settled.set()
        self.progress_aside.working = False

    async def restore(self, progress: Callable[[int, int], None] = lambda done, end: None) -> None:
        """Load the newest snapshot that fits the log, then fold to the end of the log.

        Args:
            progress: Called with the offset reached and the end.

        Raises:
            StateLost: As `Replay.begin` says.
        """
        if (
            self.learner.excluded != self.excluded
        ):  # it was made before anybody knew, or an attempt failed since
            self._replay = self._fresh(self.reader)
        end = await self._replay.begin(recorded=self._recorded)
        while await is_behind(self.reader, {PARTITION: end}):
            await self.step(1.0)
            progress(self.learner.offset, end)
        self._tell_anew()
        self.restored = True
        self._conform()  # to what was changed meanwhile

    async def catch_up(self) -> None:
        """Fold to what is the end of the topic now, with the examples that count now."""
        end = await self.reader.end_offsets()
        await self._settled.wait()
        while self.learner.offset < end[PARTITION]:
            async with self._one_reader:
                if not await is_behind(self.reader, end):  # holes at the end of the log
                    break
            await self.step(0.1)
        if not self._settled.is_set():  # meanwhile others count
            await self.catch_up()

    async def step(self, timeout_seconds: float) -> int:
        """Fold what the next poll brings; the number of records."""
        self.progress.step(self.clock.monotonic())
        async with self._one_reader:
            drifts = self.learner.drift.found
            began = self.clock.monotonic()
            records, outcomes = await self._replay.step(timeout_seconds, self._at_once, self.on_example)
            found = self.learner.drift.found - drifts
        if records:
            self._count(outcomes)
            if self.restored:  # what a start replays was traced when it happened
                self.tracing.learned(records, self.clock.monotonic() - began)
            self._tell_drift(found)
        self.progress.step(self.clock.monotonic())
        return len(records)

    async def follow(self) -> None:
        """Wait until the model has to be folded anew, and do so. Raises Unavailable or StateLost."""
        await self._stale.wait()
        self.progress_aside.step(self.clock.monotonic())
        await self._rebuild(self.excluded)

    async def settle(self, seconds: float) -> bool:
        """Whether the model is what it has to be, or gets there within a time."""
        try:
            async with asyncio.timeout(seconds):
                await self._settled.wait()
        except TimeoutError:
            return False
        return True

    async def check(self, excluded: Exclusions) -> None:
        """See whether the model can be folded under these ranges, from what this replica has.

        Raises:
            Misconfigured: The log no longer begins with the first example, and no snapshot makes up for it.
        """
        begin = (await self.reader.beginning_offsets())[PARTITION]
        if self.learner.is_consistent_with(excluded) or excluded.covers(0, begin):
            return
        async for learner, _ in self.snapshots.load(self.model.fingerprint):
            if learner.is_consistent_with(excluded) and learner.offset >= begin:
                return
        raise Misconfigured(
            f"the topic {self.reader.topic} begins at offset {begin}, and no snapshot here leads to the "
            "model of what would count; choose a later offset, or restore the topic first"
        )

    async def _rebuild(self, excluded: Exclusions) -> None:
        """Fold anew, aside, and replace the model that stands, unless this is overtaken on the way."""
        reader = self.open_reader()
        fold = self._fresh(reader)
        log.info("folding the model anew", excluded=len(excluded))
        try:
            await reader.start()
            end = {PARTITION: await fold.begin()}
            while self.excluded == excluded and await is_behind(reader, end):
                await fold.step(1.0, self._at_once)
                self.progress_aside.step(self.clock.monotonic())
            async with self._one_reader:
                while self.excluded == excluded and fold.learner.offset < self.learner.offset:
                    await fold.step(1.0, self._at_once)
                if self.excluded == excluded:
                    self._replace(fold)
        finally:
            await reader.stop(READER_STOP_SECONDS)

    def _replace(self, fold: Replay) -> None:
        """Put the model that was built aside in the place of the one that stands."""
        fold.reader, self._replay = self.reader, fold  # which may bring again what is folded already
        self._settle()
        self._tell_anew()
        log.info("the model is folded anew", offset=self.learner.offset, examples=self.model.examples)

    def _fresh(self, reader: Reader) -> Replay:
        return Replay(reader, self.settings, self.snapshots, self.metrics, self.clock, self.excluded)

    def due(self) -> bool:
        """Whether it is time for a snapshot."""
        limits, new = self.settings.snapshots, self.learner.offset - self._replay.saved
        waited = self.clock.monotonic() - self._saved_at
        return new >= limits.every_examples or (new > 0 and waited >= limits.every_seconds)

    async def save(self) -> None:
        """Write a snapshot; a store that fails costs the snapshot and nothing else."""
        fold, offset = self._replay, self.learner.offset
        if fold.anchor is None or offset == fold.saved:
            return
        try:
            await self.snapshots.save(fold.learner, fold.anchor)
        except Unavailable as error:
            self.metrics.snapshots.labels("failed").inc()
            log.warning("snapshot failed", why=str(error))
        else:
            self.metrics.snapshots.labels("written").inc()
            fold.saved = offset
        self._saved_at = self.clock.monotonic()

    def _tell_anew(self) -> None:
        """Let the metrics speak of a learner that did not come about here, example by example."""
        self.metrics.accuracy.clear()  # of the whole stream nothing may be known
        self._count(Counter())
        self._tell_drift(0)

    def _tell_drift(self, found: int) -> None:
        last = self.learner.drift.last
        self.metrics.drift_example.set(0 if last is None else last + 1)
        if found and self.restored:  # what a start replays was told when it happened
            self.metrics.drift.inc(found)
            log.warning("drift: the model errs more than before", example=last)

    def _count(self, outcomes: Counter[Outcome]) -> None:
        metrics = self.metrics
        for outcome, number in outcomes.items():
            metrics.examples.labels(outcome.value).inc(number)
        metrics.model_examples.set(self.model.examples)
        metrics.model_classes.set(len(self.model.classes))
        for span, accuracy in (("all", self.learner.overall), ("recent", self.learner.recent)):
            if estimate := accuracy.estimate():
                metrics.accuracy.labels(span, "estimate").set(estimate.accuracy)
                metrics.accuracy.labels(span, "low").set(estimate.low)
                metrics.accuracy.labels(span, "high").set(estimate.high)
