"""The service checks its model against the first samples: once, in the log and in the status."""

from __future__ import annotations

from typing import Any

import structlog

from stream_al.service.http.status import status
from stream_al.service.model import check
from tests.support.replica import Replica
from tests.support.world import MakeWorld, World

MIXED = (
    "model.definition=(SelectType(Number) | StandardScaler()) + (SelectType(str) | OneHotEncoder()) "
    "| GaussianNB()"
)


def payments(number: int) -> list[dict[str, Any]]:
    return [
        {"id": f"p{n}", "amount": n * 37 % 101 / 7, "merchant": f"m{n % 3}\x1b[2J"} for n in range(number)
    ]


async def checked(
    world: World, number: int, check_seconds: float = 0.05
) -> tuple[Replica, list[dict[str, Any]]]:
    """A replica that has read so many samples and checked its model; and what it logged about that."""
    world.at_pace(check_seconds=check_seconds)
    with structlog.testing.capture_logs() as logged:
        replica = await world.start()
        await world.send(world.topics.samples, payments(number))
        await world.until(lambda: replica.app.model_check.findings is not None, "the model is checked")
    return replica, [dict(line) for line in logged if line["event"] == "model check"]


async def test_a_model_that_cannot_take_the_stream_is_told_before_a_label_is_paid_for(
    memory_world: MakeWorld,
) -> None:
    world = await memory_world("model.definition=StandardScaler() | LogisticRegression()")
    replica, logged = await checked(world, 30)
    (finding,) = status(replica.app)["model_check"]["findings"]
    assert (finding["severity"], finding["about"]) == ("error", "model")
    assert "merchant" in finding["text"]
    assert "OneHotEncoder()" in finding["text"]
    assert [(line["log_level"], line["finding"]) for line in logged] == [("warning", finding["text"])]
    assert await world.examples() == []


async def test_a_model_that_can_take_the_stream_gives_no_line(memory_world: MakeWorld) -> None:
    for definition in (MIXED, "model.definition=auto"):
        world = await memory_world(definition)
        replica, logged = await checked(world, 30)
        assert status(replica.app)["model_check"]["findings"] == []
        assert logged == []


async def test_the_check_is_made_once_on_a_bounded_number_of_samples_and_changes_no_model(
    memory_world: MakeWorld,
) -> None:
    world = await memory_world(MIXED)
    replica, _ = await checked(world, 3 * check.MAX_SAMPLES, check_seconds=3600)
    found = replica.app.model_check.findings
    before = replica.digest
    more = {one["id"] for one in await world.samples(50)}

    async def decided() -> bool:
        return await world.decided() >= more

    await world.until(decided, "more samples are decided")
    assert replica.app.model_check.findings is found
    assert status(replica.app)["model_check"]["samples"] == check.MAX_SAMPLES
    assert (replica.digest, replica.app.local_model.model.examples) == (before, 0)


async def test_the_status_has_no_findings_before_the_first_sample(memory_world: MakeWorld) -> None:
    world = await memory_world(MIXED)
    replica = await world.start()
    assert status(replica.app)["model_check"] is None
