"""HTTP: every route, called without a network, on the broker in memory."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from stream_al.errors import Unavailable
from tests.support.http_client import Open, client_of, fail_sends, problem
from tests.support.memory_client import MemoryClient
from tests.support.world import MakeWorld


async def test_probes_distinguish_live_from_ready(memory_world: MakeWorld) -> None:
    """A service that waits for its broker is live and not ready."""
    world = await memory_world()
    replica = world.launch()
    assert isinstance(replica.broker, MemoryClient)

    def away(step: str, topic: str) -> None:
        raise Unavailable("the broker is away")

    replica.broker.hook = away
    async with client_of(replica) as client:
        await asyncio.sleep(0)
        assert (await client.get("/livez")).status_code == 200
        assert (await client.get("/readyz")).status_code == 503
        replica.broker.hook = lambda step, topic: None
        await world.until(lambda: replica.app.ready, "it is ready")
        assert (await client.get("/readyz")).text == "ready"
        replica.broker.hook = away
        await world.until(lambda: not replica.app.reachable(), "the broker is missed")
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.get("/livez")).status_code == 200


async def test_accepted_samples_are_on_the_topic(opened: Open) -> None:
    world, _, client = await opened()
    one = await client.post("/v1/samples", json={"id": "a", "features": {"x": 1}})
    assert (one.status_code, one.json()) == (202, {"accepted": 1, "ids": ["a"]})
    more = await client.post("/v1/samples", json=[{"id": 7, "features": {"x": 1}}, {"x": 2}])
    assert more.json()["accepted"] == 2
    seven, placed = more.json()["ids"]
    assert seven == "7"
    assert placed.startswith(world.topics.samples)
    assert len(await world.records(world.topics.samples)) == 3

    async def decided() -> bool:
        return await world.decided() == {"a", "7", placed}

    await world.until(decided, "all are decided, with the ids in the responses")


async def test_a_prediction_that_the_model_fails_on_says_why(opened: Open) -> None:
    """It is no fault of the request."""
    world, replica, client = await opened("model.definition=LogisticRegression()", "budget.share=0.8")
    await world.settle([s["id"] for s in await world.samples(30)])
    assert replica.app.local_model.model.ready
    good = (await client.post("/v1/predict", json={"x": 0.9, "y": 0.1})).json()
    assert good["failure"] is None
    failed = await client.post("/v1/predict", json={"x": "a"})
    assert failed.status_code == 200
    assert (failed.json()["label"], failed.json()["probabilities"]) == (None, {})
    assert "River cannot predict" in failed.json()["failure"]


async def test_a_posted_label_that_names_no_listed_class_is_refused(opened: Open) -> None:
    world, _, client = await opened("labels.classes=[ok, fraud]")
    await world.ask("q")
    refused = problem(await client.post("/v1/labels", json={"id": "q", "label": "frod"}), 422)
    assert refused["reason"] == "unknown_class"
    assert "ok" in refused["detail"]
    assert (await client.post("/v1/labels", json={"id": "q", "label": "Fraud"})).status_code == 202

    async def labelled() -> bool:
        return [example["label"] for example in await world.examples()] == ["fraud"]

    await world.until(labelled, "it is the listed class")


async def test_posted_labels_are_joined(opened: Open) -> None:
    world, replica, client = await opened()
    await world.ask("q", "r")
    await world.until(lambda: len(replica.app.pending) == 2, "their queries are read")
    labels = [{"id": "q", "label": True, "annotator": "me"}, {"id": "r", "skipped": True}]
    response = await client.post("/v1/labels", json=labels)
    assert (response.status_code, response.json()["accepted"]) == (202, 2)
    assert [one["expected"] for one in response.json()["labels"]] == ["labelled", "skipped"]
    await world.until(lambda: replica.offset == 1, "the label is learned")
    assert replica.app.local_model.model.classes == {True: 1}


@pytest.mark.parametrize("path", ["/v1/samples", "/v1/labels"])
async def test_nothing_is_accepted_before_the_broker_has_it(opened: Open, path: str) -> None:
    world, replica, client = await opened()
    fail_sends(replica)
    response = await client.post(path, json={"id": "a", "label": "up", "features": {"x": 1}})
    assert "away" in problem(response, 503)["detail"]
    assert await world.records(world.topics.samples) == []


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        ("/v1/samples", {"id": "a", "features": {}}, "no_features"),
        ("/v1/samples", {"id": "", "features": {"x": 1}}, "bad_id"),
        ("/v1/samples", [{"id": "good", "features": {"x": 1}}, {"id": [1], "x": 1}], "bad_id"),
        ("/v1/labels", {"id": "a"}, "no_label"),
        ("/v1/labels", {"id": "a", "label": None}, "no_label"),
        ("/v1/labels", {"label": "up"}, "bad_fields"),
        ("/v1/labels", [{"id": "a", "label": "up"}, {"id": "", "label": "up"}], "bad_fields"),
        ("/v1/predict", {}, "no_features"),
        ("/v1/predict", {"x": {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": 1}}}}}}}}}, "too_deep"),
    ],
)
async def test_a_request_with_an_unusable_message_is_refused_as_a_whole(
    opened: Open, path: str, body: Any, reason: str
) -> None:
    world, _, client = await opened()
    assert problem(await client.post(path, json=body), 422)["reason"] == reason
    assert await world.records(world.topics.samples) == await world.records(world.topics.labels) == []


@pytest.mark.parametrize(
    ("method", "path", "content"),
    [
        ("POST", "/v1/samples", b"not json"),
        ("POST", "/v1/samples", b"7"),
        ("POST", "/v1/samples", b""),
        ("POST", "/v1/labels", b"[1, 2]"),
        ("POST", "/v1/predict", b"[]"),
        ("GET", "/v1/queries?limit=0", b""),
        ("GET", "/v1/queries?limit=1001", b""),
        ("GET", "/v1/queries?offset=-1", b""),
        ("GET", "/v1/queries?limit=many", b""),
    ],
)
async def test_an_invalid_request_is_a_problem(opened: Open, method: str, path: str, content: bytes) -> None:
    _, _, client = await opened()
    headers = {"content-type": "application/json"}
    assert problem(await client.request(method, path, content=content, headers=headers), 422)["detail"]


async def test_a_body_nested_too_deeply_is_a_problem(opened: Open) -> None:
    _, _, client = await opened()
    headers = {"content-type": "application/json"}
    problem(await client.post("/v1/samples", content=b"[" * 100_000, headers=headers), 422)


async def test_unknown_paths_and_methods_are_problems(opened: Open) -> None:
    _, _, client = await opened()
    problem(await client.get("/v2/status"), 404)
    problem(await client.delete("/v1/status"), 405)


async def test_a_body_over_the_limit_is_refused(opened: Open) -> None:
    world, _, client = await opened("http.max_body_bytes=2000")
    large = msgspec.json.encode({"id": "a", "features": {"t": "x" * 3000}})
    headers = {"content-type": "application/json"}
    problem(await client.post("/v1/samples", content=large, headers=headers), 413)

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(large), 500):
            yield large[start : start + 500]

    problem(await client.post("/v1/samples", content=pieces(), headers=headers), 413)
    assert await world.records(world.topics.samples) == []


async def test_pending_queries_come_in_pages_the_most_useful_first(opened: Open) -> None:
    world, replica, client = await opened("budget.share=1.0")
    await world.samples(30)
    await world.until(lambda: len(replica.app.pending) == 30, "all are asked for")
    first = (await client.get("/v1/queries", params={"limit": 20})).json()
    second = (await client.get("/v1/queries", params={"limit": 20, "offset": 20})).json()
    assert (first["total"], len(first["queries"]), len(second["queries"])) == (30, 20, 10)
    ids = [query["id"] for page in (first, second) for query in page["queries"]]
    assert sorted(ids) == sorted(f"s{n}" for n in range(30))
    utilities = [query["utility"] for page in (first, second) for query in page["queries"]]
    assert utilities == sorted(utilities, reverse=True)


async def test_a_prediction_is_the_models_and_changes_nothing(opened: Open) -> None:
    world, replica, client = await opened()
    empty = (await client.post("/v1/predict", json={"x": 0.9})).json()
    assert (empty["label"], empty["probabilities"]) == (None, {})
    await world.settle([s["id"] for s in await world.samples(60)])
    digest, ends = replica.digest, len(await world.records(world.topics.samples))
    said = (await client.post("/v1/predict", json={"x": 0.9, "y": 0.5})).json()
    assert sum(said["probabilities"].values()) == pytest.approx(1)
    assert said["label"] == max(said["probabilities"], key=said["probabilities"].__getitem__)
    assert said["model"]["examples"] == replica.app.local_model.model.examples
    assert (replica.digest, len(await world.records(world.topics.samples))) == (digest, ends)


async def test_status_and_model_say_the_same(opened: Open) -> None:
    world, replica, client = await opened()
    await world.settle([s["id"] for s in await world.samples(40)])
    status, model = (await client.get("/v1/status")).json(), (await client.get("/v1/model")).json()
    assert model == {**status["model"], "importance": model["importance"], "snapshots": model["snapshots"]}
    assert model["importance"]["examples"] == model["examples"]
    assert 0.0 < max(model["importance"]["features"].values()) <= 1.0
    assert (model["digest"], model["offset"]) == (replica.digest, replica.offset)
    assert status["examples"]["outcomes"]["learned"] == model["examples"]
    assert status["select"]["partitions"] == status["intake"]["partitions"] == [0, 1]
    assert status["budget"]["share"] == 0.2
    assert (status["ready"], status["live"], status["paused"]) == (True, True, False)


async def test_a_paused_process_reads_no_samples_and_still_learns(opened: Open) -> None:
    world, replica, client = await opened()
    assert (await client.post("/v1/pause")).json() == {"paused": True}
    assert (await client.get("/v1/status")).json()["paused"] is True
    await world.samples(5)
    await world.ask("q")
    await world.label("q")
    await world.until(lambda: replica.offset == 1, "the label is learned")
    assert await world.decided() == set()
    assert (await client.post("/v1/resume")).json() == {"paused": False}
    await world.settle(f"s{n}" for n in range(5))


async def test_the_openapi_document_has_all_routes(opened: Open) -> None:
    _, _, client = await opened()
    paths = (await client.get("/openapi.json")).json()["paths"]
    posts = {"/v1/predict", "/v1/samples", "/v1/labels", "/v1/leases", "/v1/pause", "/v1/resume"}
    posts |= {"/v1/model/rollback", "/v1/model/restore", "/v1/corrections"}
    posts |= {"/v1/explore/ask", "/v1/explore/export"}
    gets = {"/livez", "/readyz", "/metrics", "/v1/status", "/v1/queries", "/v1/model", "/v1/settings"}
    gets |= {"/v1/quality", "/v1/quality/items", "/v1/quality/segments"}
    posts |= {"/v1/quality/relabel", "/v1/corrections", "/v1/explore/ask", "/v1/explore/export"}
    gets |= {"/v1/desk", "/v1/explanations", "/v1/watch"}
    gets |= {"/v1/explore/points", "/v1/explore/items", "/v1/explore/items/{id}"}
    assert {path for path, ways in paths.items() if "post" in ways} == posts
    assert {path for path, ways in paths.items() if "get" in ways} == gets
    assert {path for path, ways in paths.items() if "patch" in ways} == {"/v1/settings"}


async def test_the_page_docs_shows_every_route_and_loads_nothing(opened: Open) -> None:
    """It works without the internet. Its policy allows its own style sheet, and no script."""
    _, _, client = await opened()
    response = await client.get("/docs")
    assert response.status_code == 200
    for path, ways in (await client.get("/openapi.json")).json()["paths"].items():
        for method in ways:
            assert f"<b>{method.upper()}</b> {path}" in response.text
    loads = re.findall(
        r"(?:src|href|url)\s*[=(]\s*[\"']?([^\"' )>]+)|<(script|link|img|iframe)", response.text
    )
    assert [target for target, _ in loads] == ["openapi.json"]
    (style,) = re.findall(r"<style>(.*?)</style>", response.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = response.headers["content-security-policy"]
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; frame-ancestors 'none'"


async def test_the_response_to_labels_says_what_becomes_of_each(opened: Open) -> None:
    """It says what the service then does with them, also with two labels of one id in one request."""
    world, replica, client = await opened()
    await world.ask("q", "r", "s")
    await world.label("s", "up")
    await world.until(lambda: len(replica.app.pending) == 2 and replica.offset == 1, "s is learned")
    sent: dict[str, dict[str, Any]] = {
        "labelled": {"id": "q", "label": "up"},
        "duplicate": {"id": "q", "label": "up"},
        "conflict": {"id": "s", "label": "down"},
        "skipped": {"id": "r", "skipped": True},
        "unsolicited": {"id": "own", "label": "up", "features": {"x": {"deep": 1}}},
        "unknown": {"id": "nowhere", "label": "up"},
    }
    body = (await client.post("/v1/labels", json=list(sent.values()))).json()
    assert body["labels"] == [{"id": one["id"], "expected": word} for word, one in sent.items()]
    assert body["notes"].keys() == sent.keys()
    assert "dead letter" in body["notes"]["unknown"]
    for outcome in ("duplicate", "conflict", "skipped", "unsolicited", "unknown_id"):
        await world.until(lambda o=outcome: replica.metric("labels_total", outcome=o) == 1, outcome)  # type: ignore[misc]


async def test_a_label_with_another_version_than_its_query_is_told_so(opened: Open) -> None:
    """The query is known here, whether it waits or has its label; the version is what does not fit."""
    world, replica, client = await opened()
    await world.ask("q", "s")
    await world.label("s", "up")
    await world.until(lambda: len(replica.app.pending) == 1 and replica.offset == 1, "s is learned")
    sent = [{"id": one, "label": "up", "version": "v0000000000000000"} for one in ("q", "s", "nowhere")]
    body = (await client.post("/v1/labels", json=sent)).json()
    assert [one["expected"] for one in body["labels"]] == ["other_version", "other_version", "unknown"]
    assert "version" in body["notes"]["other_version"]
    assert "No query" not in body["notes"]["other_version"]
    await world.until(lambda: replica.metric("labels_total", outcome="unknown_version") == 3, "all are read")


async def test_a_label_whose_own_features_cannot_be_used_is_refused(opened: Open) -> None:
    world, _, client = await opened()
    response = await client.post("/v1/labels", json={"id": "a", "label": "up", "features": {"x": None}})
    assert problem(response, 422)["reason"] == "no_features"
    assert await world.records(world.topics.labels) == []
