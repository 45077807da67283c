"""Labelled samples one by one, segments, and relabelling over HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import chain
from typing import Any

import httpx
import msgspec
import pytest

from stream_al.engine.trust import last
from tests.service.http.people.quality_log import first, fold, further
from tests.support.http_client import Open
from tests.support.world import World


async def ids(client: httpx.AsyncClient, **wanted: Any) -> list[str]:
    response = await client.get("/v1/quality/items", params={"limit": 100, **wanted})
    assert response.status_code == 200, response.text
    return [one["id"] for one in response.json()["items"]]


async def test_every_cell_of_the_matrix_leads_to_the_samples_that_it_counts(opened: Open) -> None:
    world, replica, client = await opened()
    classes: list[Any] = ["up", "down", 1, "1"]
    log = [first(f"s{n}", classes[n % 4]) for n in range(20)]
    await fold(world, replica, *log, msgspec.structs.replace(first("seed"), propensity=None))
    cells = (await client.get("/v1/quality")).json()["confusion"]["cells"]
    found = {}
    for cell in cells:
        names = {name: msgspec.json.encode(cell[name]).decode() for name in ("label", "predicted")}
        found[names["label"]] = await ids(client, actual=names["label"], predicted=names["predicted"])
        assert len(found[names["label"]]) == cell["labels"]
    assert found["1"] == ["s18", "s14", "s10", "s6", "s2"]
    assert found['"1"'] == ["s19", "s15", "s11", "s7", "s3"]
    assert sorted(chain.from_iterable(found.values())) == sorted(one.id for one in log)


async def test_samples_are_found_by_annotator_segment_suspicion_and_flag(opened: Open) -> None:
    world, replica, client = await opened()
    await fold(
        world,
        replica,
        *(first(f"s{n}", reason="explore") for n in range(5)),
        msgspec.structs.replace(first("low"), features={"x": 0.1}, flagged=True, comment="odd"),
        first("random", "down", reason="explore", p=0.95),
        first("disputed"),
        further("disputed", "down", "bob", ["ann"]),
    )
    assert await ids(client, annotator="bob") == ["disputed"]
    assert await ids(client, several=True) == ["disputed"]
    assert await ids(client, segment="x < 0.2 or @label = down") == ["random", "low"]
    assert await ids(client, suspect="drawn at random") == ["random"]
    assert await ids(client, suspect="second labels") == ["disputed"]
    assert await ids(client, id="s3") == ["s3"]
    (flagged,) = (await client.get("/v1/quality/items?flagged=true")).json()["items"]
    assert flagged["labels"] == [{"annotator": "ann", "label": "up", "comment": "odd", "flagged": True}]
    assert (flagged["id"], flagged["features"], flagged["again"]) == ("low", {"x": 0.1}, None)
    wrong = await client.get("/v1/quality/items?segment=x >")
    assert wrong.status_code == 422
    assert "write a value after it" in wrong.json()["detail"]


async def test_pages_hold_every_sample_once_and_the_kept_ones_are_bounded(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(last, "MOST", 30)
    world, replica, client = await opened()
    await fold(world, replica, *(first(f"s{n}") for n in range(50)))
    pages = [(await client.get(f"/v1/quality/items?limit=8&offset={n}")).json() for n in range(0, 40, 8)]
    assert {page["kept"] for page in pages} == {30}
    assert [one["id"] for page in pages for one in page["items"]] == [f"s{n}" for n in range(49, 19, -1)]


async def test_a_corrected_sample_says_so_and_keeps_its_first_label(opened: Open) -> None:
    world, replica, client = await opened()
    await fold(world, replica, first("s1"), first("s2", "down"))
    assert (await client.post("/v1/corrections", json={"id": "s1", "label": "down"})).status_code == 202
    await world.until(lambda: replica.offset == 3, "the correction is read")
    (item,) = (await client.get("/v1/quality/items?id=s1")).json()["items"]
    assert (item["label"], item["corrected"], item["labels"][0]["label"]) == ("down", True, "up")
    await world.until(lambda: replica.app.select.partitions, "it has partitions that buy")
    assert (await client.post("/v1/quality/relabel", json={"ids": ["s1"]})).json()["refused"] == [
        {"id": "s1", "why": "somebody has decided on its label already"}
    ]


async def test_where_the_model_fails_is_said_with_the_samples_of_it(opened: Open) -> None:
    world, replica, client = await opened()
    log = []
    for number in range(400):
        place = number % 4
        wrong = place == 0 and number % 16 < 12
        one = first(f"s{number}", "down" if wrong else "up")
        log.append(msgspec.structs.replace(one, features={"country": "abcd"[place], "x": number % 7 / 7}))
    await fold(world, replica, *log)
    found = (await client.get("/v1/quality/segments")).json()
    assert found["cases"] == 400
    assert found["segments"][0]["where"] == 'country = "a"'
    assert found["segments"][0]["error"]["low"] > found["segments"][0]["rest"]["high"]
    assert len(await ids(client, segment=found["segments"][0]["where"])) == 100
    assert (await client.get("/v1/quality/segments")).json() == found


def all_decided(world: World, number: int) -> Callable[[], Awaitable[bool]]:
    async def decided() -> bool:
        return len(await world.decided()) >= number

    return decided


async def labelled(world: World, number: int) -> list[str]:
    """Samples that were asked about and labelled, in the order of their examples."""
    await world.samples(number)
    await world.settle(f"s{n}" for n in range(number))
    return [one["id"] for one in await world.examples()]


async def test_relabelling_asks_another_annotator_in_the_place_of_the_next_purchase(opened: Open) -> None:
    """As many labels are bought as without it, and there is no share of second labels."""
    world, replica, client = await opened("budget.share=0.5")
    chosen = (await labelled(world, 20))[0]
    bought = len(await world.queries())
    asked = (await client.post("/v1/quality/relabel", json={"ids": [chosen, "nobody"]})).json()
    assert asked["asked"] == asked["waiting"] == 1
    assert [one["id"] for one in asked["refused"]] == ["nobody"]
    again = (await client.post("/v1/quality/relabel", json={"ids": [chosen]})).json()
    assert again["refused"] == [{"id": chosen, "why": "it waits for the budget already"}]
    (item,) = (await client.get("/v1/quality/items", params={"id": chosen})).json()["items"]
    assert item["again"] == "waiting"
    await world.samples(20, 20)
    await world.until(lambda: f"{chosen}~2" in replica.app.pending, "the second query is published")
    (query,) = [one for one in await world.queries() if one["id"] == f"{chosen}~2"]
    assert (query["second_of"], query["reason"]) == (chosen, "second")
    assert query["features"]
    await world.until(all_decided(world, 40), "all samples are decided")
    assert len({one["id"] for one in await world.queries()}) <= bought + 10
    assert query["labelled_by"] == ["ann"]
    refused = (await client.post("/v1/quality/relabel", json={"ids": [chosen]})).json()["refused"]
    assert refused == [{"id": chosen, "why": "another annotator was asked about it already"}]


async def test_while_nothing_is_bought_nobody_is_asked(opened: Open) -> None:
    world, replica, client = await opened()
    await fold(world, replica, first("s1"))
    await client.post("/v1/pause")
    refused = await client.post("/v1/quality/relabel", json={"ids": ["s1"]})
    assert refused.status_code == 409
    assert "resume it first" in refused.json()["detail"]


async def test_the_desk_says_how_often_others_agree_with_an_annotator(opened: Open) -> None:
    world, replica, client = await opened("labels.second_share=0.25")
    log = [first(f"s{n}") for n in range(4)]
    log += [further(f"s{n}", "up" if n else "down", "bob", ["ann"]) for n in range(4)]
    await fold(world, replica, *log)
    desk = (await client.get("/v1/desk", params={"annotator": "bob"})).json()
    assert (desk["second_share"], desk["agreement"]) == (0.25, 0.75)
    assert (await client.get("/v1/desk", params={"annotator": "eve"})).json()["agreement"] is None
