"""The log's time: a timestamp that a producer made counts only near the broker's time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_al.engine.labels.expiry import credible
from stream_al.service.broker.protocols import Ack, Record
from stream_al.service.loops.log_time import LogTime
from stream_al.settings import Settings
from tests.service.hands import Hands
from tests.support.oracles import broker_of
from tests.support.world import MakeWorld

STAMPS = st.integers(0, 2**62)
HOUR = 3_600_000


@given(stamp=STAMPS, broker=STAMPS, ahead=st.integers(0, 2**40))
def test_no_timestamp_counts_for_more_than_the_bound(stamp: int, broker: int, ahead: int) -> None:
    counts = credible(stamp, broker, ahead)
    assert counts <= broker + ahead
    assert counts == stamp or stamp > broker + ahead


def record(timestamp_ms: int, *, by_broker: bool) -> Record:
    return Record("samples", 0, 0, timestamp_ms, None, b"", (), by_broker)


def test_the_time_of_the_broker_passes_by_the_monotonic_clock_and_its_records_correct_it() -> None:
    clock = Hands()
    time = LogTime(Settings().limits, clock)
    time.begin(Ack(0, 0, 10 * HOUR))
    assert time.see(record(11 * HOUR, by_broker=False)) == 11 * HOUR
    assert time.see(record(11 * HOUR + 1, by_broker=False)) == 10 * HOUR, "further ahead than an hour"
    clock.seconds = 3600.0
    assert time.see(record(12 * HOUR, by_broker=False)) == 12 * HOUR, "an hour has passed since"
    assert time.see(record(30 * HOUR, by_broker=True)) == 30 * HOUR, "the broker's own is the time"
    assert time.see(record(31 * HOUR, by_broker=False)) == 31 * HOUR
    assert time.see(record(5, by_broker=False)) == 5
    assert time.now_ms == 31 * HOUR, "time does not go back"


@pytest.mark.parametrize("ahead_ms", [2 * HOUR, 10**12, 10**15, 2**62])
@pytest.mark.parametrize("number", [1, 30])
async def test_no_query_expires_by_a_timestamp_from_the_future(
    memory_world: MakeWorld, ahead_ms: int, number: int
) -> None:
    """Not by one, and not by a whole stream of them, at the very start or later; labels count as ever."""
    world = await memory_world("budget.share=0.5", "budget.per_hour=1000", "queries.life_hours=1.5")
    broker = broker_of(world)
    world.at_pace(expiry_seconds=0.02)
    broker.producer_ahead_ms = ahead_ms
    await world.samples(number)
    replica = await world.start()
    broker.producer_ahead_ms = None
    await world.samples(40, start=100)
    await world.until(lambda: replica.metric("pending_queries") >= 20, "queries are pending")
    broker.producer_ahead_ms = ahead_ms
    await world.samples(number, start=1000)
    asked: Any = sorted(q["id"] for q in await world.queries())
    for sample_id in asked:
        await world.label(sample_id)
    broker.producer_ahead_ms = None
    await world.settle([s["id"] for s in await world.samples(40, start=2000)])
    assert replica.metric("expired_queries_total") == replica.metric("labels_total", outcome="expired") == 0
    assert replica.metric("problems_total", kind="clock", reason="timestamp_ahead") >= 2 * number
    hours = {one.state.spent.hour for one in replica.app.select.partitions.values()}
    assert max(hours) <= broker.now_ms // HOUR + 1


async def test_a_label_from_the_future_is_learned(memory_world: MakeWorld) -> None:
    world = await memory_world()
    replica = await world.start()
    await world.ask("q")
    broker_of(world).producer_ahead_ms = 10**15
    await world.label("q")
    await world.until(lambda: replica.offset == 1, "the label is learned")
