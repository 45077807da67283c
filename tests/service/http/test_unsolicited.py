"""Who may bring features of their own, and whose name a label carries."""

from __future__ import annotations

import json
from typing import Any

import pytest

from stream_al.identity import version_of
from stream_al.service.http.access.roles import Role
from tests.support.http_client import Open, problem
from tests.support.http_server import CLOSED, TOKENS, bearing

OWN = {"id": "own", "label": "up", "features": {"x": 1.0}}


@pytest.mark.parametrize(
    ("role", "given", "code"),
    [(Role.LABEL, [], 403), (Role.ADMIN, [], 202), (Role.LABEL, ["labels.unsolicited=true"], 202)],
)
async def test_the_role_label_teaches_only_what_was_asked_for(
    opened: Open, role: Role, given: list[str], code: int
) -> None:
    """A label with features of its own is an example that anybody could invent."""
    world, replica, client = await opened(*CLOSED, *given)
    await world.ask("q")
    await world.until(lambda: len(replica.app.pending) == 1, "its query is read")
    (query,) = await world.queries()
    asked = {"id": "q", "label": "up", "features": query["features"]}
    response = await client.post("/v1/labels", json=[asked, OWN], headers=bearing(TOKENS[role]))
    assert response.status_code == code, response.text
    if code == 403:
        assert "labels.unsolicited" in problem(response, 403)["detail"]
        assert await world.records(world.topics.labels) == [], "a request is refused as a whole"
        assert (await client.post("/v1/labels", json=asked, headers=bearing(TOKENS[role]))).status_code == 202
    expected = 1 if code == 403 else 2
    await world.until(lambda: replica.offset == expected, "they are learned")


async def test_features_that_may_not_be_learned_are_not_sent(opened: Open) -> None:
    """Else a label whose query is over by the time it is read would be learned with them.

    They still say which version of the sample is meant.
    """
    world, replica, client = await opened(*CLOSED)
    await world.ask("q")
    await world.until(lambda: len(replica.app.pending) == 1, "its query is read")
    (query,) = await world.queries()
    for features, code in ((query["features"], 202), ({"x": 9.0}, 403)):
        body = {"id": "q", "label": "up", "features": features}
        response = await client.post("/v1/labels", json=body, headers=bearing(TOKENS[Role.LABEL]))
        assert response.status_code == code, response.text
    (sent,) = await world.records(world.topics.labels)
    label = json.loads(sent.value or b"")
    assert "features" not in label
    assert label["version"] == version_of(query["features"])
    await world.until(lambda: replica.offset == 1, "it is learned")


@pytest.mark.parametrize("claimed", [None, "Admin", 7, ["x"]])
async def test_labels_and_examples_name_the_token_that_brought_them(opened: Open, claimed: Any) -> None:
    """Never the token itself, and no name that the client claims."""
    world, replica, client = await opened(*CLOSED)
    await world.ask("q")
    await world.until(lambda: len(replica.app.pending) == 1, "its query is read")
    labels = [{"id": "q", "label": "up", "via": claimed}, {"id": "q", "label": "down", "via": claimed}]
    token = TOKENS[Role.LABEL]
    assert (await client.post("/v1/labels", json=labels, headers=bearing(token))).status_code == 202
    await world.until(lambda: replica.offset == 2, "it is learned, and the other one is recorded")
    assert [example["via"] for example in await world.examples()] == ["Label", "Label"]
    for topic in (world.topics.labels, world.topics.examples):
        for record in await world.records(topic):
            assert token not in str(record)


async def test_without_tokens_a_label_names_none(opened: Open) -> None:
    world, replica, client = await opened()
    assert (await client.post("/v1/labels", json={**OWN, "via": "Admin"})).status_code == 202
    await world.until(lambda: replica.offset == 1, "it is learned")
    assert "via" not in (await world.examples())[0]
