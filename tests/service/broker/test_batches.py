"""The size of batches: it follows from the time that their work takes, not from the time that they wait."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from stream_al.errors import BadMessage
from stream_al.service.broker.dead_letters import dead_letter
from stream_al.service.broker.protocols import Outgoing, Record, Topic
from stream_al.service.loops.consumer import Consumer
from stream_al.service.loops.stage import Items, Work
from stream_al.service.telemetry.metrics import Metrics
from stream_al.service.telemetry.problems import Problems
from stream_al.service.timing.clock import Clock
from stream_al.settings import load
from tests.support.memory_broker import MemoryBroker
from tests.support.memory_client import MemoryClient


class StageClock(Clock):
    """A clock that moves only when a stage moves it.

    Attributes:
        shared: Whether other threads use the processor all the time, and this thread gets none of it.
    """

    now = 0.0
    shared = False

    def monotonic(self) -> float:
        return self.now

    def thread_time(self) -> float:
        return 0.0 if self.shared else self.now


class Slow:
    """A stage that takes a given time for its work on each record, and for its waiting in each batch."""

    name = "slow"

    def __init__(
        self, clock: StageClock, *, reading: float = 0, waiting: float = 0, deciding: float = 0
    ) -> None:
        self.clock = clock
        self.reading, self.waiting, self.deciding = reading, waiting, deciding
        self.batches: list[list[int]] = []

    def read(self, records: Sequence[Record]) -> Sequence[Any]:
        self.clock.now += self.reading * len(records)
        return [None] * len(records)

    def size(self, record: Record) -> int:
        return len(record.value or b"")

    async def prepare(self, items: Items) -> None:
        self.clock.now += self.waiting

    async def take_over(self) -> None:
        """Nothing: there is no last owner."""

    def begin(self) -> Slow:
        self.batches.append([])
        return self

    def decide(self, partition: int, items: Items, state: Any) -> Any:
        self.batches[-1].append(len(items))
        self.clock.now += self.deciding * len(items)
        return state

    def work(self) -> Work:
        return Work([], lambda acks: None)

    def dead_letter(self, record: Record, error: BadMessage) -> Outgoing:
        return dead_letter(record, self.name, error, ".dlq")

    def encode(self, state: Any) -> str:
        return ""

    def decode(self, partition: int, metadata: str) -> Any:
        return None


async def sizes(clock: StageClock, stage: Slow, batches: int, most: int = 100) -> list[int]:
    settings = load(None, [f"limits.batch_records={most}", "limits.batch_seconds=0.02"])
    broker = MemoryBroker()
    log = MemoryClient(broker)
    await log.create_topics([Topic("t", 1, 1, {})])
    for number in range(2 * most * batches):
        broker.append(Outgoing("t", b"k", str(number).encode()))
    group = log.group("g", "t", "earliest")
    await group.start()
    metrics = Metrics("test")
    consumer = Consumer(stage, group, log, settings.limits, metrics, Problems(metrics, clock), clock)
    for _ in range(batches):
        await consumer.step()
    return [sum(batch) for batch in stage.batches]


@pytest.fixture
def clock() -> StageClock:
    return StageClock()


async def test_waiting_does_not_shrink_batches(clock: StageClock) -> None:
    """Small batches wait more often. So a slow broker would make a stage slower and slower."""
    assert await sizes(clock, Slow(clock, waiting=5.0, reading=1e-6), 6) == [100] * 6


async def test_a_busy_processor_does_not_shrink_batches(clock: StageClock) -> None:
    """Small batches cost as much as large ones. So they would waste time just when there is little."""
    clock.shared = True
    assert await sizes(clock, Slow(clock, reading=2**-9), 4) == [100] * 4


@pytest.mark.parametrize("work", ["reading", "deciding"])
async def test_slow_work_shrinks_batches_to_the_time_that_is_set(clock: StageClock, work: str) -> None:
    assert await sizes(clock, Slow(clock, **{work: 2**-9}), 4) == [100, 10, 10, 10]


async def test_the_first_batches_are_small_and_double(clock: StageClock) -> None:
    """The time per sample is unknown at first, so the size is found by doubling."""
    found = await sizes(clock, Slow(clock, reading=2**-14), 4, most=1000)
    assert found == [100, 200, 327, 327]


async def test_other_tasks_run_while_a_batch_is_worked_on(clock: StageClock) -> None:
    """A heartbeat, a response or a label does not wait until a large batch is done."""
    stage = Slow(clock, reading=2**-13, deciding=2**-13)
    waited: list[float] = []

    async def other() -> None:
        while True:
            before = clock.now
            await asyncio.sleep(0)
            waited.append(clock.now - before)

    task = asyncio.create_task(other())
    await sizes(clock, stage, 4, most=1000)
    task.cancel()
    assert stage.batches == [
        [clock.pace.first_chunk_records],
        *[[40, 40, 1]] * 3,
    ]  # at first the time per record is unknown
    worked = [seconds for seconds in waited if seconds > 0.0]
    assert len(worked) >= 7
    assert max(worked[1:]) <= clock.pace.slice_seconds


async def test_waiting_does_not_shorten_the_time_slices(clock: StageClock) -> None:
    """Each slice has a cost. So a slow broker would make the work dearer."""
    stage = Slow(clock, waiting=5.0, reading=2**-15)
    await sizes(clock, stage, 6)
    assert stage.batches == [[100]] * 6
