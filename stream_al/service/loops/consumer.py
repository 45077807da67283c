"""The commit protocol: how a batch of records is worked on so that nothing is lost.

    1. read      at most N records
    2. decide    purely, stretch by stretch; the partitions' new states are in hand, not in force. What has
                 to be seen before is waited for first
    3. send      what was decided, and wait for every acknowledgement
    4. commit    next offset and new state of each partition, in one write
    5. apply     the new states are in force

What a failure leaves behind:

    after 1 or 2   nothing
    in 3           some records may have been sent: they are sent again under the same key
    in 4           all were sent; the commit may have happened or not. Offset and state are one write,
                   so either both count or neither, and the last one to commit wins
    after 4        the next owner of the partition reads state and offset back

After a failure in 3 or 4 the new states are dropped, the partitions are read again from the batch's
first offset, and the loop backs off. After a rebalance (`Superseded`) they are dropped for good: the
partition is another replica's, and its committed state counts.

States are loaded when a partition's first record is in hand, not when the partition is assigned: a
rebalance listener's errors are swallowed, and reading goes on before it has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any, Protocol

import structlog

from stream_al.engine.poison import ConsecutiveErrors
from stream_al.errors import BadMessage, Superseded, Unavailable
from stream_al.service.broker.dead_letters import dead_letter
from stream_al.service.broker.protocols import Ack, Broker, Group, Outgoing, Position, Record
from stream_al.service.telemetry.metrics import Metrics
from stream_al.service.timing.backoff import Backoff
from stream_al.service.timing.time_slices import FIRST, TimeSlices
from stream_al.settings import Settings

__all__ = ["BatchDecision", "Consumer", "Items", "Stage", "Work"]

log = structlog.get_logger(__name__)

Items = list[tuple[Record, Any]]
"""Records of a partition, and what each of them says."""


@dataclass(slots=True)
class Work:
    """What a stage decided about a batch.

    Attributes:
        sends: Records to send, in groups: a group is sent when all of the one before is acknowledged.
        applied: Called in step 5 with the acknowledgements of each group.
    """

    sends: Sequence[Sequence[Outgoing]]
    applied: Callable[[list[list[Ack]]], None]


class BatchDecision(Protocol):
    """What a stage has decided so far about a batch."""

    def decide(self, partition: int, items: Items, state: Any) -> Any:
        """Decide about the next records of a partition; its state after them. Applies nothing."""

    def work(self) -> Work:
        """All that was decided."""


class Stage(Protocol):
    """What a loop does with its records."""

    name: str

    def read(self, records: Sequence[Record]) -> Sequence[Any]:
        """What each record of a partition says; a BadMessage for one that cannot be used."""

    async def prepare(self, items: Items) -> None:
        """Wait for what the decision about them must have seen."""

    def begin(self) -> BatchDecision:
        """Begin with a batch."""

    def encode(self, state: Any) -> str:
        """A partition's state as the metadata of its commit."""

    def decode(self, partition: int, metadata: str) -> Any:
        """The state in a commit's metadata, a fresh one if there is none."""


@dataclass(slots=True)
class PartitionState:
    """A partition in hand: its state in force, its run of bad records, and the next offset."""

    state: Any
    offset: int
    streak: ConsecutiveErrors = field(default_factory=ConsecutiveErrors)
    stopped: str | None = None


class Consumer:
    """Runs a stage over the records of a group.

    Args:
        on_step: Called with the name of every step passed; tests place crashes there.

    Attributes:
        progress: When it last passed a step or came back from a failed one.
        moved: When it last read something, or there was nothing to read.
        waiting: When records were last seen waiting for it.
    """

    def __init__(
        self,
        stage: Stage,
        group: Group,
        broker: Broker,
        settings: Settings,
        metrics: Metrics,
        on_step: Callable[[str], None] = lambda step: None,
    ) -> None:
        self.stage = stage
        self.group = group
        self.broker = broker
        self.settings = settings
        self.metrics = metrics
        self.on_step = on_step
        self.held: dict[int, PartitionState] = {}
        self.generation = -1
        self.paused = False
        self.closing = False
        self.backoff = Backoff(stage.name, settings.limits)
        self._records = min(FIRST, settings.limits.batch_records)
        self._time_slices = TimeSlices()
        self.reset_watchdog()

    def reset_watchdog(self) -> None:
        """From here on progress is expected."""
        self.progress = self.moved = self.waiting = monotonic()

    async def run(self) -> None:
        """Work on batches until `closing` is set; the batch in hand is finished first."""
        while not self.closing:
            try:
                await self.step()
                self.backoff.succeeded()
            except Unavailable as error:
                self.progress = monotonic()
                await self.backoff.failed(error)
            except Superseded as error:
                log.info("batch dropped", stage=self.stage.name, why=str(error))
                self.held.clear()
            self.progress = monotonic()

    async def step(self) -> bool:
        """Work on one batch by the protocol above; false if nothing was there to read."""
        limits = self.settings.limits
        try:
            batch = await self.group.poll(self._records, limits.poll_seconds)  # 1
        except Unavailable:
            if self.generation == self.group.generation:  # else others may have gone on from there
                for partition, held in self.held.items():  # what a failed poll may have taken is read again
                    self.group.seek(partition, held.offset)
            raise
        if self.generation != self.group.generation:
            self.held.clear()
            self.generation = self.group.generation
        if self.paused:  # also what was assigned, or already fetched, since
            self.group.pause(self.group.assignment())
            self._rewind(batch)
            return False
        if not batch:
            return False
        began = self.moved = monotonic()
        try:
            if not await self._load(batch):
                self._rewind(batch)
                return False
            work, after = await self._decide(batch)  # 2
            self._fit()
            self._passed("decided")
            acks = [await self._send(group) for group in work.sends]  # 3
            self._passed("acknowledged")
            self._check_generation()
            await self.group.commit(
                {p: Position(held.offset, self.stage.encode(held.state)) for p, held in after.items()}
            )  # 4
            self._passed("committed")
        except (Unavailable, Superseded):
            self._rewind(batch)
            raise
        self.held |= after  # 5
        for partition, held in after.items():
            self._stop_if_poisoned(partition, held)
        work.applied(acks)
        self.metrics.batch_seconds.labels(self.stage.name).observe(monotonic() - began)
        return True

    def pause(self) -> None:
        """Stop reading; partitions, heartbeats and states are kept."""
        self.paused = True
        self.group.pause(self.group.assignment())

    def resume(self) -> None:
        """Read again, also partitions that bad records had stopped."""
        self.paused = False
        for partition, held in self.held.items():
            if held.stopped:
                self.group.seek(partition, held.offset)
            held.stopped, held.streak = None, ConsecutiveErrors()
        self.group.resume(self.group.assignment())

    def stopped(self) -> dict[int, str]:
        """Partitions that a run of bad records has stopped, and why."""
        return {partition: held.stopped for partition, held in self.held.items() if held.stopped}

    def _passed(self, step: str) -> None:
        """A step is a sign of life of its own: each may take as long as its deadline."""
        self.progress = monotonic()
        self.on_step(step)

    async def _send(self, group: Sequence[Outgoing]) -> list[Ack]:
        self.progress = monotonic()
        return await self.broker.send(group)

    async def _load(self, batch: dict[int, list[Record]]) -> bool:
        """Load the states of partitions new to us; false if one is not read from where its state was left.

        Then a poll that failed has taken what lies between; or nothing does, and the next poll says so.
        """
        placed = True
        for partition in batch:
            if partition not in self.held:
                position = await self.group.committed(partition)
                self._check_generation()
                first = batch[partition][0].offset
                state = self.stage.decode(partition, position.metadata if position else "")
                if position is None:
                    # From here on the group is known: should its offsets be gone one day, that is a loss.
                    await self.group.commit({partition: Position(first, self.stage.encode(state))})
                self.held[partition] = PartitionState(state, position.offset if position else first)
                placed = placed and self.held[partition].offset == first
        return placed

    async def _decide(self, batch: dict[int, list[Record]]) -> tuple[Work, dict[int, PartitionState]]:
        """Read what can be read, bury what cannot, and let the stage decide about the rest."""
        draft, time_slices = self.stage.begin(), self._time_slices
        unusable: list[tuple[Record, BadMessage]] = []
        after: dict[int, PartitionState] = {}
        for partition, records in batch.items():
            held = after[partition] = replace(self.held[partition])
            for chunk in time_slices.cut(records):
                with time_slices.working():
                    items = self._read(chunk, held, unusable)
                await self.stage.prepare(items)
                with time_slices.working():
                    held.state = draft.decide(partition, items, held.state)
                await time_slices.over()
                if held.streak.reached(self.settings.limits.bad_records):
                    break
        work = draft.work()
        first, *rest = work.sends or [[]]

        def applied(acks: list[list[Ack]]) -> None:
            work.applied([acks[0][: len(first)], *acks[1:]])
            for _, error in unusable:
                self.metrics.dead_letters.labels(self.stage.name, error.reason).inc()

        return Work([[*first, *(self.to_dead_letter(*one) for one in unusable)], *rest], applied), after

    def _read(
        self, records: Sequence[Record], held: PartitionState, unusable: list[tuple[Record, BadMessage]]
    ) -> Items:
        """What the good ones among some records say, up to where a run of bad ones stops the partition."""
        limit, unbroken, items = self.settings.limits.bad_records, ConsecutiveErrors(), []
        for record, said in zip(records, self.stage.read(records), strict=True):
            held.offset = record.offset + 1
            if isinstance(said, BadMessage):
                held.streak = held.streak.add(str(said))
                unusable.append((record, said))
                if held.streak.reached(limit):
                    break
            else:
                items.append((record, said))
                held.streak = unbroken
        return items

    def to_dead_letter(self, record: Record, error: BadMessage) -> Outgoing:
        """The dead letter for a record of this stage."""
        return dead_letter(record, self.stage.name, error, self.settings.topics.dead_letter_suffix)

    def _stop_if_poisoned(self, partition: int, held: PartitionState) -> None:
        if held.streak.reached(self.settings.limits.bad_records):
            held.stopped = (
                f"{held.streak.length} bad records in a row, the last one: {held.streak.last}; "
                "mend the input, then restart or POST /v1/resume"
            )
            self.group.seek(partition, held.offset)  # what follows in the batch is read again then
            self.group.pause([partition])
            log.error("partition stopped", topic=self.group.topic, partition=partition, why=held.stopped)

    def _check_generation(self) -> None:
        if self.group.generation != self.generation:
            raise Superseded(f"the partitions of {self.group.topic} were assigned anew")

    def _rewind(self, batch: dict[int, list[Record]]) -> None:
        if self.group.generation == self.generation:
            for partition, records in batch.items():
                held = self.held.get(partition)
                self.group.seek(partition, held.offset if held else records[0].offset)

    def _fit(self) -> None:
        """Size the next batch so that its work takes about `batch_seconds`, whatever it waits for."""
        self._time_slices.fit()
        limits, each = self.settings.limits, self._time_slices.each
        if each > 0:
            self._records = max(
                1, min(limits.batch_records, int(limits.batch_seconds / each), 2 * self._records)
            )
