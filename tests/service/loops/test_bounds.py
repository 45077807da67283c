"""What records may cost has bounds: in bytes of memory, and in time on the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest

from stream_al.messages import Example
from stream_al.service.broker.protocols import Record
from stream_al.service.timing.clock import Clock
from stream_al.service.timing.time_slices import TimeSlices
from tests.support.replica import Replica
from tests.support.stream import sample, truth
from tests.support.world import MakeWorld, World

FEW_BYTES = ["queries.max_pending_bytes=5000", "budget.share=0.9", "limits.batch_records=4"]


class SlowClock(Clock):
    """By this clock each piece of work takes longer than a slice."""

    def __init__(self) -> None:
        super().__init__()
        self.worked = self.passed = 0.0

    def thread_time(self) -> float:
        self.worked += 1.0
        return self.worked

    def monotonic(self) -> float:
        return super().monotonic() + self.passed


class Rounds:
    """Counts the rounds of the event loop."""

    def __init__(self) -> None:
        self.number = 0
        self.task = asyncio.create_task(self._count())

    async def _count(self) -> None:
        while True:
            self.number += 1
            await asyncio.sleep(0)


async def test_selection_pauses_while_the_pending_queries_take_their_bytes(memory_world: MakeWorld) -> None:
    world = await memory_world(*FEW_BYTES)
    replica = await world.start()
    made = await world.samples(60)
    await world.until(lambda: replica.app.pending.taken_bytes > 3000, "queries are pending")
    await world.until(lambda: _all_decided(world, made), "all samples are decided")
    batch = 4 * 1500  # one batch may go beyond
    assert replica.app.pending.taken_bytes <= 5000 + batch
    before = len(await world.queries())
    assert before < 20
    await world.label_queries()
    await world.until(lambda: not replica.app.pending, "the labels make room")
    assert replica.app.pending.taken_bytes == 0
    await world.samples(20, 60)
    await world.until(lambda: _more_than(world, before), "selection goes on")


async def test_large_samples_are_decided_one_by_one_from_the_first_batch_on(memory_world: MakeWorld) -> None:
    """The first chunk has many records, because nothing is known yet of how long one takes."""
    world = await memory_world("limits.batch_records=50")
    replica = await world.start()
    select, read = replica.app.selection, list[int]()
    whole = select.read

    def counted(records: Sequence[Record]) -> Any:
        read.append(sum(len(record.value or b"") for record in records) if len(records) > 1 else 0)
        return whole(records)

    select.read = counted  # type: ignore[method-assign]
    made = [{"id": f"s{n}", "features": {"x": n, "text": "w" * 60_000}} for n in range(20)]
    await world.send(world.topics.samples, made)
    await world.until(lambda: _all_decided(world, made), "all samples are decided")
    assert max(read) <= world.clock.pace.chunk_bytes


async def test_with_many_classes_few_samples_are_decided_at_once(memory_world: MakeWorld) -> None:
    """Each is scored for every class: a hundred samples of a thousand classes took a fifth of a second."""
    world = await memory_world("limits.batch_records=50")
    replica = await world.start()
    read = counting(replica)
    for number in range(1000):
        replica.app.local_model.model.learn({"x": float(number)}, f"class {number}")
    made = [{"id": f"s{n}", "features": {"x": n}} for n in range(20)]
    await world.send(world.topics.samples, made)
    await world.until(lambda: _all_decided(world, made), "all samples are decided")
    assert max(read) <= world.clock.pace.chunk_bytes // 20_000


@pytest.mark.parametrize("strategy", ["error_reduction", "margin * model_change"])
async def test_a_strategy_that_copies_the_model_takes_one_sample_at_a_time(
    memory_world: MakeWorld, strategy: str
) -> None:
    """From the first sample on, though the ones before the model was ready took no time."""
    world = await memory_world(
        f"strategy={strategy}", "model.definition=GaussianNB()", "limits.batch_records=50"
    )
    replica = await world.start()
    read = counting(replica)
    made = await world.samples(20)
    await world.until(lambda: _all_decided(world, made), "all samples are decided")
    assert set(read) <= {0, 1}


async def test_samples_of_a_river_model_take_longer_with_each_class(memory_world: MakeWorld) -> None:
    """Several samples of 600 features and 150 classes, of which each took 55 ms, were scored at once."""
    world = await memory_world("model.definition=GaussianNB()", "limits.batch_records=50")
    replica = await world.start()
    features = {f"n{place}": place / 7 for place in range(60)}
    for number in range(80):
        replica.app.local_model.model.learn(features, f"class {number}")
    await world.send(world.topics.samples, [{"id": f"s{n}", "features": features} for n in range(60)])
    records = await world.records(world.topics.samples)
    chunk = next(TimeSlices(world.clock).cut(records, replica.app.selection.size))
    assert len(chunk) * 60 * 80 <= 60_000, "no more than the largest record alone"


async def test_large_labels_are_judged_one_by_one_from_the_first_batch_on(memory_world: MakeWorld) -> None:
    """A label may bring features of its own, as many bytes as a sample."""
    world = await memory_world("limits.batch_records=50", "labels.unsolicited=true")
    replica = await world.start()
    intake, read = replica.app.intake.stage, list[int]()
    whole = intake.read

    def counted(records: Sequence[Record]) -> Any:
        read.append(sum(len(record.value or b"") for record in records) if len(records) > 1 else 0)
        return whole(records)

    intake.read = counted  # type: ignore[method-assign]
    made = [{"id": f"s{n}", "label": "up", "features": {"text": "w" * 60_000}} for n in range(20)]
    await world.send(world.topics.labels, made)
    await world.until(lambda: _learned(world, 20), "all labels are joined")
    assert max(read) <= world.clock.pace.chunk_bytes


async def _learned(world: World, number: int) -> bool:
    return len(await world.examples()) == number


def counting(replica: Replica) -> list[int]:
    """How many samples were scored at once, each time."""
    select, read = replica.app.selection, list[int]()
    whole = select.read

    def counted(records: Sequence[Record]) -> Any:
        read.append(len(records))
        return whole(records)

    select.read = counted  # type: ignore[method-assign]
    return read


async def test_queries_of_others_are_read_up_to_a_bound_and_reported_beyond_it(
    memory_world: MakeWorld,
) -> None:
    world = await memory_world("queries.max_pending_bytes=5000")
    replica = await world.start()
    pending = replica.app.pending
    await world.ask(*(f"q{number}" for number in range(60)))

    def all_read() -> bool:
        passed_over = sum(one.count for one in replica.app.problems if one.reason == "no_room")
        return 0 < passed_over == 60 - len(pending)

    await world.until(all_read, "some are passed over")
    assert 5000 < pending.taken_bytes <= 2 * 5000
    known = [f"q{n}" for n in range(60) if f"q{n}" in pending]
    assert 0 < len(known) < 60
    for sample_id in known:
        pending.close(sample_id)
    await world.ask("later")
    await world.until(lambda: "later" in pending, "there is room again")


def _reasons(replica: Replica) -> set[str]:
    return {problem.reason for problem in replica.app.problems}


async def _all_decided(world: World, made: list[dict[str, Any]]) -> bool:
    return await world.decided() >= {one["id"] for one in made}


async def _more_than(world: World, number: int) -> bool:
    return len(await world.queries()) > number


async def test_the_loop_goes_round_between_two_records_that_take_longer_than_a_slice() -> None:
    rounds, at = Rounds(), list[int]()
    async for _ in TimeSlices(SlowClock()).one_by_one(range(20)):
        at.append(rounds.number)
    rounds.task.cancel()
    with suppress(asyncio.CancelledError):
        await rounds.task
    assert all(later > earlier for earlier, later in pairwise(at))


async def test_a_slow_model_gives_a_sign_of_life_with_each_example(memory_world: MakeWorld) -> None:
    """Other tasks run between two examples of one batch, and the watchdog sees each of them."""
    world = await memory_world("limits.batch_records=500")
    clock = world.clock = SlowClock()
    replica = await world.start()
    rounds, at, still = Rounds(), list[int](), list[float]()
    model = replica.app.local_model

    def slow(example: Example) -> None:
        at.append(rounds.number)
        still.append(model.progress.standstill(clock.monotonic()))
        clock.passed += 30.0

    model.on_example = slow
    samples = [sample(number) for number in range(12)]
    await world.send(
        world.topics.examples, [{**one, "label": truth(one["features"]), "reason": "seed"} for one in samples]
    )
    await world.until(lambda: len(at) == 12, "all are learned")
    rounds.task.cancel()
    assert len(set(at)) == 12, "no two examples in one round of the loop"
    assert max(still) < 60.0, "the watchdog would have ended the process"
