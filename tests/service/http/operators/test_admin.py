"""The routes for operators: settings, rollback and restore."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.http_client import Open, fail_sends, problem


async def test_settings_are_shown_and_changed(opened: Open) -> None:
    _, _, client = await opened()
    was = (await client.get("/v1/settings")).json()
    assert was["budget"] == was["configured"]["budget"]
    assert (was["changed"], was["changed_at"], was["by"]) == ({"budget": {}}, None, None)
    response = await client.patch("/v1/settings", json={"budget": {"share": 0.5, "total": 9}})
    assert response.status_code == 200
    assert response.json() == (await client.get("/v1/settings")).json()
    assert response.json()["budget"] == was["budget"] | {"share": 0.5, "total": 9}
    assert response.json()["changed"] == {"budget": {"share": 0.5, "total": 9}}
    assert (await client.get("/v1/status")).json()["budget"]["share"] == 0.5
    back = (await client.patch("/v1/settings", json={"budget": {"share": None, "total": None}})).json()
    assert (back["budget"], back["changed"]) == (was["budget"], {"budget": {}})


async def test_every_mistake_in_a_change_is_named(opened: Open) -> None:
    world, _, client = await opened()
    wrong = {"budget": {"share": 7, "manager": "random", "shar": 1, "pending": 3}, "seed": 1}
    body = problem(await client.patch("/v1/settings", json=wrong), 422)
    assert sorted(mistake.partition(":")[0] for mistake in body["mistakes"]) == [
        *("budget.manager", "budget.shar", "budget.share", "seed"),
    ]
    assert all(mistake in body["detail"] for mistake in body["mistakes"])
    for content in (b"", b"[]", b"7", b'{"budget": 1}', b'{"budget": {"share": NaN}}', b"{"):
        headers = {"content-type": "application/json"}
        problem(await client.patch("/v1/settings", content=content, headers=headers), 422)
    assert await world.changes() == []


async def test_the_model_is_rolled_back_to_an_offset_or_a_snapshot_and_restored(opened: Open) -> None:
    world, replica, client = await opened("snapshots.every_examples=1")
    await world.settle([s["id"] for s in await world.samples(40)])
    end = replica.offset
    await replica.app.local_model.save()
    model = (await client.get("/v1/model")).json()
    newest = model["snapshots"][0]
    assert newest["offset"] == end
    assert newest["name"].startswith(f"examples-{end:020}-")
    assert (model["voided"], model["rebuilding"]) == ([], False)
    rollback = {"to_offset": 3, "dry_run": True}
    dry = (await client.post("/v1/model/rollback", json=rollback)).json()
    moved = {"from_offset": 3, "to_offset": end, "examples": end - 3}
    assert dry == {**moved, "dry_run": True, "rebuilt": False}
    assert (await client.get("/v1/model")).json() == model
    none = (await client.post("/v1/model/rollback", json={"snapshot": newest["name"]})).json()
    assert (none["from_offset"], none["examples"]) == (end, 0)
    done = (await client.post("/v1/model/rollback", json={"to_offset": 3})).json()
    assert done == dry | {"dry_run": False, "rebuilt": True}
    back = (await client.get("/v1/model")).json()
    assert (back["voided"], back["examples"], back["offset"]) == ([[3, end]], 3, end)
    again = (await client.post("/v1/model/restore", json={"from_offset": 0, "to_offset": end})).json()
    assert again["examples"] == end - 3
    assert (await client.get("/v1/model")).json()["digest"] == model["digest"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("rollback", {}),
        ("rollback", {"to_offset": 1, "snapshot": "examples-00000000000000000001.snapshot"}),
        ("rollback", {"to_offset": -1}),
        ("rollback", {"to_offset": 1}),  # the examples end at 0
        ("rollback", {"to_offset": "0"}),
        ("rollback", {"to_offset": True}),
        ("rollback", {"to_offset": 2**63}),
        ("rollback", {"snapshot": "../../etc/passwd"}),
        ("rollback", {"to_offset": 0, "dry_rum": True}),
        ("restore", {"from_offset": 1}),
        ("restore", {"from_offset": 2, "to_offset": -1}),
    ],
)
async def test_a_rollback_that_makes_no_sense_is_a_problem(opened: Open, path: str, body: Any) -> None:
    world, _, client = await opened()
    assert problem(await client.post(f"/v1/model/{path}", json=body), 422)["detail"]
    assert await world.changes() == []


async def test_a_change_is_not_in_force_before_the_broker_has_it(opened: Open) -> None:
    world, replica, client = await opened()
    await world.settle([s["id"] for s in await world.samples(20)])
    fail_sends(replica)
    problem(await client.patch("/v1/settings", json={"budget": {"share": 0.5}}), 503)
    problem(await client.post("/v1/model/rollback", json={"to_offset": 0}), 503)
    assert (await client.get("/v1/settings")).json()["changed"] == {"budget": {}}
    assert (await client.get("/v1/model")).json()["voided"] == []
