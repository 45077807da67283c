"""The routes of leases: what they give, whom they refuse, and how."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import structlog

from stream_al.messages import iso
from stream_al.service.http.access.roles import Role
from tests.support.http_client import Open, fail_sends, problem
from tests.support.http_server import CLOSED, TOKENS, application, bearing, client_of
from tests.support.oracles import broker_of
from tests.support.stream import query
from tests.support.world import World


async def asked(world: World, *sample_ids: str) -> None:
    await world.ask(*sample_ids)
    (replica,) = world.replicas
    await world.until(lambda: len(replica.app.pending) == len(sample_ids), "all are pending")


async def lease(client: httpx.AsyncClient, **wanted: Any) -> list[dict[str, Any]]:
    response = await client.post("/v1/leases", json=wanted)
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["leases"]
    return found


async def test_a_lease_has_the_query_and_says_when_it_ends(opened: Open) -> None:
    world, replica, client = await opened("labels.lease_seconds=60")
    await asked(world, "p", "q")
    response = await client.post("/v1/leases", json={"annotator": "ann"})
    body = response.json()
    assert (body["pending"], body["free"]) == (2, 1)
    (one,) = body["leases"]
    assert (one["id"], one["second"], one["query"]) == ("p", False, query("p"))
    assert one["expires_at"] == iso(broker_of(world).now_ms + 60_000)
    status = (await client.get("/v1/status")).json()["leases"]
    assert status == {"living": 1, "limit": 10_000, "holders": 1, "free": 1}
    assert replica.metric("lease_requests_total", outcome="granted") == 1


async def test_a_page_that_is_loaded_anew_loses_nothing(opened: Open) -> None:
    world, _, client = await opened()
    await asked(world, *"pqrs")
    own = await lease(client, count=2, holder="tab 1")
    assert await lease(client, count=2, holder="tab 1") == own
    assert [one["id"] for one in await lease(client, count=3, holder="tab 1")] == ["p", "q", "r"]
    assert [one["id"] for one in await lease(client, count=3, holder="tab 2")] == ["s"]


async def test_a_lease_is_renewed_and_given_back(opened: Open) -> None:
    world, _, client = await opened()
    await asked(world, "q")
    (one,) = await lease(client, holder="tab 1")
    broker_of(world).now_ms += 1000
    renewed = (await client.put(f"/v1/leases/{one['lease']}")).json()
    assert renewed == {**one, "expires_at": iso(broker_of(world).now_ms + 300_000)}
    assert (await client.delete(f"/v1/leases/{one['lease']}")).status_code == 204
    assert (await client.delete(f"/v1/leases/{one['lease']}")).status_code == 204, "again changes nothing"
    problem(await client.put(f"/v1/leases/{one['lease']}"), 409)
    assert [two["id"] for two in await lease(client, holder="tab 2")] == ["q"]


async def test_a_lease_that_ran_out_is_not_renewed(opened: Open) -> None:
    world, _, client = await opened()
    await asked(world, "q")
    (one,) = await lease(client, holder="tab 1")
    broker_of(world).now_ms += 300_001
    assert "is over" in problem(await client.put(f"/v1/leases/{one['lease']}"), 409)["detail"]


async def test_a_lease_belongs_to_the_token_that_asked_for_it(opened: Open) -> None:
    """Another token neither sees nor changes it, also under the same holder; an admin may end it."""
    tokens = ["http.label_tokens=ann:canary-of-ann-0123456789,bob:canary-of-bob-0123456789", *CLOSED[2:]]
    world, _, client = await opened(*tokens)
    await asked(world, "p", "q")
    ann, bob = bearing("canary-of-ann-0123456789"), bearing("canary-of-bob-0123456789")
    given = (await client.post("/v1/leases", json={"holder": "tab"}, headers=ann)).json()["leases"]
    others = (await client.post("/v1/leases", json={"holder": "tab"}, headers=bob)).json()["leases"]
    assert [one["id"] for one in (*given, *others)] == ["p", "q"]
    path = f"/v1/leases/{given[0]['lease']}"
    assert "another's" in problem(await client.put(path, headers=bob), 409)["detail"]
    problem(await client.delete(path, headers=bob), 409)
    assert (await client.put(path, headers=ann)).status_code == 200
    assert (await client.delete(path, headers=bearing(TOKENS[Role.ADMIN]))).status_code == 204


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({"count": 0}, "count"),
        ({"count": 51}, "count"),
        ({"count": "2"}, "count"),
        ({"count": 1.5}, "count"),
        ({"holder": ""}, "holder"),
        ({"holder": "x" * 513}, "holder"),
        ({"annotator": 7}, "annotator"),
        ({"anotator": "ann"}, "anotator"),
        ([], "body"),
    ],
    ids=str,
)
async def test_a_wrong_request_names_its_mistake(opened: Open, body: Any, names: str) -> None:
    world, _, client = await opened()
    await asked(world, "q")
    assert names in problem(await client.post("/v1/leases", json=body), 422)["detail"]
    assert await world.records(world.topics.leases) == []


async def test_a_broker_that_is_away_is_a_503(opened: Open) -> None:
    world, replica, client = await opened()
    await asked(world, "q")
    fail_sends(replica)
    problem(await client.post("/v1/leases", json={}), 503)


async def test_a_replica_that_starts_says_so() -> None:
    """It has not read yet who holds what."""
    async with client_of(application()) as client:
        for response in (
            await client.post("/v1/leases", json={}),
            await client.put("/v1/leases/a"),
            await client.delete("/v1/leases/a"),
        ):
            assert "starting" in problem(response, 503)["detail"]


async def test_leases_count_for_the_rate_of_their_client(opened: Open) -> None:
    world, _, client = await opened("http.records_per_second=0.1")
    await asked(world, "q")
    await lease(client, count=50)
    refused = await client.post("/v1/leases", json={"count": 50})
    problem(refused, 429)
    assert int(refused.headers["retry-after"]) >= 1


async def test_a_response_has_a_largest_size(opened: Open) -> None:
    """The rest stays free for others."""
    world, _, client = await opened("http.max_page_bytes=2000")
    await world.send(world.topics.queries, [{**query(i), "payload": "x" * 1500} for i in "pqr"])
    (replica,) = world.replicas
    await world.until(lambda: len(replica.app.pending) == 3, "all are pending")
    response = (await client.post("/v1/leases", json={"count": 3})).json()
    assert (len(response["leases"]), response["free"]) == (1, 2)


async def test_leases_stand_in_the_audit_log(opened: Open) -> None:
    world, _, client = await opened()
    await asked(world, "q")
    with structlog.testing.capture_logs() as lines:
        (one,) = await lease(client, holder="secret")
        await client.put(f"/v1/leases/{one['lease']}")
        await client.delete(f"/v1/leases/{one['lease']}")
    audited = [line for line in lines if line["event"] == "audit"]
    assert [line["what"] for line in audited] == [
        "POST /v1/leases",
        "PUT /v1/leases/{lease}",
        "DELETE /v1/leases/{lease}",
    ]
    assert audited[0]["leases"] == 1
