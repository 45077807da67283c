"""The budget changed at run time: by all replicas, for good, and to the letter; on both logs."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import msgspec
import pytest

from stream_al.errors import Misconfigured
from stream_al.service.http.operators import changes
from stream_al.service.http.operators.changes import change_settings, settings_in_force
from stream_al.service.http.status import status
from tests.support.flow import decided
from tests.support.replica import Replica
from tests.support.world import MakeWorld, World


def share(replica: Replica) -> float:
    """The share that is in force."""
    found = replica.app.selection.selector.manager.share
    assert found == status(replica.app)["budget"]["share"] == replica.metric("budget_share_ratio")
    return found


async def test_a_change_applies_to_all_replicas_and_after_a_restart(make_world: MakeWorld) -> None:
    world = await make_world("budget.per_hour=9")
    a, b = await world.start("a"), await world.start("b")
    said = await change_settings(a.app, {"budget": {"share": 0.5, "pending": 7}}, "ann")
    assert said == {"budget.share": {"from": 0.2, "to": 0.5}, "budget.pending": {"from": 10_000, "to": 7}}
    assert share(a) == 0.5
    await world.until(lambda: share(b) == 0.5, "b has heard of it")
    assert (b.metric("pending_queries_limit"), b.app.selection.selector.caps.per_hour) == (7, 9)
    found = settings_in_force(b.app)
    assert found == settings_in_force(a.app)
    assert found["changed"] == {"budget": {"share": 0.5, "pending": 7}}
    assert found["configured"]["budget"]["share"] == 0.2
    assert (found["by"], found["changed_at"] is None) == ("ann", False)
    await a.stop()
    await b.stop()
    again = await world.start("a")
    assert share(again) == 0.5
    assert settings_in_force(again.app) == found
    await change_settings(again.app, {"budget": {"share": None, "total": 3}}, None)
    assert share(again) == 0.2
    assert settings_in_force(again.app)["changed"] == {"budget": {"pending": 7, "total": 3}}


async def test_simultaneous_changes_by_two_replicas_all_hold(make_world: MakeWorld) -> None:
    """Each change is merged with the other. For the same member all replicas agree on one value."""
    world = await make_world()
    a, b = await world.start("a"), await world.start("b")
    for number in range(1, 6):
        await asyncio.gather(
            change_settings(a.app, {"budget": {"pending": number, "total": 10}}, "a"),
            change_settings(b.app, {"budget": {"per_hour": number, "total": 20}}, "b"),
        )
        for replica in (a, b):
            await replica.app.control.catch_up()
            members = replica.app.control.members
            assert (members["pending"], members["per_hour"]) == (number, number)
        assert a.app.control.members == b.app.control.members


async def test_a_mistake_changes_nothing(make_world: MakeWorld) -> None:
    world = await make_world()
    a = await world.start("a")
    with pytest.raises(Misconfigured, match=r"budget\.share: write a number"):
        await change_settings(a.app, {"budget": {"share": 7, "pending": 5}}, None)
    assert await world.changes() == []
    assert settings_in_force(a.app)["changed"] == {"budget": {}}


async def asked_of(world: World, start: int, number: int) -> list[int]:
    """The number of queries for a range of samples, by partition."""
    places = {(r.key or b"").decode(): r.partition for r in await world.records(world.topics.samples)}
    ids = {f"s{n}" for n in range(start, start + number)}
    asked = {q["id"] for q in await world.queries()} & ids
    return [sum(places[i] == p for i in asked) for p in range(world.topics.partitions)]


async def test_the_budget_is_kept_before_and_after_a_change(make_world: MakeWorld) -> None:
    """This holds for every partition and for the samples under each share. The metric follows the share."""
    world = await make_world("budget.pending=100000")
    replica, start, asked = await world.start("a"), 0, 0.0
    for new in (0.2, 0.5, 0.1):
        await change_settings(replica.app, {"budget": {"share": new}}, None)
        await world.samples(120, start=start)
        await world.until(lambda: decided(world, start + 120), "all are decided")  # noqa: B023 - now
        places = [r.partition for r in (await world.records(world.topics.samples)) if is_in(r, start)]
        for partition, bought in enumerate(await asked_of(world, start, 120)):
            assert abs(bought - new * places.count(partition)) <= 1
        start, asked = start + 120, asked + 120 * new
        counted = partial(replica.metric, "budget_asked_labels_total")
        await world.until(lambda: counted() == pytest.approx(asked), "the budget is counted")  # noqa: B023 - now


def is_in(record: Any, start: int) -> bool:
    return start <= int((record.key or b"").decode().removeprefix("s")) < start + 120


async def test_a_lower_cap_on_pending_queries_binds_at_once(make_world: MakeWorld) -> None:
    world = await make_world("budget.share=0.5")
    replica = await world.start()
    await change_settings(replica.app, {"budget": {"pending": 3}}, None)
    await world.samples(60)
    await world.until(lambda: decided(world, 60), "all are decided")
    assert len(await world.queries()) == 3
    await change_settings(replica.app, {"budget": {"pending": 6}}, None)
    await world.samples(60, start=60)
    await world.until(lambda: decided(world, 120), "all are decided")
    assert len(await world.queries()) == 6


HOSTILE: list[tuple[bytes, bytes, str]] = [
    (b"settings", b"{", "not_json"),
    (b"settings", b'{"more": ' + b"[" * 5000, "too_deep"),
    (b"settings", b'{"budget": {"share": 7}, "changed_at": ""}', "bad_fields"),
    (b"settings", b'{"budget": {"share": "1"}, "changed_at": ""}', "bad_fields"),
    (b"settings", b'{"budget": {"pending": 99999999999}, "changed_at": ""}', "bad_fields"),
    (b"settings", b'{"budget": [], "changed_at": ""}', "bad_fields"),
    (b"settings", b" " * 200_000, "too_large"),
    (b"model", b'{"voided": [[-1, 5]], "changed_at": ""}', "bad_fields"),
    (b"model", b'{"voided": [[0, 99999999999999999999]], "changed_at": ""}', "bad_fields"),
    (b"model", b'{"voided": "all", "changed_at": ""}', "bad_fields"),
    (b"model", msgspec.json.encode({"voided": [[0, 1]] * 101, "changed_at": ""}), "bad_fields"),
    (b"other", b'{"budget": {"share": 1}, "changed_at": ""}', "unknown_key"),
    (b"", b'{"budget": {"share": 1}, "changed_at": ""}', "unknown_key"),
]


async def test_an_unusable_record_on_the_control_topic_changes_nothing(make_world: MakeWorld) -> None:
    world = await make_world()
    replica = await world.start()
    await change_settings(replica.app, {"budget": {"share": 0.5}}, None)
    for key, value, _ in HOSTILE:
        await world.send(world.topics.control, [value], [key])
    await replica.app.control.catch_up()
    assert share(replica) == 0.5
    assert not replica.app.local_model.excluded.ranges
    for reason in {reason for _, _, reason in HOSTILE}:
        number = sum(reason == other for _, _, other in HOSTILE)
        assert replica.metric("dead_letters_total", stage="control", reason=reason) == number
    await change_settings(replica.app, {"budget": {"share": 0.3}}, None)
    assert share(replica) == 0.3
    await world.send(world.topics.control, [None], [b"settings"])
    await replica.app.control.catch_up()
    assert share(replica) == 0.2, "a null means that nothing is changed"


async def test_compacting_the_control_topic_changes_nothing(memory_world: MakeWorld) -> None:
    world = await memory_world()
    a = await world.start("a")
    for new in (0.3, 0.4, 0.5):
        await change_settings(a.app, {"budget": {"share": new}}, None)
    await changes.roll_back(a.app, 0, None)
    assert world.broker is not None
    world.broker.compact(world.topics.control)
    b = await world.start("b")
    assert (share(b), b.app.local_model.excluded) == (0.5, a.app.local_model.excluded)
