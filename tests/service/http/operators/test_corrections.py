"""Who may correct which label over HTTP, and what the response and the export say of it."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import httpx
import pytest

from stream_al.service import maintenance
from stream_al.service.http.access.roles import Role
from stream_al.service.http.operators.changes import roll_back
from tests.service.corrections import agree
from tests.support.http_client import Open, Opened, fail_sends, problem
from tests.support.http_server import CLOSED, TOKENS, bearing
from tests.support.stream import query
from tests.support.world import World

BOB = "canary-bob-0123456789"
TEAM = [one for one in CLOSED if not one.startswith("http.label")]
TEAM = [*TEAM, f"http.label_tokens=Label:{TOKENS[Role.LABEL]},Bob:{BOB}"]


async def labelled(opened: Open, *given: str) -> Opened:
    """A query `q` that the token `Label` has labelled `up`, learned."""
    world, replica, client = await opened(*TEAM, *given)
    replica.app.clock.pace = replace(replica.app.clock.pace, correction_seconds=0.05)
    await world.ask("q")
    await world.until(lambda: len(replica.app.pending) == 1, "its query is read")
    sent = {"id": "q", "label": "up", "annotator": "ann"}
    response = await client.post("/v1/labels", json=sent, headers=bearing(TOKENS[Role.LABEL]))
    assert response.status_code == 202
    await world.until(lambda: replica.offset == 1, "it is learned")
    return world, replica, client


async def correct(client: httpx.AsyncClient, token: str, **body: Any) -> httpx.Response:
    return await client.post("/v1/corrections", json=body, headers=bearing(token))


async def exported(world: World) -> list[dict[str, Any]]:
    out = io.StringIO()
    broker = world.connect(world.settings)
    await maintenance.export_examples(world.settings, broker, out, "jsonl", lambda done, total: None)
    return [json.loads(line) for line in out.getvalue().splitlines()]


async def test_a_label_is_corrected_and_everything_follows(opened: Open) -> None:
    """The response, the model, the audit of the log, and the export say so. The log keeps both labels."""
    world, replica, client = await labelled(opened)
    response = await correct(client, TOKENS[Role.ADMIN], id="q", label="down", annotator="eve")
    assert response.status_code == 202, response.text
    note = response.json().pop("note")
    assert "The log keeps both labels" in note
    assert response.json() == {
        "accepted": 1,
        "id": "q",
        "label": "down",
        "former_label": "up",
        "expected": "corrected",
        "note": note,
    }
    first, second = await world.examples()
    assert (first["label"], second["label"]) == ("up", "down")
    facts = [second[name] for name in ("id", "corrects", "annotator", "via", "reason")]
    assert facts == ["q", True, "eve", "Admin", "correction"]
    assert "features" not in second
    await world.until(lambda: replica.app.local_model.learner.offset == 2, "it is read")
    again = await correct(client, TOKENS[Role.ADMIN], id="q", label="down")
    assert (again.status_code, again.json()["accepted"], again.json()["expected"]) == (202, 0, "duplicate")
    assert len(await world.examples()) == 2
    model = (await client.get("/v1/model", headers=bearing(TOKENS[Role.READ]))).json()
    assert model["corrected"] == 1
    (row,) = await exported(world)
    assert (row["label"], row["annotator"]) == ("down", "ann")
    assert (row["former_label"], row["corrected_by"]) == ("up", "eve")
    assert row["corrected_at"]
    known = await maintenance.known_labels(world.settings, world.connect(world.settings))
    assert known["q"][0] == "down"
    await agree(world, [replica])


async def test_the_role_label_corrects_labels_of_its_own_token_only(opened: Open) -> None:
    world, replica, client = await labelled(opened)
    other = problem(await correct(client, BOB, id="q", label="down"), 403)
    assert "came from another token" in other["detail"]
    problem(await correct(client, TOKENS[Role.READ], id="q", label="down"), 403)
    assert (await correct(client, TOKENS[Role.LABEL], id="q", label="down")).status_code == 202
    await world.until(lambda: replica.offset == 2, "it is read")
    assert (await correct(client, TOKENS[Role.ADMIN], id="q", label="left")).status_code == 202
    await world.until(lambda: replica.offset == 3, "it is read")
    decided = problem(await correct(client, TOKENS[Role.LABEL], id="q", label="up"), 403)
    assert "came from another token" in decided["detail"], "what an operator has decided stays"
    assert [e["label"] for e in await world.examples()] == ["up", "down", "left"]


async def test_the_role_label_corrects_for_some_minutes_only(opened: Open) -> None:
    world, _, client = await labelled(opened, "labels.correct_minutes=0")
    late = problem(await correct(client, TOKENS[Role.LABEL], id="q", label="down"), 403)
    assert "labels.correct_minutes" in late["detail"]
    assert (await correct(client, TOKENS[Role.ADMIN], id="q", label="down")).status_code == 202
    assert len(await world.examples()) == 2


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"id": "q", "label": "left"}, "labels.classes lists"),
        ({"id": "never", "label": "down"}, "no label of 'never' is known: check the id"),
        ({"id": "open", "label": "down"}, "has no label yet: send its label as a label"),
        ({"id": "q", "label": None}, "null or blank"),
        ({"id": "q", "label": "down", "version": "v0"}, "check the id"),
        ({"id": {}, "label": "down"}, "id"),
    ],
)
async def test_what_cannot_be_corrected_is_refused_in_one_sentence(
    opened: Open, body: dict[str, Any], words: str
) -> None:
    world, replica, client = await labelled(opened, "labels.classes=[up, down]")
    await world.ask("open")
    await world.until(lambda: len(replica.app.pending) == 1, "its query is read")
    found = problem(await correct(client, TOKENS[Role.ADMIN], **body), 422)
    assert words in found["detail"]
    assert len(await world.examples()) == 1


async def test_an_excluded_label_is_not_corrected(opened: Open) -> None:
    world, replica, client = await labelled(opened)
    await roll_back(replica.app, 0, None)
    found = problem(await correct(client, TOKENS[Role.ADMIN], id="q", label="down"), 422)
    assert "restore it first" in found["detail"]
    assert len(await world.examples()) == 1


async def test_unknown_members_and_a_broker_that_is_away_are_errors(opened: Open) -> None:
    _, replica, client = await labelled(opened)
    assert "lable" in problem(await correct(client, TOKENS[Role.ADMIN], id="q", lable="down"), 422)["detail"]
    fail_sends(replica)
    problem(await correct(client, TOKENS[Role.ADMIN], id="q", label="down"), 503)


async def test_a_correction_that_a_replica_could_not_follow_is_refused(opened: Open) -> None:
    """The topic no longer holds all examples, and no snapshot is older than the corrected one."""
    world, replica, client = await labelled(opened)
    local_model = replica.app.local_model

    async def cut() -> dict[int, int]:
        return {0: 1}

    local_model.reader.beginning_offsets = cut  # type: ignore[method-assign]
    found = problem(await correct(client, TOKENS[Role.ADMIN], id="q", label="down"), 422)
    assert "its label cannot be corrected" in found["detail"]
    assert len(await world.examples()) == 1


async def test_a_second_label_is_corrected_by_its_own_token_and_by_no_other(opened: Open) -> None:
    world, replica, client = await labelled(opened)
    second = {**query("q~2"), "second_of": "q", "sample_id": "q", "labelled_by": ["ann"], "reason": "second"}
    second["version"] = replica.app.local_model.learner.known.version("q")
    await world.send(world.topics.queries, [second])
    await world.until(lambda: len(replica.app.pending) == 1, "its query is read")
    sent = {"id": "q~2", "label": "up", "annotator": "bob"}
    await client.post("/v1/labels", json=sent, headers=bearing(BOB))
    await world.until(lambda: replica.offset == 2, "it is read")
    problem(await correct(client, TOKENS[Role.LABEL], id="q~2", label="down"), 403)
    response = await correct(client, BOB, id="q~2", label="down", annotator="bob")
    assert response.status_code == 202, response.text
    assert (response.json()["expected"], response.json()["former_label"]) == ("replaced", "up")
    await world.until(lambda: replica.offset == 3, "the correction is read")
    item = replica.app.local_model.learner.trust.last.samples["q"]
    assert [(note.annotator, note.label) for note in item.notes] == [("ann", "up"), ("bob", "down")]
    assert replica.app.local_model.learner.known["q"] == "up"
