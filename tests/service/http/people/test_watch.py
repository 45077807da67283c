"""The figures of the page Watch."""

from __future__ import annotations

from typing import Any

import pytest

from stream_al.service.desk.figures import SECONDS
from tests.support.http_client import Open


async def test_a_point_says_what_the_status_says(opened: Open) -> None:
    world, replica, client = await opened("model.definition=auto")
    await world.settle(
        [s["id"] for s in await world.samples(60)]
    )  # the model knows no class at their queries
    await world.settle([s["id"] for s in await world.samples(60, 60)])
    await world.until(lambda: replica.app.metrics.samples.labels("pass", "below"), "counted")
    figures = replica.app.desk.figures

    async def point() -> dict[str, Any]:
        figures.take()
        last: dict[str, Any] = (await client.get("/v1/watch")).json()["points"][-1]
        return last

    async def complete() -> bool:
        found = await point()
        return [found[name] for name in ("labels", "queries", "examples", "samples")] == [24, 24, 24, 120]

    await world.until(complete, "all is counted")
    found, status = await point(), (await client.get("/v1/status")).json()
    model = status["model"]
    assert found["accuracy"]["all"]["accuracy"] == pytest.approx(
        model["accuracy"]["all"]["accuracy"], abs=1e-4
    )
    assert found["members"] == pytest.approx(
        {name: one["weight"] for name, one in model["members"].items()}, abs=1e-4
    )
    assert (found["share"], found["pending"], found["classes"]) == (0.2, 0, 2)
    assert found["allowed"] == pytest.approx(24)
    assert sum(found["utility"]) == 120
    assert sum(found["delays"]) == 24
    assert set(found["thresholds"]) == set(status["budget"]["partitions"])
    assert (found["drifts"], found["paused"], found["asked"], found["manual"]) == (0, False, 0, 0)


async def test_a_reader_gets_each_point_once(opened: Open) -> None:
    """Also after a restart, when the numbers begin anew."""
    _, replica, client = await opened()
    figures = replica.app.desk.figures
    body = (await client.get("/v1/watch")).json()
    seen = [one["seq"] for one in body["points"]]
    for _ in range(3):
        figures.take()
        more = (await client.get("/v1/watch", params={"since": seen[-1], "run": body["run"]})).json()
        assert (more["first"], more["next"]) == (seen[-1] + 1, seen[-1] + 1 + len(more["points"]))
        seen += [one["seq"] for one in more["points"]]
    assert seen == list(range(seen[-1] + 1))
    other = (await client.get("/v1/watch", params={"since": 10**9, "run": "another"})).json()
    assert [one["seq"] for one in other["points"]] == seen


async def test_an_hour_is_kept_and_no_more(opened: Open) -> None:
    _, replica, client = await opened()
    figures = replica.app.desk.figures
    most = int(SECONDS / figures.seconds)
    for _ in range(most + 50):
        figures.take()
    body = (await client.get("/v1/watch")).json()
    assert len(body["points"]) == most
    assert body["points"][0]["seq"] == body["first"] == body["next"] - most
