"""The desk over HTTP: its files hold no data and need no token, and its data needs one."""

from __future__ import annotations

import json
import re

import pytest
from fastapi import FastAPI

from stream_al.errors import Misconfigured
from stream_al.service.http.access.roles import Role
from stream_al.service.http.desk_files import DeskFiles
from stream_al.settings import load
from tests.support.http_client import Open, problem
from tests.support.http_server import TOKENS, application, bearing, client_of
from tests.support.stream import query


async def test_the_files_need_no_token_and_the_data_does(closed: FastAPI) -> None:
    async with client_of(closed) as client:
        for path in ("/desk", "/desk/app.js", "/desk/desk.css", "/desk/icon.svg"):
            assert (await client.get(path)).status_code == 200
        assert (await client.get("/")).headers["location"] == "desk"
        for path in ("/v1/desk", "/v1/explanations?id=s1"):
            assert (await client.get(path)).status_code == 401
        found = (await client.get("/v1/desk", headers=bearing(TOKENS[Role.LABEL]))).json()
    assert (found["role"], found["name"]) == ("label", "Label")


async def test_a_page_may_run_its_own_files_and_nothing_else() -> None:
    """No inline code, no other host but those of the settings, and those for images and sounds alone."""
    async with client_of(application("desk.media_hosts=[cdn.example]")) as client:
        page = await client.get("/desk")
    rules = dict(rule.split(" ", 1) for rule in page.headers["content-security-policy"].split("; "))
    media = "'self' data: cdn.example"
    assert rules == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "connect-src": "'self'",
        "img-src": media,
        "media-src": media,
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
    }
    assert page.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"<script(?![^>]* src=)|<style|\bstyle=|\bon\w+=|https?:", page.text)


async def test_a_file_that_the_browser_has_is_not_sent_again() -> None:
    async with client_of(application()) as client:
        first = await client.get("/desk/app.js")
        assert first.headers["cache-control"] == "no-cache"
        for known in (first.headers["etag"], f'"other", W/{first.headers["etag"]}'):
            again = await client.get("/desk/app.js", headers={"If-None-Match": known})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["content-security-policy"]
        other = await client.get("/desk/app.js", headers={"If-None-Match": '"other"'})
    assert other.content == first.content


async def test_no_other_file_is_served_and_none_if_the_desk_is_off() -> None:
    async with client_of(application()) as client:
        for name in ("nothing.js", "%2e%2e%2fmessages.py", "..%2f..%2fpyproject.toml", "__init__.py"):
            assert (await client.get(f"/desk/{name}")).status_code in (403, 404)
    async with client_of(application("desk.enabled=false")) as client:
        assert (await client.get("/desk")).status_code == 404
        assert (await client.get("/desk/app.js")).status_code == 404
        assert (await client.get("/")).headers["location"] == "docs"
        assert (await client.get("/v1/desk")).json()["pages"] == []


def test_every_file_that_a_page_names_is_there() -> None:
    files = DeskFiles(())
    assert files.has("index.html")
    for name in ("app.js", "label.js", "theme.js", "desk.css", "icon.svg"):
        assert files.has(name)


async def test_a_desk_knows_the_classes_with_their_types(opened: Open) -> None:
    """Those that are allowed, or else those that the model knows."""
    for given, classes, is_open in (
        ('labels.classes=[1, "1", yes]', [1, "1", "yes"], False),
        ("seed=0", [], True),
    ):
        _, _, client = await opened(given, "model.definition=auto")
        found = (await client.get("/v1/desk")).json()
        assert [(type(one), one) for one in found["classes"]] == [(type(one), one) for one in classes]
        assert found["open_classes"] is is_open


async def test_the_budget_that_is_left_is_what_the_caps_leave(opened: Open) -> None:
    world, replica, client = await opened("budget.total=50", "budget.share=0.5")

    async def left() -> int | None:
        found: int | None = (await client.get("/v1/desk")).json()["budget_left"]
        return found

    await world.settle([one["id"] for one in await world.samples(40)])
    assert len(replica.app.select.partitions) == world.settings.topics.partitions
    assert await left() == 50 - len(await world.queries())
    await client.patch("/v1/settings", json={"budget": {"total": 60}})
    await world.until(lambda: replica.app.control.budget.total == 60, "the change is there")
    assert await left() == 60 - len(await world.queries())


async def test_without_a_cap_nothing_is_left_to_count(opened: Open) -> None:
    _, _, client = await opened()
    assert (await client.get("/v1/desk")).json()["budget_left"] is None


async def test_an_explanation_says_which_features_and_words_move_the_model(opened: Open) -> None:
    """`x` decides and `y` does not; a query that is not pending has none."""
    world, replica, client = await opened("model.definition=auto")
    told = [(0.9, "prize money winner", "up"), (0.1, "dinner with love", "down")] * 12
    await world.send(
        world.topics.labels,
        [
            {"id": f"t{place}", "label": kind, "features": {"x": x, "y": 1.0, "text": text}}
            for place, (x, text, kind) in enumerate(told)
        ],
    )
    await world.until(lambda: replica.app.local_model.model.examples == len(told), "all is learned")
    features = {"x": 0.8, "y": 1.0, "text": "Winner, take the prize"}
    await world.send(world.topics.queries, [{**query("a/b c"), "features": features}])
    await world.until(lambda: len(replica.app.pending) == 1, "it is known")
    found = (await client.get("/v1/explanations", params={"id": "a/b c"})).json()
    assert (found["label"], found["examples"]) == ("up", len(told))
    assert found["features"].keys() == features.keys()
    assert list(found["features"])[-1] == "y"
    assert found["features"]["y"] == 0
    words = found["words"]["text"]
    assert words.keys() == {"winner", "take", "the", "prize"}
    assert min(words["winner"], words["prize"]) > max(abs(words["take"]), abs(words["the"]))
    assert [abs(one) for one in words.values()] == sorted((abs(one) for one in words.values()), reverse=True)
    problem(await client.get("/v1/explanations", params={"id": "nobody"}), 404)


@pytest.mark.parametrize(
    "host", ["cdn.example; script-src *", "*", "'unsafe-inline'", "data:", "javascript://x", "a b", "http://"]
)
def test_a_host_cannot_change_the_content_policy(host: str) -> None:
    with pytest.raises(Misconfigured, match=r"desk\.media_hosts"):
        load(overrides=["desk.media_hosts=" + json.dumps([host])], environ={})
