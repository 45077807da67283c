"""The application: which parts there are, and in which order they start and stop.

    start   HTTP (live, not ready)
            broker, topics
            what was changed at run time
            model: newest snapshot, then the examples after it
            pending queries
            intake and select join their groups        -> ready
    stop    select and intake finish or drop their batch and leave their groups
            snapshot, readers, producer, HTTP          all within one shared deadline

A broker that is away at the start is waited for: live, not ready. A loop that ends by itself, and a
watchdog that sees no progress, end the process: whoever runs it starts it again, and nothing is lost by
that (`service.loops.consumer`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from stream_al.errors import Misconfigured, StateLost, StreamAlError, Unavailable
from stream_al.service.broker.protocols import Broker
from stream_al.service.broker.topics import required_topics
from stream_al.service.control import Control
from stream_al.service.engine_settings import fresh_learner
from stream_al.service.loops.consumer import Consumer
from stream_al.service.loops.expiry import Expiry
from stream_al.service.loops.intake import Intake
from stream_al.service.loops.pending import PendingQueries
from stream_al.service.loops.select import Select
from stream_al.service.model.local_model import LocalModel
from stream_al.service.model.snapshots import Snapshots
from stream_al.service.telemetry.metrics import Metrics
from stream_al.service.telemetry.tracing import tracing
from stream_al.service.timing.backoff import Backoff
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
        on_step: Called with the name of every step of the commit protocol; tests place crashes there.
        clock: Where every part reads the time.
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
        self.metrics = Metrics(settings.application)
        self.tracing = tracing(settings, clock)
        topics, limits = settings.topics, settings.limits
        self.local_model = LocalModel(
            lambda: broker.reader(topics.examples),
            settings,
            Snapshots(settings, fresh_learner(settings).model.fingerprint),
            self.metrics,
            clock,
            folded=self._folded,
            tracing=self.tracing,
        )
        self.pending = PendingQueries(
            broker.reader(topics.queries, expiring=True),
            settings,
            clock,
            is_labelled=lambda sample_id: sample_id in self.local_model.learner.known,
            tracing=self.tracing,
        )
        name, start = settings.application, settings.input.start
        samples = broker.group(f"{name}.select", topics.samples, start)
        self.selection = Select(
            settings,
            self.local_model,
            self.pending,
            self.metrics,
            clock,
            samples.partition_count,
            self.tracing,
        )
        self.control = Control(
            broker,
            settings,
            self.metrics,
            clock,
            on_budget=self.selection.change_budget,
            excluded=self.local_model.exclude,
        )
        self.select = Consumer(
            self.selection,
            samples,
            broker,
            settings,
            self.metrics,
            clock,
            lambda step: on_step("select", step),
        )
        self.intake = Consumer(
            Intake(settings, self.local_model, self.pending, self.control, self.metrics, self.tracing),
            broker.group(f"{name}.intake", topics.labels, "earliest"),
            broker,
            settings,
            self.metrics,
            clock,
            lambda step: on_step("intake", step),
        )
        self.consumers = (self.select, self.intake)
        self.expiry = Expiry(settings, broker, self.intake.group, self.pending, self.metrics)
        self.ready = False
        self.port: int | None = None
        self.stopping = asyncio.Event()
        self._backoffs = [consumer.backoff for consumer in self.consumers]
        self.lag: dict[str, dict[int, int]] = {}
        self.intake.progress.waits_for = self.local_model.progress_aside
        self.watchdog = Watchdog(
            limits.watchdog_seconds,
            (self.select.progress, self.intake.progress, self.local_model.progress),
        )
        self._started = False
        self._loops: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Start, work until `stopping` is set or a loop fails, stop.

        Raises:
            StreamAlError: Why a loop could not go on.
        """
        working = asyncio.create_task(self._work(), name="work")
        stop = asyncio.create_task(self.stopping.wait(), name="stopping")
        try:
            await asyncio.wait({working, stop}, return_when=asyncio.FIRST_COMPLETED)
        finally:  # also when we are cancelled
            stop.cancel()
            self.ready = False
            self.watchdog.stop()
            self.metrics.ready.set(0)
            await self._stop(working)
        if working.done() and not working.cancelled():
            working.result()  # raises what ended the work

    async def _work(self) -> None:
        await self._patiently(self._backoff("start"), self._start)
        self.watchdog.start(self.clock.monotonic())
        self.ready = True
        self.metrics.ready.set(1)
        log.info("ready", examples=self.local_model.learner.offset, pending=len(self.pending))
        try:
            async with asyncio.TaskGroup() as tasks:
                self._loops = {
                    tasks.create_task(consumer.run(), name=consumer.stage.name) for consumer in self.consumers
                }
                tasks.create_task(self._repeat("learn", self._learn), name="learn")
                tasks.create_task(self._repeat("rebuild", self.local_model.follow), name="rebuild")
                tasks.create_task(self._repeat("control", self._follow_control), name="control")
                tasks.create_task(self._repeat("pending", self._follow_queries), name="pending")
                tasks.create_task(self._repeat("sweep", self._expire), name="sweep")
                tasks.create_task(self._repeat("lag", self._measure_lag), name="lag")
                tasks.create_task(self._watch(), name="watchdog")
        except* StreamAlError as group:
            raise group.exceptions[0] from group

    async def _start(self) -> None:
        await self.broker.start()
        missing = await self.broker.missing_topics(topic.name for topic in required_topics(self.settings))
        if missing:
            raise Misconfigured(f"topics: {', '.join(missing)} do not exist: run `stream-al topics create`")
        if not self._started:
            await self.control.reader.start()
            await self.control.catch_up()
            await self.local_model.reader.start()
            await self.local_model.restore(self._restoring)
            await self.pending.reader.start()
            self._started = True
        await self.pending.catch_up()
        await self._check_offsets()
        joins = (consumer.group.start() for consumer in self.consumers)  # at once: each waits for the broker
        for outcome in await asyncio.gather(*joins, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    async def _check_offsets(self) -> None:
        """Refuse to begin anew what was begun before.

        A partition's first commit comes before its first query, so queries without any commit mean that
        the commits are gone.
        """
        asked = sum((await self.pending.reader.end_offsets()).values())
        if asked and await self.select.group.has_no_commits():
            samples, queries = self.settings.topics.samples, self.settings.topics.queries
            raise StateLost(
                f"the group {self.settings.application}.select has no offsets on {samples}, yet {queries} "
                "holds queries: Kafka forgets the offsets of a topic that was deleted and of a group that is "
                "idle for long, and the setting `application` names the group; say where to go on with "
                "`stream-al offsets reset --to earliest` (decide again about all that the topic holds) or "
                "`--to latest`"
            )

    def _folded(self, sample_id: str) -> None:
        self.pending.close(sample_id)

    def _restoring(self, done: int, end: int) -> None:
        self.metrics.model_offset_lag.set(end - done)
        log.info("restoring the model", examples=done, of=end)

    async def _patiently(self, backoff: Backoff, action: Callable[[], Awaitable[None]]) -> None:
        """Do something, as often as the broker is away."""
        while True:
            try:
                await action()
            except Unavailable as error:
                await backoff.failed(error)
            else:
                backoff.succeeded()
                return

    async def _repeat(self, what: str, action: Callable[[], Awaitable[None]]) -> None:
        backoff = self._backoff(what)
        while True:
            await self._patiently(backoff, action)

    def _backoff(self, what: str) -> Backoff:
        self._backoffs.append(Backoff(what, self.settings.limits, self.clock))
        return self._backoffs[-1]

    async def _learn(self) -> None:
        await self.local_model.step(self.settings.limits.poll_seconds)
        if self.local_model.due():
            await self.local_model.save()

    async def _follow_control(self) -> None:
        await self.control.follower.step(self.settings.limits.poll_seconds)

    async def _follow_queries(self) -> None:
        await self.pending.step(self.settings.limits.poll_seconds)
        self.metrics.pending.set(len(self.pending))

    async def _expire(self) -> None:
        await asyncio.sleep(self.clock.pace.expiry_seconds)
        await self.expiry.step()

    async def _measure_lag(self) -> None:
        await asyncio.sleep(min(self.clock.pace.lag_seconds, self.watchdog.limit_seconds / 10))
        try:
            for consumer in self.consumers:
                await self._measure(consumer)
        except Unavailable:
            for consumer in self.consumers:
                consumer.progress.lose_sight()
            raise
        end = sum((await self.local_model.reader.end_offsets()).values())
        self.metrics.model_offset_lag.set(max(0, end - self.local_model.learner.offset))
        self.metrics.pending_oldest.set(self.pending.oldest_seconds())

    async def _measure(self, consumer: Consumer) -> None:
        topic, stage = consumer.group.topic, consumer.stage.name
        before, self.lag[topic] = self.lag.get(topic, {}), await consumer.group.lag()
        for partition in before.keys() - self.lag[topic].keys():  # its new owner tells
            self.metrics.consumer_lag.remove(topic, str(partition))
        self.metrics.assignments.labels(stage).inc(before.keys() != self.lag[topic].keys())
        for partition, lag in self.lag[topic].items():
            self.metrics.consumer_lag.labels(topic, str(partition)).set(lag)
        self.metrics.stopped.labels(stage).set(len(consumer.stopped()))
        readable = self.lag[topic].keys() - consumer.stopped().keys()
        waiting = not consumer.paused and any(self.lag[topic][partition] for partition in readable)
        consumer.progress.look(self.clock.monotonic(), records_wait=waiting)

    async def _watch(self) -> None:
        """End the process when a loop makes no progress; `/livez` has failed by then."""
        while not self.watchdog.expired(self.clock.monotonic()):  # noqa: ASYNC110 - nothing happens: that is it
            await asyncio.sleep(min(1.0, self.watchdog.limit_seconds / 10))
        raise Unavailable(f"no progress for {self.stalled_seconds():.0f} s: restart the process")

    def stalled_seconds(self) -> float:
        """How long the slowest loop has made no progress."""
        return self.watchdog.stalled(self.clock.monotonic())

    def live(self) -> bool:
        """Whether the process is worth keeping: false a little before the watchdog ends it."""
        return self.watchdog.live(self.clock.monotonic())

    def reachable(self) -> bool:
        """Whether no loop is backing off from a broker that is away."""
        return not any(backoff.failures for backoff in self._backoffs)

    def pause(self) -> None:
        """Stop deciding about samples; labels are still joined and learned."""
        self.select.pause()
        self.metrics.paused.set(1)

    def resume(self) -> None:
        """Go on, also on partitions that bad records had stopped."""
        for consumer in self.consumers:
            consumer.resume()
        self.metrics.paused.set(0)

    async def _stop(self, working: asyncio.Task[None]) -> None:
        """Stop in order, within one deadline; what it cuts off is repeated by the next owner."""
        # The rest is for HTTP, which answers probes to the end, and for the interpreter's own end.
        deadline = Deadline(0.75 * self.settings.limits.stop_seconds, self.clock)
        for consumer in self.consumers:
            consumer.closing = True
        if self._loops and not working.done():
            await asyncio.wait(self._loops, timeout=deadline.left / 3)
        working.cancel()
        await asyncio.wait({working}, timeout=deadline.left)
        await asyncio.gather(*(consumer.group.stop(deadline.left / 2) for consumer in self.consumers))
        if self._started:
            with suppress(Unavailable):  # a store that is slow costs the snapshot, not the orderly stop
                await within(deadline.left / 2, "the last snapshot", self.local_model.save())
            readers = (self.local_model.reader, self.pending.reader, self.control.reader)
            await asyncio.gather(*(reader.stop(deadline.left / 2) for reader in readers))
        await self.tracing.stop(deadline.left / 2)
        await self.broker.stop(deadline.left)
        log.info("stopped", examples=self.local_model.learner.offset)
