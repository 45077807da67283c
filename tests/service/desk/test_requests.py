"""What people ask for by hand is asked for, whatever happens to their replica; or the loss is said."""

from __future__ import annotations

from typing import Any

from stream_al.service.desk.requests import LABEL, RELABEL
from stream_al.service.telemetry.problems import Kind
from tests.support.http_client import client_of
from tests.support.replica import Replica
from tests.support.world import MakeWorld, World

SHARE = "budget.share=0.2"


async def asked(replica: Replica, path: str, body: dict[str, Any]) -> dict[str, Any]:
    async with client_of(replica) as client:
        response = await client.post(path, json=body)
    assert response.status_code == 202, response.text
    found: dict[str, Any] = response.json()
    return found


async def free(world: World, replica: Replica, number: int) -> tuple[int, str]:
    """The number and the id of a sample that has no query."""
    await world.samples(number)
    await world.until(lambda: replica.app.desk.recent.total >= number, "all are kept")
    queried = {one["id"] for one in await world.queries()}
    kept = next(one for one in replica.app.desk.recent if one.arrival.id not in queried)
    return kept.number, kept.arrival.id


async def over(world: World, prefix: bytes) -> bool:
    """Whether no request waits, by the topic."""
    last = {one.key: one.value for one in await world.records(world.topics.control)}
    return not any(value for key, value in last.items() if (key or b"").startswith(prefix))


def requests(replica: Replica) -> list[str]:
    """The reasons for which requests were given up."""
    return [one.reason for one in replica.app.problems if one.kind is Kind.REQUEST]


async def test_a_label_asked_for_by_hand_survives_a_restart(make_world: MakeWorld) -> None:
    """It is bought once, in the place of another one, and is over then."""
    world = await make_world(SHARE)
    replica = await world.start("a")
    number, sample_id = await free(world, replica, 20)
    assert (await asked(replica, "/v1/explore/ask", {"numbers": [number]}))["asked"] == 1
    await replica.stop()
    second = await world.start("b")
    await world.until(lambda: len(second.app.selection.asked) == 1, "it waits again")
    await world.samples(40, 20)

    async def bought() -> bool:
        return [one["id"] for one in await world.queries() if one["reason"] == "manual"] == [sample_id]

    await world.until(bought, "its label is asked for")
    await world.until(lambda: over(world, LABEL), "it waits no longer")
    assert not second.app.selection.asked
    assert not requests(second)


async def test_another_look_asked_for_by_hand_survives_a_restart(make_world: MakeWorld) -> None:
    world = await make_world(SHARE)
    replica = await world.start("a")
    await world.settle([one["id"] for one in await world.samples(20)])
    chosen = (await world.examples())[0]["id"]
    assert (await asked(replica, "/v1/quality/relabel", {"ids": [chosen]}))["asked"] == 1
    await replica.stop()
    second = await world.start("b")
    await world.until(lambda: chosen in second.app.selection.second.by_hand, "it waits again")
    await world.samples(60, 20)

    async def bought() -> bool:
        return f"{chosen}~2" in {one["id"] for one in await world.queries()}

    await world.until(bought, "another annotator is asked")
    await world.until(lambda: over(world, RELABEL), "it waits no longer")
    assert not requests(second)


async def test_a_request_that_cannot_be_kept_is_said(memory_world: MakeWorld) -> None:
    """The samples hold the sample no longer, or the model does not know it: a problem, and it is over."""
    world = await memory_world(SHARE)
    record = {"id": "gone", "asked_at": "2026-01-01T00:00:00.000Z"}
    await world.send(world.topics.control, [record], keys=[b"label:0:999"])
    await world.send(world.topics.control, [record], keys=[b"relabel:gone"])
    replica = await world.start("a")
    await world.samples(40)
    await world.until(lambda: {"sample_gone", "cannot_relabel"} <= set(requests(replica)), "both are said")
    await world.until(lambda: over(world, b""), "both are over")


async def test_records_that_are_no_requests_are_passed_over(memory_world: MakeWorld) -> None:
    world = await memory_world(SHARE)
    good = {"id": "s", "asked_at": "2026-01-01T00:00:00.000Z"}
    for key, value in (("label:x:1", good), ("label:1", good), ("relabel:", good), ("relabel:a", {"id": 3})):
        await world.send(world.topics.control, [value], keys=[key.encode()])
    replica = await world.start("a")
    assert len(replica.app.requests) == 0
    assert replica.app.ready
