"""The bridge: three loops that read what has changed, and one step that brings both sides together.

    queries     the topic `queries`, materialised as every replica of the service does it
    classes     the topic `examples`, of which only the classes are kept
    sync        the step, every `poll_seconds`, and as soon as a query or a webhook comes

One step does the following, in this order. If any part fails, the step begins anew after a pause.

1. List the tasks that have changed; at the start, and every `reconcile_seconds`, all of which anything may
   still have to be done.
2. Send the labels of their new annotations, wait until the broker has them, and only then remember them.
   Changed annotations become corrections (`corrections`), which may wait while the rest goes on.
3. Delete the tasks whose query is closed, and second tasks of one query, if nobody has touched them.
4. Add classes to the labelling configuration.
5. Import queries that have no task, the most useful first.

*Nothing twice.* A task is imported only when all tasks are known, and after an import that may or may not
have succeeded, all are listed again. What remains is a request that Label Studio still carries out after the
process that sent it was killed and the next one has listed the tasks. Step 3 removes the second task.

*Nothing lost.* At the start, the annotations of all open queries are sent, and those of the last day: the
process may have been killed before it sent them. The rules of the service ignore what it knows already.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from stream_al.errors import BadMessage, StreamAlError, Unavailable
from stream_al.label_studio.annotations import Annotation, Task, guess_of, label_of, query_key
from stream_al.label_studio.client import Client, Refused, changed_since, these, untouched
from stream_al.label_studio.corrections import Corrections, corrects
from stream_al.label_studio.known_classes import KnownClasses
from stream_al.label_studio.ledger import Ledger
from stream_al.label_studio.metrics import BridgeMetrics
from stream_al.label_studio.project import Project
from stream_al.label_studio.tasks import Key, key_of, media, task_of
from stream_al.messages import Label, Query, encode
from stream_al.service.broker.protocols import Broker, Outgoing
from stream_al.service.loops.pending import PendingQueries
from stream_al.service.timing.backoff import Retries
from stream_al.service.timing.clock import Clock
from stream_al.settings import Settings
from stream_al.times import moment

__all__ = ["Bridge"]

log = structlog.get_logger(__name__)

AT_LEAST_SECONDS = 1.0  # between two steps
RESEND = timedelta(days=1)
SKEW = timedelta(hours=1)  # between the clocks of Label Studio and of the log
OVERLAP = timedelta(seconds=5)  # transactions of Label Studio may be visible in another order
BATCH_TASKS = 100
BATCH_BYTES = 1_000_000
MOST_STAMPS = 50_000
EXPIRED_AT_ONCE = 1000


class Bridge:
    """The bridge between the topics and one project.

    Args:
        settings: The settings.
        broker: The broker, connected.
        client: The connection to Label Studio.
        clock: The time.

    Attributes:
        pending: The open queries.
        classes: The classes that annotators may choose.
    """

    def __init__(self, settings: Settings, broker: Broker, client: Client, clock: Clock) -> None:
        self.settings = settings
        self.broker = broker
        self.client = client
        self.clock = clock
        self.metrics = BridgeMetrics()
        self._why = "the first look at Label Studio is not complete yet"
        self.ledger = Ledger(settings.label_studio.max_tasks)
        queries = broker.reader(settings.topics.queries, expiring=True)
        examples = broker.reader(settings.topics.examples, expiring=True)
        self.pending = PendingQueries(queries, settings, clock, lambda name, version: False)
        self.classes = KnownClasses(examples, settings)
        self.corrections = Corrections(settings.label_studio, settings.limits.deadline_seconds)
        self._wakened = asyncio.Event()
        self._retries = Retries(settings.limits, clock)
        self._stamps: OrderedDict[int, str] = OrderedDict()
        self._newest = ""
        self._reconciled_at = float("-inf")
        self._succeeded_at = clock.monotonic()
        self._project: Project | None = None

    @property
    def project(self) -> Project:
        """The project."""
        assert self._project is not None  # noqa: S101 - `run` is called with it
        return self._project

    @property
    def not_ready(self) -> str:
        """Why the last step did not succeed; empty if it did."""
        return self._why or ("Kafka cannot be read" if self._retries.failing else "")

    def wake(self) -> None:
        """Let the next step begin now."""
        self._wakened.set()

    def is_open(self, key: Key) -> bool:
        """Whether a query waits for its label."""
        name, version = key
        return name in self.pending and self.pending.version(name) == version

    def measure(self) -> None:
        """Bring the gauges up to date."""
        self.metrics.pending.set(len(self.pending))
        self.metrics.waiting.set(self.ledger.waiting)
        self.metrics.ready.set(not self.not_ready)
        self.metrics.corrections.set(len(self.corrections))
        self.metrics.age.set(self.clock.monotonic() - self._succeeded_at)
        for outcome, count in self.client.requests.items():
            self.metrics.requests.labels(outcome).set(count)

    async def start(self) -> None:
        """Read both topics once: all open queries, and all classes."""
        for reader in (self.pending.reader, self.classes.reader):
            await reader.start()
        await self._retries.once("reading the queries", self.pending.catch_up)
        await self._retries.once("reading the classes", self.classes.catch_up)
        log.info("queries read", pending=len(self.pending), classes=len(self.classes.labels()))

    async def stop(self) -> None:
        """Stop reading."""
        for reader in (self.pending.reader, self.classes.reader):
            await reader.stop(1.0)
        await self.corrections.close()

    def use(self, project: Project) -> None:
        """Work with this project from now on."""
        self._project = project

    async def run(self, project: Project) -> None:
        """Bring the topics and a project together until cancelled."""
        self.use(project)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._retries.forever("reading the queries", self._follow_queries))
            tasks.create_task(self._retries.forever("reading the classes", self.classes.step))
            tasks.create_task(self._retries.forever("looking at Label Studio", self._step))

    async def media(self) -> set[str]:
        """What the payloads of the most useful queries hold."""
        return set().union(*(media(query) for query in await self.pending.most_useful(BATCH_TASKS)))

    # --- the loops ------------------------------------------------------------------------------------------
    async def _follow_queries(self) -> None:
        if await self.pending.step(self.settings.limits.poll_seconds):
            self.wake()

    async def _step(self) -> None:
        """One step, and the wait for the next one."""
        self._wakened.clear()
        try:
            await self.sync()
        except StreamAlError as error:
            # Whatever it is, somebody may correct it there while we wait; until then it shows in `not_ready`.
            self._why = str(error)
            raise Unavailable(str(error)) from error
        if self._why:
            log.info("in step with Label Studio", project=self.project.number, tasks=self.ledger.waiting)
        self._why = ""
        self._succeeded_at = self.clock.monotonic()
        await asyncio.sleep(AT_LEAST_SECONDS)
        with suppress(TimeoutError):
            async with asyncio.timeout(self.settings.label_studio.poll_seconds):
                await self._wakened.wait()

    # --- the step -------------------------------------------------------------------------------------------
    async def sync(self) -> None:
        """Do one step. Raises Unavailable, Refused, TooLarge."""
        now = self.clock.monotonic()
        if (
            not self.ledger.complete
            or now - self._reconciled_at >= self.settings.label_studio.reconcile_seconds
        ):
            await self._see_all()
            self._reconciled_at = now
        else:
            await self._see_changes()
        for name in self.pending.expired(EXPIRED_AT_ONCE, self.pending.time.now_ms):
            self.pending.close(name)
        await self._correct()
        await self._withdraw()
        await self._import()

    async def _see_all(self) -> None:
        wall = datetime.fromtimestamp(self.clock.wall(), UTC)
        recent = wall - RESEND
        queried_ms = self.pending.time.now_ms - self.pending.oldest_seconds() * 1000
        oldest = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=queried_ms)
        since = _time(min(recent, oldest if len(self.pending) else recent) - SKEW)
        newest = await self.client.newest(self.project.number) or since
        self.ledger.begin()
        for filters in (untouched(), changed_since(since)):
            async for tasks in self.client.tasks(self.project.number, filters):
                await self._see(tasks, None if self._newest else recent)
        self.ledger.complete = True
        self._newest = newest  # what was changed since this was read is found by the next step

    async def _see_changes(self) -> None:
        since = _time(moment(self._newest) - OVERLAP)
        stamps = await self.client.stamps(self.project.number, changed_since(since))
        changed = [stamp.id for stamp in stamps if self._stamps.get(stamp.id) != stamp.updated_at]
        for begin in range(0, len(changed), BATCH_TASKS):
            chosen = these(changed[begin : begin + BATCH_TASKS])
            async for tasks in self.client.tasks(self.project.number, chosen):
                await self._see(tasks, None)
        self._newest = max((self._newest, *(stamp.updated_at for stamp in stamps)), key=moment)

    async def _see(self, tasks: Sequence[Task], not_before: datetime | None) -> None:
        """Take in tasks: send the labels of their annotations, then remember them.

        Args:
            tasks: The tasks.
            not_before: Annotations of closed queries that are older were sent before the start.
        """
        ours = [(key, task) for task in tasks if (key := query_key(task, self.settings.application))]
        records, kinds = list[Outgoing](), list[str]()
        for key, task in ours:
            self.ledger.place(key, task)
            for record, kind in self._news(key, task, not_before):
                records.append(record)
                kinds.append(kind)
            for annotation_id in self.ledger.deleted(task):
                self.metrics.deleted.inc()
                log.warning(
                    "an annotation was deleted; its label stays, since labels are not taken back",
                    id=key[0],
                    task=task.id,
                    annotation=annotation_id,
                )
        if records:
            await self.broker.send(records)
        for kind in kinds:
            self.metrics.labels.labels(kind).inc()
        for _, task in ours:
            self.ledger.note(task)
        for task in tasks:
            self._stamp(task)
        if records:
            log.info("labels sent", labels=len(records), changed=kinds.count("changed"))

    def _news(self, key: Key, task: Task, not_before: datetime | None) -> Iterator[tuple[Outgoing, str]]:
        """The labels to send for a task, each with its kind."""
        for annotation, changed in self.ledger.news(task):
            old = not_before is not None and moment(annotation.updated_at) < not_before
            if old and not self.is_open(key):
                continue
            if (label := self._label(key, task, annotation)) is None:
                continue
            if changed and corrects(task, annotation) and self.corrections.add(annotation.id, key, label):
                continue
            yield self._outgoing(label), "changed" if changed else "skip" if label.skipped else "label"

    async def _correct(self) -> None:
        """Send the corrections that wait; those that the service refuses become labels."""
        accepted, refused = await self.corrections.step(self.is_open)
        self.metrics.labels.labels("corrected").inc(accepted)
        if refused:
            await self.broker.send([self._outgoing(label) for label in refused.values()])
            self.corrections.sent(refused)
            self.metrics.labels.labels("changed").inc(len(refused))
        if accepted or refused:
            log.info("corrections sent", accepted=accepted, refused=len(refused))

    def _outgoing(self, label: Label) -> Outgoing:
        return Outgoing(self.settings.topics.labels, label.id.encode(), encode(label))

    def _label(self, key: Key, task: Task, annotation: Annotation) -> Label | None:
        try:
            label = label_of(key, annotation, guess_of(task))
        except BadMessage as error:
            self.metrics.unusable.labels(error.reason).inc()
            log.warning(
                "an annotation is no label", id=key[0], task=task.id, annotation=annotation.id, why=str(error)
            )
            return None
        self.classes.add(label.label)
        return label

    def _stamp(self, task: Task) -> None:
        self._stamps[task.id] = task.updated_at
        self._stamps.move_to_end(task.id)
        if len(self._stamps) > MOST_STAMPS:
            self._stamps.popitem(last=False)

    async def _withdraw(self) -> None:
        surplus = self.ledger.surplus
        tasks = self.ledger.withdrawable(self.is_open)
        for begin in range(0, len(tasks), BATCH_TASKS):
            chosen = tasks[begin : begin + BATCH_TASKS]
            count = await self.client.delete_untouched(self.project.number, chosen)
            second = min(count, len(surplus.intersection(chosen)))
            self.ledger.withdrawn(chosen)
            self.metrics.withdrawn.labels("duplicate").inc(second)
            self.metrics.withdrawn.labels("closed").inc(count - second)
            log.info("tasks withdrawn", tasks=count, second_tasks=second)

    # --- importing ------------------------------------------------------------------------------------------
    async def _import(self) -> None:
        """Import what there is room for, a page of the open queries at a time."""
        offset = 0
        while self.ledger.has_room and offset < self.ledger.ranks_needed():
            page = await self.pending.most_useful(BATCH_TASKS, offset, BATCH_BYTES)
            if not page:
                return
            offset += len(page)
            if queries := list(self.ledger.to_import(page)):
                await self._import_page(queries)
            await asyncio.sleep(0)

    async def _import_page(self, queries: Sequence[Query]) -> None:
        for query in queries:
            self.classes.add(query.prediction.label)
        shown = set().union(*(media(query) for query in queries))
        await self.project.extend(self.classes.labels(), shown)
        given, batch = self.settings, list[tuple[Query, dict[str, Any]]]()
        for query in queries:
            if not self.is_open(key_of(query)):
                continue  # it was closed while the configuration was extended
            try:
                predictions = given.label_studio.predictions
                task = task_of(query, given.application, self.project.shown, predictions=predictions)
            except BadMessage as error:
                self._refuse(query, str(error))
            else:
                batch.append((query, task))
            await asyncio.sleep(0)  # a large payload takes a while, and others want to run
        if batch:
            await self._import_batch(batch)

    async def _import_batch(self, batch: Sequence[tuple[Query, dict[str, Any]]]) -> None:
        try:
            ids = await self.client.import_tasks(self.project.number, [task for _, task in batch])
        except Refused as error:
            if len(batch) == 1:
                self._refuse(batch[0][0], str(error))
                return
            half = len(batch) // 2
            await self._import_batch(batch[:half])
            await self._import_batch(batch[half:])
            return
        except Exception:
            # It may have been done all the same: all tasks are listed before the next import.
            self.ledger.complete = False
            raise
        for (query, _), task in zip(batch, ids or [0] * len(batch), strict=True):
            self.ledger.imported(key_of(query), task)
        self.metrics.imported.inc(len(batch))
        log.info("tasks imported", tasks=len(batch), project=self.project.number)

    def _refuse(self, query: Query, why: str) -> None:
        self.ledger.refuse(key_of(query))
        self.metrics.refused.inc()
        log.warning("Label Studio does not take a query; it waits for other annotators", id=query.id, why=why)


def _time(at: datetime) -> str:
    """A time as Label Studio's filters read it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
