"""The application: which parts there are, and in which order they start and stop.

    start   HTTP (live, not ready)
            broker, topics
            what was changed at run time
            model: the newest snapshot, then the examples after it
            pending queries, and who has leased them
            intake and select join their groups        -> ready
    stop    select and intake finish or drop their batch and leave their groups
            snapshot, readers, producer, HTTP          all within one shared deadline

At the start the process waits for a broker that is away: it is live, not ready. A loop that ends by itself
ends the process, and so does a watchdog that sees no progress. The supervisor starts the process again, and
nothing is lost by that (`service.loops.consumer`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import structlog

from stream_al.errors import Misconfigured, StateLost, StreamAlError, Unavailable
from stream_al.identity import own_id, version_of
from stream_al.messages import Example
from stream_al.service.broker.protocols import Broker, Group
from stream_al.service.broker.topics import required_topics
from stream_al.service.conditions import ConditionWatch
from stream_al.service.control import Control
from stream_al.service.desk.data import DeskData
from stream_al.service.desk.requests import Requests
from stream_al.service.engine_settings import fresh_learner
from stream_al.service.leases.leasing import Leasing
from stream_al.service.loops.accounts import Accounts
from stream_al.service.loops.consumer import Consumer
from stream_al.service.loops.expiry import Expiry
from stream_al.service.loops.intake import Intake
from stream_al.service.loops.lag import LagMeter
from stream_al.service.loops.log_time import LogTime
from stream_al.service.loops.lost_offsets import refuse_lost_offsets
from stream_al.service.loops.pending import PendingQueries
from stream_al.service.loops.select import Select
from stream_al.service.loops.stage import Stage
from stream_al.service.loops.topic_identity import TopicIdentity
from stream_al.service.model.check import ModelCheck
from stream_al.service.model.consensus import Consensus
from stream_al.service.model.local_model import LocalModel
from stream_al.service.model.lookalikes import Lookalikes
from stream_al.service.model.snapshots import Snapshots
from stream_al.service.telemetry.metrics import Metrics
from stream_al.service.telemetry.problems import Kind, Problems
from stream_al.service.telemetry.tracing import tracing
from stream_al.service.timing.backoff import Retries
from stream_al.service.timing.clock import SYSTEM_CLOCK, Clock
from stream_al.service.timing.deadline import Deadline, within
from stream_al.service.timing.watchdog import Watchdog
from stream_al.settings import Settings

__all__ = ["App"]

log = structlog.get_logger(__name__)


class App:
    """One process of the service.

    Args:
        settings: The settings.
        broker: The broker.
        on_step: Called with the loop and the name of every step of the commit protocol; tests place crashes
            there.
        clock: Where every part reads the time.

    Attributes:
        problems: What has cost a label or lost a sample since the start.
        desk: What the desk shows of this process.
        conditions: Whether the service does its work, by name.
        skips: The skips that this process has read, by reason.
        ready: Whether the model is restored and the loops are at work.
        port: Where HTTP listens; None while it does not.
        stopping: Set it to stop in order.
    """

    def __init__(
        self,
        settings: Settings,
        broker: Broker,
        on_step: Callable[[str, str], None] = lambda loop, step: None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.settings = settings
        self.broker = broker
        self.clock = clock
        self.metrics = metrics = Metrics(settings.application)
        self.problems = Problems(metrics, clock)
        self.tracing = tracing(settings, clock)
        self.ready = False
        self.port: int | None = None
        self.stopping = asyncio.Event()
        topics, limits = settings.topics, settings.limits
        samples = broker.group(f"{settings.application}.select", topics.samples, settings.input.start)
        labels = broker.group(f"{settings.application}.intake", topics.labels, "earliest")
        self.local_model = self._new_local_model()
        self.log_time = LogTime(limits, clock, self.problems)
        self.pending = self._new_pending_queries()
        self.model_check = ModelCheck(settings, clock)
        self.selection = Select(
            settings,
            self.local_model,
            self.pending,
            metrics,
            self.problems,
            clock,
            samples.partition_count,
            self.tracing,
        )
        self.selection.on_samples = self.model_check.see
        self.desk = DeskData(settings, self.selection, lambda: self.control.budget)
        self.control = Control(
            broker,
            settings,
            metrics,
            clock,
            on_budget=self.selection.change_budget,
            on_exclusions=self.local_model.exclude,
            problems=self.problems,
        )
        joining = Intake(
            settings, self.local_model, self.pending, self.control, metrics, self.problems, self.tracing
        )

        self.skips = joining.skips

        def consumer(stage: Stage, group: Group) -> Consumer:
            step = partial(on_step, stage.name)
            return Consumer(stage, group, broker, limits, metrics, self.problems, clock, step)

        self.accounts = Accounts(broker, settings.application, topics.samples, clock)
        self.topics = TopicIdentity(broker, topics)
        self.select, self.intake = consumer(self.selection, samples), consumer(joining, labels)
        self.select.copy_of = self.accounts.saved
        self.consumers = (self.select, self.intake)
        self.requests = Requests(broker, self.selection, samples.assignment)
        self.control.on_request = self.requests.fold
        self.expiry = Expiry(settings.queries, topics.queries, broker, labels, self.pending, metrics)
        self.leasing = Leasing(broker, settings, self.pending, labels, metrics, clock, self.problems)
        self.lag = LagMeter(self.consumers, self.local_model, self.pending, metrics)
        self.conditions = ConditionWatch(
            self.selection, self.consumers, self.lag, self.reachable, metrics, self.problems, clock
        )
        self.intake.progress.waits_for = self.local_model.rebuild_progress
        self.consensus = Consensus(self.local_model, labels, broker, settings, clock)
        self.watchdog = Watchdog(
            limits.watchdog_seconds, [part.progress for part in (*self.consumers, self.local_model)]
        )
        self._lookalikes = Lookalikes(self.problems)
        self._retries = Retries(limits, clock)
        self._started = False
        self._loops: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Start, work until `stopping` is set or a loop fails, stop.

        Raises:
            StreamAlError: Why a loop could not continue.
        """
        working = asyncio.create_task(self._work(), name="work")
        stop = asyncio.create_task(self.stopping.wait(), name="stopping")
        try:
            await asyncio.wait({working, stop}, return_when=asyncio.FIRST_COMPLETED)
        finally:  # also when this task is cancelled
            stop.cancel()
            self._set_ready(False)
            self.watchdog.stop()
            await self._stop(working)
        if working.done() and not working.cancelled():
            working.result()  # raises what ended the work

    def live(self) -> bool:
        """Whether the process is worth keeping; false a little before the watchdog ends it."""
        return self.watchdog.live(self.clock.monotonic())

    def stalled_seconds(self) -> float:
        """How long the slowest loop has made no progress."""
        return self.watchdog.stalled(self.clock.monotonic())

    def reachable(self) -> bool:
        """Whether no loop is backing off from a broker that is away."""
        return not (self._retries.failing or any(consumer.backoff.failures for consumer in self.consumers))

    def pause(self) -> None:
        """Stop deciding about samples; labels are still joined and learned."""
        self.select.pause()
        self.metrics.paused.set(1)

    def resume(self) -> None:
        """Continue, also on partitions that bad records had stopped."""
        for consumer in self.consumers:
            consumer.resume()
        self.metrics.paused.set(0)

    async def _work(self) -> None:
        await self._retries.once("start", self._start)
        self.watchdog.start(self.clock.monotonic())
        self._set_ready(True)
        log.info("ready", examples=self.local_model.learner.offset, pending=len(self.pending))
        forever = self._retries.forever
        try:
            async with asyncio.TaskGroup() as tasks:
                self._loops = {
                    tasks.create_task(consumer.run(), name=consumer.stage.name) for consumer in self.consumers
                }
                tasks.create_task(forever("learn", self._learn), name="learn")
                tasks.create_task(forever("rebuild", self.local_model.follow), name="rebuild")
                tasks.create_task(forever("control", self._follow_control), name="control")
                tasks.create_task(forever("pending", self._follow_queries), name="pending")
                tasks.create_task(forever("leases", self._follow_leases), name="leases")
                tasks.create_task(forever("upkeep", self._tidy_leases), name="upkeep")
                tasks.create_task(forever("expiry", self._expire), name="expiry")
                tasks.create_task(forever("accounts", self._save_accounts), name="accounts")
                tasks.create_task(forever("topics", self._check_topics), name="topics")
                tasks.create_task(forever("consensus", self._correct_by_consensus), name="consensus")
                tasks.create_task(forever("lag", self._measure_lag), name="lag")
                tasks.create_task(self.model_check.run(), name="check")
                tasks.create_task(self._watch_conditions(), name="conditions")
                tasks.create_task(self.desk.run(), name="desk")
                tasks.create_task(self._watch(), name="watchdog")
        except* StreamAlError as group:
            raise group.exceptions[0] from group

    async def _start(self) -> None:
        await self.broker.start()
        missing = await self.broker.missing_topics(topic.name for topic in required_topics(self.settings))
        if missing:
            raise Misconfigured(f"topics: {', '.join(missing)} do not exist: run `stream-al topics create`")
        await self.topics.check()
        if not self._started:
            self.log_time.begin(await self.control.ask_time())
            await self.control.reader.start()
            await self.control.catch_up()
            await self.local_model.reader.start()
            await self.local_model.restore(self._report_restore)
            await self.pending.reader.start()
            await self.leasing.reader.start()
            self._started = True
        await self.pending.catch_up()
        await self.leasing.catch_up()
        await refuse_lost_offsets(self.settings.application, self.select.group, self.pending.reader)
        joins = (consumer.group.start() for consumer in self.consumers)  # at once: each waits for the broker
        for outcome in await asyncio.gather(*joins, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    def _new_local_model(self) -> LocalModel:
        settings = self.settings
        return LocalModel(
            lambda: self.broker.reader(settings.topics.examples),
            settings,
            Snapshots(settings, fresh_learner(settings).fingerprint),
            self.metrics,
            self.problems,
            self.clock,
            on_example=self._close_query,
            tracing=self.tracing,
        )

    def _new_pending_queries(self) -> PendingQueries:
        return PendingQueries(
            self.broker.reader(self.settings.topics.queries, expiring=True),
            self.settings,
            self.clock,
            is_labelled=self._is_labelled,
            tracing=self.tracing,
            on_clash=self._report_clash,
            time=self.log_time,
            problems=self.problems,
        )

    def _close_query(self, example: Example) -> None:
        if example.id in self.pending or example.id in self.pending.shared:
            # Most are over already; a version costs more than a look.
            features = example.features
            self.pending.close(example.id, example.version if features is None else version_of(features))

    def _is_labelled(self, sample_id: str, version: str) -> bool:
        known = self.local_model.learner.known
        return known.version(own_id(sample_id, version, known.version)) == version

    def _report_clash(self, sample_id: str, is_lost: bool) -> None:
        fate = (
            "is lost, since it does not fit under an id of its own: raise queries.max_pending_bytes or "
            "max.message.bytes of the topic"
            if is_lost
            else "is published again under an id of its own"
        )
        why = (
            f"two queries of this id, for different samples, were open at once: the earlier {fate}; labels "
            "for this id without a `version` are refused; give each sample an id, or key the samples by it"
        )
        self.problems.report(Kind.IDENTITY, "clash" if is_lost else "shared_id", why, sample=sample_id)

    def _report_restore(self, done: int, end: int) -> None:
        self.metrics.model_offset_lag.set(end - done)
        log.info("restoring the model", examples=done, of=end)

    def _set_ready(self, ready: bool) -> None:
        self.ready = ready
        self.metrics.ready.set(ready)

    async def _learn(self) -> None:
        await self.local_model.step(self.settings.limits.poll_seconds)
        self._lookalikes.watch(self.local_model.model.classes)
        if self.local_model.snapshot_due():
            await self.local_model.save()

    async def _follow_control(self) -> None:
        await self.control.follower.step(self.settings.limits.poll_seconds)

    async def _follow_queries(self) -> None:
        await self.pending.step(self.settings.limits.poll_seconds)
        self.metrics.pending.set(len(self.pending))

    async def _expire(self) -> None:
        await asyncio.sleep(self.clock.pace.expiry_seconds)
        await self.expiry.step()

    async def _follow_leases(self) -> None:
        await self.leasing.step(self.settings.limits.poll_seconds)

    async def _tidy_leases(self) -> None:
        await asyncio.sleep(self.clock.pace.expiry_seconds)
        await self.leasing.tidy()
        await self.requests.step()

    async def _save_accounts(self) -> None:
        await asyncio.sleep(self.clock.pace.accounts_seconds)
        await self.accounts.save(self.select)

    async def _correct_by_consensus(self) -> None:
        await asyncio.sleep(self.clock.pace.consensus_seconds)
        await self.consensus.step()

    async def _check_topics(self) -> None:
        await asyncio.sleep(self.clock.pace.topics_seconds)
        try:
            await self.topics.check()
        except StateLost:
            self.accounts.lost()
            raise
        await self.local_model.check_order()

    async def _measure_lag(self) -> None:
        await asyncio.sleep(min(self.clock.pace.lag_seconds, self.watchdog.limit_seconds / 10))
        await self.lag.measure()

    async def _watch_conditions(self) -> None:
        while True:
            self.conditions.observe()
            await asyncio.sleep(self.clock.pace.lag_seconds)

    async def _watch(self) -> None:
        """End the process when a loop makes no progress; `/livez` has failed by then."""
        while not self.watchdog.expired(self.clock.monotonic()):  # noqa: ASYNC110 - no event tells of a standstill
            await asyncio.sleep(min(1.0, self.watchdog.limit_seconds / 10))
        raise Unavailable(f"no progress for {self.stalled_seconds():.0f} s: restart the process")

    async def _stop(self, working: asyncio.Task[None]) -> None:
        """Stop in order, within one deadline; the next owner repeats what it cuts off."""
        # The rest of the time is for HTTP, which serves probes to the end, and for the interpreter's exit.
        deadline = Deadline(0.75 * self.settings.limits.stop_seconds, self.clock)
        for consumer in self.consumers:
            consumer.closing = True
        if self._loops and not working.done():
            await asyncio.wait(self._loops, timeout=deadline.left / 3)
        working.cancel()
        await asyncio.wait({working}, timeout=deadline.left)
        with suppress(Unavailable):
            await within(deadline.left / 3, "the last copy of the accounts", self.accounts.save(self.select))
        await asyncio.gather(*(consumer.group.stop(deadline.left / 2) for consumer in self.consumers))
        if self._started:
            with suppress(Unavailable):  # a slow store costs the snapshot, not the orderly stop
                await within(deadline.left / 2, "the last snapshot", self.local_model.save())
        parts = (self.local_model, self.pending, self.control, self.leasing)
        await asyncio.gather(*(part.reader.stop(deadline.left / 2) for part in parts))
        await self.tracing.stop(deadline.left / 2)
        await self.broker.stop(deadline.left)
        log.info("stopped", examples=self.local_model.learner.offset)
