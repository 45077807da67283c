"""The map, its items, and asking for labels by hand."""

from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest

from stream_al.engine.budgets import Reason
from stream_al.service.desk import explorer
from tests.support.http_client import Open, problem
from tests.support.replica import Replica
from tests.support.stream import query, sample, truth
from tests.support.world import World

TYPES = {"numbers": "<i4", "x": "<i2", "y": "<i2", "utility": "u1", "class": "<i2", "label": "<i2"}
BUDGET = 0.2


def unpack(body: dict[str, Any]) -> dict[str, list[int]]:
    names = [*TYPES, "reason", "state"]
    return {name: np.frombuffer(b64decode(body[name]), TYPES.get(name, "u1")).tolist() for name in names}


async def read_map(
    client: httpx.AsyncClient, replica: Replica
) -> tuple[dict[str, Any], dict[str, list[int]]]:
    """The map of now, not one that is kept."""
    replica.app.desk.explorer._map = None
    body = (await client.get("/v1/explore/points")).json()
    return body, unpack(body)


async def search(client: httpx.AsyncClient, where: str, **more: Any) -> dict[str, Any]:
    response = await client.get("/v1/explore/items", params={"where": where, **more})
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def decided(world: World, replica: Replica, number: int, start: int = 0) -> list[dict[str, Any]]:
    """Send samples, and wait until they are committed and kept."""
    made = await world.samples(number, start)
    await world.until(lambda: replica.app.desk.recent.total >= start + number, "all are kept")
    return made


async def test_the_map_has_every_sample_and_says_the_same_as_the_items(opened: Open) -> None:
    world, replica, client = await opened()
    await world.settle([s["id"] for s in await world.samples(60)])
    await decided(world, replica, 40, start=60)
    body, arrays = await read_map(client, replica)
    assert body["count"] == 100
    assert all(len(array) == 100 for array in arrays.values())
    assert sorted(arrays["numbers"]) == list(range(100))
    ids = set[str]()
    assert 0.0 < body["share"] <= 1.0
    assert max(map(abs, arrays["x"] + arrays["y"])) == body["steps"]
    asked = {q["id"]: q for q in await world.queries()}
    for place, number in enumerate(arrays["numbers"]):
        item = (await client.get(f"/v1/explore/items/{number}")).json()
        features = sample(int(item["id"][1:]))["features"]
        assert (item["number"], item["features"]) == (number, features)
        ids.add(item["id"])
        assert item["selected"] is (item["id"] in asked)
        assert item["why"].startswith("Chosen" if item["selected"] else "Not chosen")
        assert arrays["utility"][place] == round(item["utility"] * 255)
        assert body["reasons"][arrays["reason"][place]] == item["reason"]
        assert body["states"][arrays["state"][place]] == item["state"]
        for name in ("class", "label"):
            index = arrays[name][place]
            assert (body["classes"][index] if index >= 0 else None) == item[name]
        if item["state"] == "labelled":
            assert item["label"] == truth(features)
        assert (item["state"] == "pending") is (item["id"] in await world.open_queries())
        near = item["neighbours"]
        assert number not in [one["number"] for one in near]
        assert [one["distance"] for one in near] == sorted(one["distance"] for one in near)
    assert ids == {f"s{n}" for n in range(100)}


def where(sample_id: str) -> Any:
    return np.asarray(list(sample(int(sample_id[1:]))["features"].values()))


async def test_neighbours_are_the_nearest_by_the_features(opened: Open) -> None:
    world, replica, client = await opened("model.definition=auto")
    await world.settle([s["id"] for s in await world.samples(80)])
    await world.until(lambda: replica.app.desk.recent.total == 80, "all are kept")
    await read_map(client, replica)
    gaps = []
    for number in range(80):
        item = (await client.get(f"/v1/explore/items/{number}")).json()
        here = np.asarray(list(item["features"].values()))
        others = [where(one["id"]) for one in item["neighbours"]]
        gaps.append(np.mean([np.linalg.norm(other - here) for other in others]))
    assert np.mean(gaps) < 0.25  # of random pairs in a square it is .52


async def test_a_filter_finds_what_its_words_say(opened: Open) -> None:
    world, replica, client = await opened()
    await world.settle([s["id"] for s in await world.samples(60)])
    features = {f"s{n}": sample(n)["features"] for n in range(60)}
    found = await search(client, "x > 0.5 and not y >= 0.25", limit=200)
    wanted = {i for i, one in features.items() if one["x"] > 0.5 and not one["y"] >= 0.25}
    assert {one["id"] for one in found["items"]} == wanted
    assert (found["total"], found["matched"]) == (60, len(wanted))
    numbers = np.frombuffer(b64decode(found["numbers"]), "<i4").tolist()
    assert sorted(numbers) == sorted(one["number"] for one in found["items"])
    labelled = await search(client, "@state = labelled", limit=200)
    assert {one["id"] for one in labelled["items"]} == {e["id"] for e in await world.examples()}
    assert [one["id"] for one in (await search(client, "@id = s7"))["items"]] == ["s7"]
    by_utility = [one["utility"] for one in (await search(client, "", sort="utility"))["items"]]
    assert by_utility == sorted(by_utility, reverse=True)
    pages = [(await search(client, "", limit=7, offset=n))["items"] for n in range(0, 63, 7)]
    assert [one["number"] for page in pages for one in page] == list(range(59, -1, -1))
    assert replica.app.ready


async def test_a_mistake_in_a_filter_is_refused_with_a_sentence(opened: Open) -> None:
    _, _, client = await opened()
    response = await client.get("/v1/explore/items", params={"where": "amount >"})
    assert problem(response, 422)["reason"] == "bad_filter"
    assert "write a value after it" in response.json()["detail"]
    for params in ({"limit": 1000}, {"offset": -1}, {"sort": "size"}, {"where": "x" * 1001}):
        problem(await client.get("/v1/explore/items", params=params), 422)
    problem(await client.get("/v1/explore/items/77"), 404)
    problem(await client.get("/v1/explore/items/x"), 422)


async def test_a_search_that_takes_long_is_given_up_and_holds_up_no_other(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, replica, client = await opened()
    await decided(world, replica, 20)
    monkeypatch.setattr(explorer, "SEARCH_SECONDS", -1.0)
    response = await client.get("/v1/explore/items", params={"where": "amount > 1"})
    assert problem(response, 422)["reason"] == "slow_filter"
    monkeypatch.undo()
    assert (await search(client, ""))["total"] == 20
    await replica.app.desk.explorer._one_at_a_time.acquire()
    monkeypatch.setattr(explorer, "LATE_SECONDS", 0.01)
    problem(await client.get("/v1/explore/items"), 503)
    replica.app.desk.explorer._one_at_a_time.release()


async def test_a_busy_process_does_not_blame_the_filter(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What makes a search late is then not what it compares: the same one succeeds in a while."""
    world, replica, client = await opened()
    await decided(world, replica, 20)
    monkeypatch.setattr(explorer, "LATE_SECONDS", 0.0)
    response = await client.get("/v1/explore/items", params={"where": "amount > 1"})
    assert "search again in a while" in problem(response, 503)["detail"]


async def test_to_look_at_a_sample_of_the_map_makes_no_other_map(opened: Open) -> None:
    """A map takes most of what an open page costs."""
    world, replica, client = await opened()
    await decided(world, replica, 20)
    explored = replica.app.desk.explorer
    before = await explored.map()
    explored._map = replace(before, until=0.0)
    assert (await client.get("/v1/explore/items/7")).json()["neighbours"]
    assert explored._map.body is before.body
    await decided(world, replica, 40)
    assert (await client.get("/v1/explore/items/33")).json()["neighbours"]
    assert explored._map.body is not before.body


async def test_pending_queries_of_elsewhere_are_on_the_map_too(opened: Open) -> None:
    """They have negative numbers, which stay the same while they are pending."""
    world, replica, client = await opened()
    await world.ask("old-1", "old-2")
    await world.until(lambda: len(replica.app.pending) == 2, "both are pending")
    await decided(world, replica, 3)
    for _ in range(2):
        _, arrays = await read_map(client, replica)
        assert [number for number in arrays["numbers"] if number < 0] == [-1, -2]
    ids = {(await client.get(f"/v1/explore/items/{n}")).json()["id"] for n in (-1, -2)}
    assert ids == {"old-1", "old-2"}
    found = await search(client, "@id contains old and @state = pending")
    assert found["matched"] == 2
    await world.label("old-1")
    await world.until(lambda: "old-1" not in replica.app.pending, "one is labelled")
    _, arrays = await read_map(client, replica)
    assert len([number for number in arrays["numbers"] if number < 0]) == 1


async def numbers_of(client: httpx.AsyncClient, samples: list[int]) -> list[int]:
    """The numbers on the map of the samples s<n>."""
    rows = (await search(client, "", limit=200))["items"]
    found = {one["id"]: one["number"] for one in rows}
    return [found[f"s{n}"] for n in samples]


async def wait_for_manual(world: World, number: int) -> list[dict[str, Any]]:
    async def manual() -> list[dict[str, Any]]:
        return [q for q in await world.queries() if q["reason"] == "manual"]

    async def enough() -> bool:
        return len(await manual()) >= number

    await world.until(enough, f"{number} manual queries")
    return await manual()


async def test_what_a_person_asks_for_takes_the_place_of_the_next_purchases(opened: Open) -> None:
    """Each is queried with the reason manual and no propensity, is labelled and learned; the budget holds."""
    world, replica, client = await opened()
    await decided(world, replica, 40)
    before = {q["id"] for q in await world.queries()}
    passed = [n for n in range(40) if f"s{n}" not in before][:5]
    numbers = await numbers_of(client, passed)
    response = await client.post("/v1/explore/ask", json={"numbers": numbers})
    assert response.status_code == 202
    assert response.json() == {"asked": 5, "waiting": 5, "refused": []}
    assert (await search(client, "@state = asked"))["matched"] == 5
    await decided(world, replica, 60, start=40)
    manual = await wait_for_manual(world, 5)
    assert [q["id"] for q in manual] == [f"s{n}" for n in passed]
    assert all(
        q["propensity"] is None and q["features"] == sample(n)["features"]
        for q, n in zip(manual, passed, strict=True)
    )
    queries = await world.queries()
    assert len(queries) == len({q["id"] for q in queries}) == round(BUDGET * 100)
    assert (await search(client, "@reason = displaced"))["matched"] == 5
    await world.settle([f"s{n}" for n in range(100)])
    examples = {e["id"]: e for e in await world.examples()}
    assert all(examples[f"s{n}"]["reason"] == "manual" for n in passed)
    assert all("propensity" not in examples[f"s{n}"] for n in passed)
    assert (await client.get(f"/v1/explore/items/{numbers[0]}")).json()["state"] == "labelled"


async def test_a_manual_query_waits_for_the_budget_and_is_not_lost_by_a_failed_batch(opened: Open) -> None:
    world, replica, client = await opened("budget.share=0.02")
    await decided(world, replica, 10)
    taken = {q["id"] for q in await world.queries()}
    free = [n for n in range(10) if f"s{n}" not in taken]
    await client.post("/v1/explore/ask", json={"numbers": await numbers_of(client, free[:1])})
    failures = iter([True])
    send = replica.app.select.broker.send

    async def failing(records: Any) -> Any:
        from stream_al.errors import Unavailable  # noqa: PLC0415 - only here

        if any(b'"manual"' in (one.value or b"") for one in records) and next(failures, False):
            raise Unavailable("the broker is away")
        return await send(records)

    replica.app.select.broker.send = failing  # type: ignore[method-assign]
    await decided(world, replica, 90, start=10)
    manual = await wait_for_manual(world, 1)
    assert [q["id"] for q in manual] == [f"s{free[0]}"]
    assert len({q["id"] for q in await world.queries()}) == 2  # one in each 50 samples
    assert not replica.app.selection.asked
    assert next(failures, False) is False


async def test_what_cannot_be_asked_for_is_refused_with_a_sentence(opened: Open) -> None:
    world, replica, client = await opened()
    await decided(world, replica, 30)
    asked = [q["id"] for q in await world.queries()]
    free = next(n for n in range(30) if f"s{n}" not in asked)
    queried, number = await numbers_of(client, [int(asked[0][1:]), free])
    numbers = [queried, 999, number, -1]
    body = (await client.post("/v1/explore/ask", json={"numbers": numbers})).json()
    assert (body["asked"], body["waiting"]) == (1, 1)
    assert [one["number"] for one in body["refused"]] == [numbers[0], 999, -1]
    assert all(one["why"] for one in body["refused"])
    again = (await client.post("/v1/explore/ask", json={"numbers": [number]})).json()
    assert again["refused"][0]["why"] == "it was asked for already"
    bodies: tuple[Any, ...] = (
        {"numbers": []},
        {"numbers": list(range(501))},
        {"numbers": ["a"]},
        {"ids": [1]},
        [],
    )
    for wrong in bodies:
        problem(await client.post("/v1/explore/ask", json=wrong), 422)


@pytest.mark.parametrize("cap", ["pending", "per_hour", "total"])
async def test_nothing_can_be_asked_for_while_a_cap_binds(opened: Open, cap: str) -> None:
    world, replica, client = await opened(f"budget.{cap}=1")
    await decided(world, replica, 30)
    body = problem(await client.post("/v1/explore/ask", json={"numbers": [0, 1, 2]}), 409)
    assert f"budget.{cap}" in body["detail"]
    assert not replica.app.selection.asked


async def test_nothing_can_be_asked_for_while_selection_is_paused(opened: Open) -> None:
    world, replica, client = await opened()
    await decided(world, replica, 10)
    await client.post("/v1/pause")
    assert (
        "resume it first"
        in problem(await client.post("/v1/explore/ask", json={"numbers": [1]}), 409)["detail"]
    )


async def test_a_sample_that_is_asked_for_twice_is_queried_once(opened: Open) -> None:
    """The same features under the same id, twice in the stream: one sample, and one label of it."""
    world, replica, client = await opened()
    same = {"id": "twin", "features": {"x": 0.25, "y": 0.5}}
    await world.send(world.topics.samples, [same, same])
    await world.until(lambda: replica.app.desk.recent.total == 2, "both are kept")
    if "twin" not in {q["id"] for q in await world.queries()}:
        await client.post("/v1/explore/ask", json={"numbers": [0, 1]})
        await decided(world, replica, 60, start=2)
        await wait_for_manual(world, 1)
        await world.until(lambda: not replica.app.selection.asked, "none waits")
    assert [q["id"] for q in await world.queries()].count("twin") == 1


async def test_items_are_exported_as_json_lines(opened: Open) -> None:
    world, replica, client = await opened()
    await decided(world, replica, 10)
    response = await client.post("/v1/explore/export", json={"numbers": [3, 500, 1]})
    assert response.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in response.text.splitlines()]
    assert [line["id"] for line in lines] == ["s3", "s1"]
    assert lines[0]["features"] == sample(3)["features"]


async def test_without_a_desk_nothing_is_kept(opened: Open) -> None:
    world, replica, client = await opened("desk.enabled=false")
    await world.settle([s["id"] for s in await world.samples(20)])
    assert len(replica.app.desk.recent) == replica.app.desk.recent.total == 0
    for path in ("/v1/explore/points", "/v1/watch", "/v1/explore/items"):
        problem(await client.get(path), 404)


def test_reasons_on_the_map_are_those_of_decisions() -> None:
    from stream_al.service.desk.points import REASONS  # noqa: PLC0415 - only here

    assert [reason.value for reason in Reason] == REASONS


FORGED: list[dict[str, Any]] = [
    {"sampled_at": "soon"},
    {"sampled_at": "2026-01-01T00:00:00"},
    {"sampled_at": "0001-01-01T00:00:00+23:59"},
    {"utility": 1e308},
    {"utility": -5.0},
    {"threshold": 1e308, "propensity": 1e-320},
    {"features": {"a": {"b": [1, {"c": 2}]}, "x": [1, 2], "n": None, "@id": 5, "": 10**300}},
    {"features": {}},
    {"prediction": {"label": 10**30, "probabilities": {"": -1e300, "up": 1e308}}},
    {"reason": "\x1b[31m", "model": {"name": "", "version": "\n", "examples": -(10**60)}},
]


async def test_no_query_that_others_write_takes_the_page_away(opened: Open) -> None:
    world, replica, client = await opened()
    await world.settle([s["id"] for s in await world.samples(20)])
    await world.send(world.topics.queries, [{**query(f"q{n}"), **one} for n, one in enumerate(FORGED)])
    await world.send(world.topics.queries, [query("the last")])
    await world.until(lambda: "the last" in replica.app.pending, "all are read")
    body, _ = await read_map(client, replica)
    assert body["count"] > 20
    for sort in explorer.SORTS:
        found = await search(client, "not nothing", sort=sort, limit=200)
        for one in found["items"]:
            response = await client.get(f"/v1/explore/items/{one['number']}")
            assert response.status_code == 200, response.text
