"""The consumer: it runs the commit protocol, so that no record is lost.

    1. read      at most N records
    2. decide    purely, chunk by chunk; the new states of the partitions are kept aside. A stage first waits
                 until everything is read that its decision depends on
    3. send      what was decided, and wait for every acknowledgement
    4. commit    the next offset and the new state of each partition, in one write
    5. apply     the new states are in force

What a failure leaves behind:

    after 1 or 2   nothing
    in 3           some records may have been sent: they are sent again under the same key
    in 4           all records were sent; the commit may have happened or not. Offset and state are one write,
                   so either both count or neither does, and the last commit wins
    after 4        the next owner of the partition reads state and offset back

After a failure in 3 or 4 the new states are dropped, the partitions are read again from the first offset of
the batch, and the loop backs off. After a rebalance (`Superseded`) they are dropped for good: the partition
belongs to another replica, and its committed state counts.

A state is loaded when its partition is first polled, not when the partition is assigned: errors in a
rebalance listener are swallowed, and reading continues before the listener has ended.

The *position* of the reader is committed (`service.broker.protocols`), so a batch may hold no record of a
partition and yet move its offset: past the markers of transactions, or past what was aborted or compacted.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import structlog

from stream_al.engine.recent import RecentShare
from stream_al.errors import BadMessage, NoSample, Superseded, Unavailable
from stream_al.service.broker.dead_letters import report_dead_letter
from stream_al.service.broker.protocols import Ack, Broker, Group, Outgoing, Position, Record
from stream_al.service.loops.partition import PartitionState
from stream_al.service.loops.stage import Stage, Work
from stream_al.service.telemetry.metrics import Metrics
from stream_al.service.telemetry.problems import Problems
from stream_al.service.timing.backoff import Backoff
from stream_al.service.timing.clock import Clock
from stream_al.service.timing.time_slices import TimeSlices
from stream_al.service.timing.watchdog import Progress
from stream_al.settings import LimitSettings

__all__ = ["Consumer"]

log = structlog.get_logger(__name__)


class Consumer:
    """Runs a stage over the records of a group.

    Args:
        stage: What to do with the records.
        group: Where they are read.
        broker: Where records are sent.
        limits: Sizes, deadlines and backoffs.
        metrics: Where batches and dead letters are counted.
        problems: Where dead letters are reported.
        clock: Where the time is read.
        on_step: Called with the name of every step of the protocol; tests place crashes there.

    Attributes:
        copy_of: Finds the copy of the state of a partition whose commit has none; None where there is none.
        partitions: The partitions whose states are loaded.
        committed: The last commit that this process made or read, of each partition that it has ever held.
        lag: Records not yet read, by partition held, when last measured.
        paused: Whether an operator has paused it.
        lost: Of the last records, with which ones something was lost.
        lost_why: What was lost last, and why.
        closing: Whether it ends after the batch that it works on.
        progress: What the watchdog knows of it.
    """

    def __init__(  # noqa: PLR0913 - the parts of the service that it works with
        self,
        stage: Stage,
        group: Group,
        broker: Broker,
        limits: LimitSettings,
        metrics: Metrics,
        problems: Problems,
        clock: Clock,
        on_step: Callable[[str], None] = lambda step: None,
    ) -> None:
        self.stage = stage
        self.group = group
        self.broker = broker
        self.limits = limits
        self.metrics = metrics
        self.problems = problems
        self.clock = clock
        self.on_step = on_step
        self.copy_of: Callable[[int], Awaitable[str]] | None = None
        self.partitions: dict[int, PartitionState] = {}
        self.committed: dict[int, Position] = {}
        self.lag: dict[int, int] = {}
        self.lost = RecentShare()
        self.lost_why = ""
        self.paused = False
        self.closing = False
        self.progress = Progress()
        self.backoff = Backoff(stage.name, limits, clock)
        self._generation = -1
        self._positions: dict[int, int] = {}
        self._batch_records = min(clock.pace.first_batch_records, limits.batch_records)
        self._time_slices = TimeSlices(clock)

    async def run(self) -> None:
        """Work on batches until `closing` is set; the batch in work is finished first."""
        while not self.closing:
            try:
                await self.step()
                self.backoff.succeeded()
            except Unavailable as error:
                self.progress.step(self.clock.monotonic())
                await self.backoff.failed(error)
            except Superseded as error:
                log.info("batch dropped", stage=self.stage.name, why=str(error))
                self.partitions.clear()
            self.progress.step(self.clock.monotonic())

    async def step(self) -> bool:
        """Work on one batch by the protocol above; false if there was nothing to read."""
        batch = await self._poll()  # 1
        if not batch:
            return False
        began = self.clock.monotonic()
        self.progress.move(began)
        try:
            if not await self._load(batch):
                self._rewind(batch)
                return False
            batch = {p: records for p, records in batch.items() if self._leads_on(p, records)}
            if not batch:
                return False
            work, after = await self._decide(batch)  # 2
            self._fit_batch()
            self._report("decided")
            acks = [await self._send(group) for group in work.sends]  # 3
            self._report("acknowledged")
            self._check_generation()
            positions = {p: Position(one.offset, self.stage.encode(one.state)) for p, one in after.items()}
            await self.group.commit(positions)  # 4
            self.committed |= positions
            self._report("committed")
        except (Unavailable, Superseded):
            self._rewind(batch)
            raise
        self.partitions |= after  # 5
        for number, partition in after.items():
            self._stop_if_poisoned(number, partition)
        work.applied(acks)
        self.metrics.batch_seconds.labels(self.stage.name).observe(self.clock.monotonic() - began)
        return True

    def pause(self) -> None:
        """Stop reading; partitions, heartbeats and states are kept."""
        self.paused = True
        self.group.pause(self.group.assignment())

    def resume(self) -> None:
        """Read again, also partitions that bad records had stopped."""
        self.paused = False
        for number, partition in self.partitions.items():
            if partition.stopped:
                self.group.seek(number, partition.offset)
            partition.resume()
        self.group.resume(self.group.assignment())

    def stopped(self) -> dict[int, str]:
        """The partitions that a run of bad records has stopped, and why."""
        return {number: one.stopped for number, one in self.partitions.items() if one.stopped}

    async def measure_lag(self) -> None:
        """Measure the lag, and tell the watchdog whether records wait. Raises Unavailable."""
        self.lag = await self.group.lag()
        self.progress.observe(self.clock.monotonic(), records_wait=bool(self.waiting()))

    def waiting(self) -> dict[int, int]:
        """The offset of each partition held in which records wait to be read; -1 before the first."""
        if self.paused:
            return {}
        readable = self.lag.keys() - self.stopped().keys()
        held = self.partitions
        return {p: held[p].offset if p in held else -1 for p in readable if self.lag[p]}

    async def _poll(self) -> dict[int, list[Record]]:
        """The next records by partition; empty if there are none to work on."""
        try:
            batch = await self.group.poll(self._batch_records, self.limits.poll_seconds)
        except Unavailable:
            if self._generation == self.group.generation:  # otherwise another replica may have continued
                for number, partition in self.partitions.items():  # the failed poll may have taken records
                    self.group.seek(number, partition.offset)
            raise
        if self._generation != self.group.generation:
            self.partitions.clear()
            self._generation = self.group.generation
        if self.paused:  # also what was assigned since, and what was fetched already
            self.group.pause(self.group.assignment())
            self._rewind(batch)
            return {}
        self._positions = self.group.positions()
        return {number: batch.get(number, []) for number in self._positions if self._moved(number, batch)}

    def _moved(self, number: int, batch: dict[int, list[Record]]) -> bool:
        """Whether a poll has moved a partition, or has found one whose state is not loaded."""
        return number not in self.partitions or self._leads_on(number, batch.get(number, []))

    def _leads_on(self, number: int, records: list[Record]) -> bool:
        """Whether the offset of a partition will rise: by records, or by a gap."""
        partition = self.partitions[number]
        return bool(records) or (not partition.stopped and partition.offset < self._positions[number])

    def _report(self, step: str) -> None:
        """Each step is progress of its own, since each may take as long as its deadline."""
        self.progress.step(self.clock.monotonic())
        self.on_step(step)

    async def _send(self, group: Sequence[Outgoing]) -> list[Ack]:
        self.progress.step(self.clock.monotonic())
        return await self.broker.send(group)

    async def _load(self, batch: dict[int, list[Record]]) -> bool:
        """Load the states of new partitions; false if one is not read from the offset of its state.

        That happens when a poll that failed has taken the records between. If there are none, the next poll
        shows it.
        """
        in_place = True
        begun: dict[int, Position] = {}
        loaded: dict[int, PartitionState] = {}
        for number, records in batch.items():
            if number not in self.partitions:
                await self.stage.take_over()
                position = await self.group.committed(number)
                self._check_generation()
                first = records[0].offset if records else self._positions[number]
                metadata = position.metadata if position else ""
                if not metadata and self.copy_of is not None:
                    last = self.committed.get(number)
                    metadata = await self.copy_of(number) or (last.metadata if last else "")
                    self._check_generation()
                state = self.stage.decode(number, metadata)
                if position is None:
                    begun[number] = Position(first, self.stage.encode(state))
                loaded[number] = PartitionState(state, position.offset if position else first)
                if metadata:
                    self.committed[number] = Position(loaded[number].offset, metadata)
                in_place = in_place and loaded[number].offset == first
        if begun:  # from now on the group has offsets: if they are gone one day, that is a loss
            await self.group.commit(begun)
        self.partitions |= loaded
        return in_place

    async def _decide(self, batch: dict[int, list[Record]]) -> tuple[Work, dict[int, PartitionState]]:
        """Let the stage decide about the good records, and make dead letters of the bad ones."""
        decision, time_slices = self.stage.begin(), self._time_slices
        unusable: list[tuple[Record, BadMessage]] = []
        after: dict[int, PartitionState] = {}
        for number, records in batch.items():
            partition = after[number] = replace(self.partitions[number])
            for chunk in time_slices.cut(records, self.stage.size):
                with time_slices.working():
                    good, bad = partition.take(chunk, self.stage.read(chunk), self.limits.bad_records)
                unusable += bad
                await self.stage.prepare(good)
                with time_slices.working():
                    partition.state = decision.decide(number, good, partition.state)
                await time_slices.over()
                if partition.errors.reached(self.limits.bad_records):
                    break
            else:
                partition.offset = max(partition.offset, self._positions[number])
        work = decision.work()
        first, *rest = work.sends or [[]]
        bad_ones = [(record, error) for record, error in unusable if not isinstance(error, NoSample)]
        letters = [self.stage.dead_letter(record, error) for record, error in bad_ones]

        def applied(acks: list[list[Ack]]) -> None:
            work.applied([acks[0][: len(first)], *acks[1:]])
            self._note([*work.lost, *(str(error) for _, error in bad_ones)])
            for record, error in bad_ones:
                self.metrics.dead_letters.labels(self.stage.name, error.reason).inc()
                report_dead_letter(self.problems, record, error)
            for _, error in unusable:
                if isinstance(error, NoSample):
                    self.metrics.skipped.labels(self.stage.name, error.reason).inc()

        return Work([[*first, *letters], *rest], applied), after

    def _note(self, lost: Sequence[str]) -> None:
        """Note what was lost with the last records."""
        self.lost.add(map(bool, lost))
        self.lost_why = next(filter(None, reversed(lost)), self.lost_why)

    def _stop_if_poisoned(self, number: int, partition: PartitionState) -> None:
        if partition.errors.reached(self.limits.bad_records):
            why = partition.stop()
            self.group.seek(number, partition.offset)  # the rest of the batch is read again then
            self.group.pause([number])
            log.error("partition stopped", topic=self.group.topic, partition=number, why=why)

    def _check_generation(self) -> None:
        if self.group.generation != self._generation:
            raise Superseded(f"the partitions of {self.group.topic} were assigned anew")

    def _rewind(self, batch: dict[int, list[Record]]) -> None:
        if self.group.generation == self._generation:
            for number, records in batch.items():
                partition = self.partitions.get(number)
                if partition or records:
                    self.group.seek(number, partition.offset if partition else records[0].offset)

    def _fit_batch(self) -> None:
        """Size the next batch so that its work takes about `batch_seconds`, without the time it waits."""
        self._time_slices.fit()
        each = self._time_slices.each
        if each > 0:
            allowed = min(self.limits.batch_records, int(self.limits.batch_seconds / each))
            self._batch_records = max(1, min(allowed, 2 * self._batch_records))
