"""The local model: this replica's model, kept up to date with the topic `examples`.

    LocalModel   the model that is in force, its snapshots, and its replacement by another one
    Replay       one learner on its way through the examples (`service.model.replay`)
    Learner      the model as a fold over examples (`engine.labels.learner`)

Every replica folds all examples, in the one order of the topic. A snapshot saves the learner with its offset,
so a start does not begin at the first example.

*Other examples count.* An operator may exclude examples that are folded already, or include them again. Then
the model has to be rebuilt:

    1. a second replay, with a reader of its own, begins from a snapshot that fits, or from the first example
    2. the model in force continues to serve and to learn meanwhile
    3. when the second replay has come as far as the model in force, it replaces that model at once, for all
       parts of the service

Only a label without a pending query waits for that, since what is known of its id may change.

*Another label counts.* A correction (`engine.labels.corrections`) of an example that is learned already makes
the model overdue. It is rebuilt in the same way. No label waits, because the labels that count are known at
once. Corrections that come close together cause one rebuild: it begins `Pace.correction_seconds` after the
first of them, and not before the time has passed that the rebuild before it took. So rebuilding takes half of
the time of one core at most, however many corrections come.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import structlog

from stream_al.engine.labels.exclusions import Exclusions
from stream_al.engine.labels.learner import Learner, Outcome
from stream_al.engine.model.model import Model
from stream_al.engine.model.pickling import dumps
from stream_al.engine.recent import RecentShare
from stream_al.errors import Misconfigured, Unavailable
from stream_al.messages import Example, ModelStamp
from stream_al.service.broker.protocols import Reader
from stream_al.service.broker.readers import is_behind, started
from stream_al.service.model.replay import PARTITION, Replay
from stream_al.service.model.report import LearnerReport
from stream_al.service.model.snapshots import Snapshots
from stream_al.service.telemetry.metrics import Metrics
from stream_al.service.telemetry.problems import Problems
from stream_al.service.telemetry.tracing import OFF, Tracing
from stream_al.service.timing.clock import Clock
from stream_al.service.timing.time_slices import TimeSlices
from stream_al.service.timing.watchdog import Progress
from stream_al.settings import Settings

__all__ = ["LocalModel"]

log = structlog.get_logger(__name__)

DIGESTED = "digested"
MAX_EXAMPLES = 500  # of one batch


class LocalModel:
    """The model of this replica, and the loops that keep it up to date.

    Args:
        open_reader: Makes a reader of the topic `examples`, not started yet.
        settings: The settings.
        snapshots: Where to restore from and save to.
        metrics: Where the model is reported.
        problems: Where refused labels are reported.
        clock: Where the time is read.
        on_example: Called with every example that was folded.
        tracing: Traces examples that are learned.

    Attributes:
        excluded: The examples that do not count; the model may not have followed yet.
        restored: Whether it was restored to the end of the topic.
        progress: What the watchdog knows of the learning loop.
        rebuild_progress: What the watchdog knows of a rebuild.
        refused: Of the last labels since it was restored, which ones the model refused.
        rebuilds: How often the model was rebuilt.
    """

    def __init__(  # noqa: PLR0913 - the parts of the service that it works with
        self,
        open_reader: Callable[[], Reader],
        settings: Settings,
        snapshots: Snapshots,
        metrics: Metrics,
        problems: Problems,
        clock: Clock,
        on_example: Callable[[Example], None] = lambda example: None,
        tracing: Tracing = OFF,
    ) -> None:
        self.open_reader = open_reader
        self.reader = open_reader()
        self.settings = settings
        self.snapshots = snapshots
        self.metrics = metrics
        self.problems = problems
        self.clock = clock
        self.on_example = on_example
        self.tracing = tracing
        self.excluded = Exclusions()
        self.restored = False
        self.progress = Progress()
        self.rebuild_progress = Progress(working=False)
        self.refused = RecentShare()
        self.rebuilds = 0
        self._report = LearnerReport(metrics, problems)
        self._max_examples = min(MAX_EXAMPLES, settings.limits.batch_records)
        self._exclusions_known = False
        self._replay = self._new_replay(self.reader)
        self._one_reader = asyncio.Lock()  # the loop and intake both read; examples must stay in order
        self._stale = asyncio.Event()
        self._current = asyncio.Event()
        self._current.set()
        self._urgent = asyncio.Event()  # other examples count, so that labels may wait
        self._rebuild_seconds = 0.0
        self._saved_at = clock.monotonic()

    @property
    def learner(self) -> Learner:
        """The learner in force."""
        return self._replay.learner

    @property
    def model(self) -> Model:
        """The model in force."""
        return self.learner.model

    @property
    def rebuilding(self) -> bool:
        """Whether other examples or labels count than those that the model in force has learned.

        A batch of examples that corrects a label may be in work still: then only the learner knows of it.
        """
        return self._stale.is_set() or bool(self.learner.overdue)

    def stamp(self) -> ModelStamp:
        """Which model is in force."""
        return ModelStamp(self.settings.model.name, self.learner.version, self.model.examples)

    async def prepare_digest(self) -> None:
        """Let the model know its digest, in time slices, since a large River model takes seconds.

        If an example is folded meanwhile, it begins again, and this time learning waits for it.
        """
        if not await self._digested():
            async with self._one_reader:
                await self._digested()

    async def _digested(self) -> bool:
        learner, offset = self.learner, self.learner.offset
        steps, slices = learner.model.digest_in_steps(), TimeSlices(self.clock)
        while self.learner is learner and learner.offset == offset:
            with slices.working():
                if next(steps, DIGESTED) is DIGESTED:
                    return True
            await slices.over()
        return False

    def exclude(self, excluded: Exclusions) -> None:
        """Let exactly these examples not count; the model is rebuilt if it has to be."""
        self.excluded, self._exclusions_known = excluded, True
        if self.restored:
            self._conform()

    def _conform(self) -> None:
        """Continue with the exclusions and corrections of now if the learner follows them; else rebuild."""
        consistent = self.learner.is_consistent_with(self.excluded)
        if consistent:
            self.learner.excluded = self.excluded
            self._current.set()
            self._urgent.clear()
        else:
            self._current.clear()
            self._urgent.set()
        if not (consistent or self.rebuild_progress.working):
            self.rebuild_progress.step(self.clock.monotonic())
        self.rebuild_progress.working = not consistent  # labels wait for nothing else
        if consistent and not self.learner.overdue:
            self._stale.clear()
        else:
            self._stale.set()
        self.metrics.rebuilding.set(self.rebuilding)

    async def restore(self, on_progress: Callable[[int, int], None] = lambda done, end: None) -> None:
        """Load the newest snapshot that fits the topic, then fold to the end of the topic.

        Args:
            on_progress: Called with the offset reached and the end.

        Raises:
            StateLost: As `Replay.begin` says.
        """
        if self.learner.excluded != self.excluded:  # known only now, or left behind by a failed attempt
            self._replay = self._new_replay(self.reader)
        end = await self._replay.begin(exclusions_known=self._exclusions_known)
        while await is_behind(self.reader, {PARTITION: end}):
            await self.step(1.0)
            on_progress(self.learner.offset, end)
        self._report.start(self.learner)
        self.restored = True
        self._conform()  # the exclusions may have changed meanwhile

    async def catch_up(self) -> None:
        """Fold to what is the end of the topic now, with the examples that count now."""
        end = await self.reader.end_offsets()
        await self._current.wait()
        while self.learner.offset < end[PARTITION]:
            async with self._one_reader:
                if not await is_behind(self.reader, end):  # the topic ends in a gap
                    break
            await self.step(0.1)
        if not self._current.is_set():  # the exclusions have changed meanwhile
            await self.catch_up()

    async def step(self, timeout_seconds: float) -> int:
        """Fold what the next poll brings; return the number of records."""
        self.progress.step(self.clock.monotonic())
        async with self._one_reader:
            drifts, outcomes = self.learner.drift.found, Counter[Outcome]()
            began = self.clock.monotonic()
            try:
                records = await self._replay.step(
                    timeout_seconds, self._max_examples, partial(self._folded, outcomes)
                )
            finally:  # what was folded counts, too, if this task was cancelled
                if outcomes:
                    self._learned(outcomes, self.learner.drift.found - drifts)
        if records and self.restored:  # what a start replays was traced when it came
            self.tracing.learned(records, self.clock.monotonic() - began)
        self.progress.step(self.clock.monotonic())
        return len(records)

    def _learned(self, outcomes: Counter[Outcome], drifts: int) -> None:
        if self.restored and self.learner.overdue:
            self._conform()
        self._report.learned(self.learner, outcomes)
        if self.restored:  # what a start replays was reported when it came
            self._report.drifted(self.learner, drifts)

    def _folded(self, outcomes: Counter[Outcome], example: Example, outcome: Outcome) -> None:
        # A batch of a slow model may take longer than the watchdog waits.
        self.progress.step(self.clock.monotonic())
        outcomes[outcome] += 1
        if self.restored:  # what a start replays was reported when it came
            self._report.folded(self.learner, example, outcome)
            if outcome in (Outcome.LEARNED, Outcome.REFUSED):
                self.refused.add([outcome is Outcome.REFUSED])
        self.on_example(example)

    async def check_order(self) -> None:
        """Look whether there is one order of the examples still. Raises Misconfigured, Unavailable."""
        await self._replay.check_order()

    async def follow(self) -> None:
        """Wait until the model has to be rebuilt, and rebuild it. Raises Unavailable or StateLost."""
        await self._stale.wait()
        with suppress(TimeoutError):  # more corrections may come
            async with asyncio.timeout(max(self.clock.pace.correction_seconds, self._rebuild_seconds)):
                await self._urgent.wait()
        if not self.rebuilding:
            return
        began = self.clock.monotonic()
        self.rebuild_progress.step(began)
        await self._rebuild(self.excluded)
        self._rebuild_seconds = self.clock.monotonic() - began

    async def is_current_within(self, seconds: float) -> bool:
        """Whether the model has learned the examples that count, now or within a time."""
        try:
            async with asyncio.timeout(seconds):
                await self._current.wait()
        except TimeoutError:
            return False
        return True

    async def check_rebuild(self, excluded: Exclusions) -> None:
        """See whether this replica can rebuild the model under these exclusions.

        Raises:
            Misconfigured: The topic no longer begins with the first example, and no snapshot makes up for it.
        """
        begin = (await self.reader.beginning_offsets())[PARTITION]
        if self.learner.is_consistent_with(excluded) or excluded.covers(0, begin):
            return
        async for learner, _ in self.snapshots.load(self.learner.fingerprint):
            if learner.is_consistent_with(excluded) and learner.offset >= begin:
                return
        raise Misconfigured(
            f"the topic {self.reader.topic} begins at offset {begin}, and no snapshot of this replica makes "
            "up for the examples before it; choose a later offset, or restore the topic first"
        )

    async def check_correction(self, first: int) -> None:
        """See whether this replica can rebuild the model from before the example at an offset.

        Raises:
            Misconfigured: The topic no longer holds all examples, and no snapshot is old enough.
        """
        begin = (await self.reader.beginning_offsets())[PARTITION]
        if self.excluded.covers(0, begin):
            return
        if any(begin <= offset <= first for offset in (await self.snapshots.listed()).values()):
            return
        raise Misconfigured(
            f"the topic {self.reader.topic} begins at offset {begin}, and no snapshot of this replica was "
            f"made before the example {first}: its label cannot be corrected"
        )

    async def _rebuild(self, excluded: Exclusions) -> None:
        """Fold with a second replay, and put it in force, unless the exclusions change meanwhile."""
        reader = self.open_reader()
        replay = self._new_replay(reader)
        corrected = len(self.learner.ledger.corrected)
        log.info("rebuilding the model", excluded=len(excluded), corrected=corrected)
        async with started(reader):
            end = {PARTITION: await replay.begin(on_read=self._read)}
            while self.excluded == excluded and await is_behind(reader, end):
                await replay.step(1.0, self._max_examples, self._refolded)
                self.rebuild_progress.step(self.clock.monotonic())
            async with self._one_reader:
                while self.excluded == excluded and replay.learner.offset < self.learner.offset:
                    await replay.step(1.0, self._max_examples, self._refolded)
                if self.excluded == excluded:
                    self._replace(replay)

    def _replace(self, replay: Replay) -> None:
        """Put the replay in force. Its new reader may bring examples again; they are folded once."""
        replay.reader, self._replay = self.reader, replay
        self.rebuilds += 1
        self.metrics.rebuilds.inc()
        self._conform()
        self._report.start(self.learner)
        log.info("model rebuilt", offset=self.learner.offset, examples=self.model.examples)

    def _new_replay(self, reader: Reader) -> Replay:
        return Replay(
            reader,
            self.settings,
            self.snapshots,
            self.metrics,
            self.problems,
            self.clock,
            self.excluded,
        )

    def _refolded(self, example: Example, outcome: Outcome) -> None:
        self._read()

    def _read(self) -> None:
        self.rebuild_progress.step(self.clock.monotonic())

    def snapshot_due(self) -> bool:
        """Whether it is time for a snapshot."""
        if self.learner.overdue:
            return False
        limits, new = self.settings.snapshots, self.learner.offset - self._replay.saved
        waited = self.clock.monotonic() - self._saved_at
        return new >= limits.every_examples or (new > 0 and waited >= limits.every_seconds)

    async def save(self) -> None:
        """Write a snapshot; a store that fails costs the snapshot and nothing else.

        None of an overdue model: no start could use it, and it would take the place of one that is older than
        the corrected example.
        """
        async with self._one_reader:  # so that nothing is folded meanwhile
            replay, anchor, offset = self._replay, self._replay.anchor, self.learner.offset
            if anchor is None or offset == replay.saved or self.learner.overdue:
                return
            body = await self._pickled(replay.learner)
        try:
            await self.snapshots.save(replay.learner, anchor, body)
        except Unavailable as error:
            self.metrics.snapshots.labels("failed").inc()
            log.warning("snapshot failed", why=str(error))
        else:
            self.metrics.snapshots.labels("written").inc()
            replay.saved = offset
        self._saved_at = self.clock.monotonic()

    @staticmethod
    async def _pickled(learner: Learner) -> bytes:
        """The pickle of a learner that does not learn meanwhile; in a thread, since it may take seconds."""
        try:
            return await asyncio.to_thread(dumps, learner)
        except RuntimeError:  # a prediction has entered something into a cache of the model: then as one step
            return dumps(learner)
