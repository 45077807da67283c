"""The bridge with a real Label Studio: every way in which a query and its task, or a label, can go astray."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from stream_al.errors import Unavailable
from stream_al.label_studio.bridge import Bridge
from stream_al.label_studio.client import Client
from stream_al.label_studio.ledger import Ledger
from stream_al.label_studio.listener import Served, listening
from stream_al.label_studio.project import SECRET_HEADER, Project
from stream_al.service.http.access.roles import Role
from stream_al.service.http.api import api
from tests.label_studio.hands import Hands
from tests.support.http_server import CLOSED, TOKENS, client_of
from tests.support.replica import DEADLINE_SECONDS
from tests.support.stream import query
from tests.support.world import MakeWorld, World

# A server of 300 MB takes some time for every request, and minutes for its installation and first start.
pytestmark = [pytest.mark.long, pytest.mark.timeout(2400)]

Make = Callable[..., Hands]


class Crash(BaseException):
    """The process is killed here."""


async def ids(hands: Hands) -> list[str]:
    """The samples of all tasks, in order; a sample that is there twice is there twice."""
    return sorted(task["data"]["stream_al_id"] for task in await hands.annotator.tasks())


async def close(world: World, *names: str) -> None:
    """Send the tombstones of queries."""
    await world.send(world.topics.queries, [None] * len(names), keys=[name.encode() for name in names])


async def given(hands: Hands) -> list[tuple[str, Any]]:
    """What the labels on the topic say, in order."""
    return [(label["id"], label.get("label", "skipped")) for label in await hands.labels()]


CRASHES: dict[str, tuple[type, str, bool]] = {
    "before the project is created": (Client, "request", False),
    "before tasks are imported": (Client, "import_tasks", False),
    "between import and remembering": (Ledger, "imported", False),
    "before a label is sent": (Bridge, "_label", False),
    "between sending and remembering": (Ledger, "note", False),
    "before tasks are deleted": (Client, "delete_untouched", False),
    "between deleting and remembering": (Ledger, "withdrawn", False),
    "before the configuration is extended": (Project, "extend", False),
    "after the configuration is extended": (Project, "extend", True),
}


@pytest.mark.parametrize("step", CRASHES)
async def test_no_task_twice_and_no_annotation_lost_wherever_the_process_dies(
    memory_world: MakeWorld, make_hands: Make, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The next process brings both sides together, whatever the one before had done."""
    world = await memory_world()
    hands = make_hands(world)
    await world.ask("a", "b", "c", "d")
    bridge = await hands.bridge()
    if step != "before tasks are imported":
        await hands.step(bridge)
        await hands.annotator.label(await hands.annotator.task("a"), "up", "other_class")
        await close(world, "b")
    await world.ask("e")
    owner, name, after = CRASHES[step]
    real = getattr(owner, name)

    def dies(*args: Any, **more: Any) -> Any:
        if after:

            async def done() -> None:
                await real(*args, **more)
                raise Crash

            return done()
        raise Crash

    with monkeypatch.context() as patch, suppress(Crash):
        patch.setattr(owner, name, dies)
        await hands.step(bridge)
    following = await hands.bridge()
    await hands.step(following)
    if step == "before tasks are imported":
        await hands.annotator.label(await hands.annotator.task("a"), "up", "other_class")
        await close(world, "b")
    await hands.step(following)
    assert await ids(hands) == ["a", "c", "d", "e"]
    assert set(await given(hands)) == {("a", "up")}


async def test_a_second_task_of_a_query_is_removed(memory_world: MakeWorld, make_hands: Make) -> None:
    """A request that Label Studio carries out after its sender was killed may make one."""
    world = await memory_world()
    hands = make_hands(world)
    await world.ask("a", "b")
    bridge = await hands.bridge()
    await hands.step(bridge)
    again = {"data": (await hands.annotator.task("a"))["data"]}
    await hands.annotator.call("POST", f"/api/projects/{bridge.project.number}/import", json=[again])
    assert await ids(hands) == ["a", "a", "b"]
    await hands.step(bridge)
    assert await ids(hands) == ["a", "b"]


async def test_an_import_that_fails_may_have_been_done(
    memory_world: MakeWorld, make_hands: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a timeout nobody knows. The tasks are listed again before anything is imported."""
    world = await memory_world()
    hands = make_hands(world)
    await world.ask("a")
    bridge = await hands.bridge()
    real = bridge.client.import_tasks

    async def lost(project: int, tasks: Any) -> list[int]:
        await real(project, tasks)
        raise httpx.ReadTimeout("no response")

    with monkeypatch.context() as patch:
        patch.setattr(bridge.client, "import_tasks", lost)
        with pytest.raises(httpx.ReadTimeout):
            await hands.step(bridge)
    assert not bridge.ledger.complete
    imported = bridge.metrics.imported._value.get()
    await hands.step(bridge)
    assert await ids(hands) == ["a"]
    assert bridge.metrics.imported._value.get() == imported


async def test_a_label_that_kafka_did_not_take_is_sent_again(
    memory_world: MakeWorld, make_hands: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is remembered only when the broker has it."""
    world = await memory_world()
    hands = make_hands(world)
    await world.ask("a")
    bridge = await hands.bridge()
    await hands.step(bridge)
    await hands.annotator.label(await hands.annotator.task("a"), "up", "other_class")

    async def away(records: Any) -> None:
        raise Unavailable("no broker")

    with monkeypatch.context() as patch:
        patch.setattr(bridge.broker, "send", away)
        with pytest.raises(Unavailable):
            await hands.step(bridge)
    await hands.step(bridge)
    assert await given(hands) == [("a", "up")]


async def test_what_annotators_do_becomes_labels_of_the_right_type(
    memory_world: MakeWorld, make_hands: Make
) -> None:
    """1 and "1" are two classes. A skip is a skip. What means no class is no label, and is said."""
    world = await memory_world("labels.classes=[1, 2, up]")
    hands = make_hands(world)
    await world.ask("a", "b", "c", "d")
    bridge = await hands.bridge()
    await hands.step(bridge)
    by = hands.annotator
    await by.label(await by.task("a"), "1")
    await by.label(await by.task("b"), "up")
    await by.skip(await by.task("c"))
    empty: dict[str, Any] = {"result": []}
    await by.call("POST", f"/api/tasks/{(await by.task('d'))['id']}/annotations/", json=empty)
    await hands.step(bridge)
    labels = await hands.labels()
    assert await given(hands) == [("a", 1), ("b", "up"), ("c", "skipped")]
    assert {label["version"] for label in labels} == {bridge.pending.version("a")}
    assert all(label["annotator"].startswith("label-studio:") for label in labels)
    assert bridge.metrics.unusable.labels("no_class")._value.get() == 1
    await hands.step(bridge)
    assert len(await hands.labels()) == 3


async def test_a_changed_annotation_is_sent_again_and_a_deleted_one_is_said(
    memory_world: MakeWorld, make_hands: Make, capfd: pytest.CaptureFixture[str]
) -> None:
    """Also when the query is closed by then: the service records the contradiction."""
    world = await memory_world("labels.classes=[up, down]")
    hands = make_hands(world)
    await world.ask("a")
    bridge = await hands.bridge()
    await hands.step(bridge)
    annotation = await hands.annotator.label(await hands.annotator.task("a"), "up")
    await hands.step(bridge)
    await close(world, "a")
    await hands.step(bridge)
    await hands.annotator.change(annotation, "down")
    await hands.step(bridge)
    assert await given(hands) == [("a", "up"), ("a", "down")]
    await hands.annotator.delete(annotation)
    await hands.step(bridge)
    assert bridge.metrics.deleted._value.get() == 1
    assert await given(hands) == [("a", "up"), ("a", "down")]


async def test_a_changed_annotation_corrects_its_label_in_the_service(
    memory_world: MakeWorld, make_hands: Make, tmp_path: Path
) -> None:
    """From the query to the model: the service asks, an annotator labels and changes the label: it counts."""
    world = await memory_world(*CLOSED, "budget.share=1.0")
    token = tmp_path / "service-token"
    token.write_text(TOKENS[Role.ADMIN])
    hands = make_hands(
        world, "label_studio.service_url=http://localhost", f"label_studio.service_token_file={token}"
    )
    replica = await world.start()
    known = replica.app.local_model.learner.known
    await world.send(world.topics.samples, [{"id": "a", "features": {"x": 0.5, "y": 0.5}}])
    await world.until(lambda: "a" in replica.app.pending, "it is asked")
    bridge = await hands.bridge()
    bridge.corrections._http = client_of(api(replica.app))
    await hands.step(bridge)
    annotation = await hands.annotator.label(await hands.annotator.task("a"), "up", "other_class")
    await hands.step(bridge)
    await world.until(lambda: "a" in known, "it is learned")
    await hands.step(bridge)
    await hands.annotator.change(annotation, "down")
    await hands.step(bridge)
    assert bridge.metrics.labels.labels("corrected")._value.get() == 1

    async def corrected() -> bool:
        return "corrects" in (await world.examples())[-1]

    await world.until(corrected, "the correction is in the log")
    right = (await world.examples())[-1]
    assert (right["label"], right["via"]) == ("down", "Admin")
    assert right["annotator"].startswith("label-studio:")
    assert await given(hands) == [("a", "up")], "no contradiction is recorded"
    (first,) = await hands.labels()
    assert first["guess_shown"] is False


async def test_closed_and_expired_queries_are_withdrawn_and_labelled_tasks_stay(
    memory_world: MakeWorld, make_hands: Make
) -> None:
    world = await memory_world("queries.tombstones=false")
    hands = make_hands(world)
    await world.ask("short", life_ms=1)
    await world.ask("labelled", "closed", "open")
    bridge = await hands.bridge()
    await hands.step(bridge)
    await hands.annotator.label(await hands.annotator.task("labelled"), "up", "other_class")
    await close(world, "labelled", "closed")
    assert world.broker is not None
    world.broker.now_ms += 1000
    await world.ask("open")  # the log's time moves with its records
    await hands.step(bridge)
    assert await ids(hands) == ["labelled", "open"]


async def test_tasks_of_others_are_left_alone(memory_world: MakeWorld, make_hands: Make) -> None:
    """A project may hold tasks that the bridge has not imported, even with ids that look like ours."""
    world = await memory_world()
    hands = make_hands(world)
    bridge = await hands.bridge()
    data = {"text": "x", "features": {}, "image": "", "audio": ""}
    foreign = [{"data": data}, {"data": data | {"stream_al_id": "a", "stream_al_version": "v"}}]
    await hands.annotator.call("POST", f"/api/projects/{bridge.project.number}/import?", json=foreign)
    for task in await hands.annotator.tasks():
        await hands.annotator.label(task, "up", "other_class")
        break
    await hands.step(bridge)
    assert len(await hands.annotator.tasks()) == 2
    assert await hands.labels() == []


async def test_no_more_tasks_wait_than_the_settings_say_and_the_most_useful_come_first(
    memory_world: MakeWorld, make_hands: Make
) -> None:
    world = await memory_world()
    hands = make_hands(world, "label_studio.max_tasks=2")
    useful = [query(f"q{n}") | {"utility": n / 10} for n in range(5)]
    await world.send(world.topics.queries, useful)
    bridge = await hands.bridge()
    await hands.step(bridge)
    assert await ids(hands) == ["q3", "q4"]
    await hands.annotator.label(await hands.annotator.task("q4"), "up", "other_class")
    await hands.step(bridge)
    assert await ids(hands) == ["q2", "q3", "q4"]


async def test_one_query_that_is_refused_holds_up_no_other(memory_world: MakeWorld, make_hands: Make) -> None:
    """Label Studio refuses a whole import for one bad task."""
    world = await memory_world()
    hands = make_hands(world)
    bridge = await hands.bridge()
    own = '<View><Text name="text" value="$text"/><Choices name="label" toName="text"><Choice value="up"/></Choices><Text name="p" value="$payload"/></View>'  # noqa: E501
    number = bridge.project.number
    await hands.annotator.call("PATCH", f"/api/projects/{number}/", json={"label_config": own})
    bridge.use(await hands.project(bridge))
    await world.send(
        world.topics.queries, [query("bad"), *(query(f"q{n}") | {"payload": "text"} for n in range(5))]
    )
    await hands.step(bridge)
    refused = bridge.metrics.refused._value.get()
    assert await ids(hands) == [*(["bad"] if not refused else []), *(f"q{n}" for n in range(5))]


async def test_new_classes_become_choices(memory_world: MakeWorld, make_hands: Make) -> None:
    """A class that an annotator has typed can be chosen from then on, and nothing in it is markup."""
    world = await memory_world()
    hands = make_hands(world)
    await world.ask("a")
    bridge = await hands.bridge()
    await hands.step(bridge)
    await hands.annotator.label(await hands.annotator.task("a"), '<b "x">&', "other_class")
    await world.ask("b")
    await hands.step(bridge)
    await hands.annotator.label(await hands.annotator.task("b"), '<b "x">&')
    await hands.step(bridge)
    assert await given(hands) == [("a", '<b "x">&'), ("b", '<b "x">&')]


async def test_a_webhook_with_the_secret_wakes_the_bridge_and_another_does_not(
    memory_world: MakeWorld, make_hands: Make
) -> None:
    """Label Studio itself sends it. Nothing in its body is read."""
    world = await memory_world()
    hands = make_hands(world, "label_studio.port=0")
    await world.ask("a")
    bridge = await hands.bridge()
    await hands.step(bridge)
    bridge._wakened.clear()
    async with listening(hands.settings, Served(bridge, "s" * 32, 5)) as port:
        url = f"http://127.0.0.1:{port}/webhook"
        async with httpx.AsyncClient(timeout=DEADLINE_SECONDS, trust_env=False) as http:
            assert (await http.post(url, json={})).status_code == 403
            wrong = {SECRET_HEADER: "wrong"}
            assert (await http.post(url, headers=wrong, content=b"x")).status_code == 403
            right = {SECRET_HEADER: "s" * 32}
            assert (await http.post(url, headers=right, content=b"x" * 1_100_000)).status_code == 413
            assert not bridge._wakened.is_set()
            metrics = await http.get(f"http://127.0.0.1:{port}/metrics")
            assert "stream_al_label_studio_waiting_tasks 1.0" in metrics.text
            assert (await http.get(f"http://127.0.0.1:{port}/nothing")).status_code == 404
            assert (await http.get(f"http://127.0.0.1:{port}/readyz")).status_code == 503
        for _ in range(2):  # connected again at every start, and never twice
            await bridge.project.connect_webhook(url, "s" * 32)
        hooks = await hands.annotator.call("GET", "/api/webhooks/", params={"project": bridge.project.number})
        assert len(hooks) == 1
        await hands.annotator.label(await hands.annotator.task("a"), "up", "other_class")
        await world.until(bridge._wakened.is_set, "the webhook has come")


async def test_a_personal_token_is_renewed_when_it_is_no_longer_accepted(
    memory_world: MakeWorld, make_hands: Make
) -> None:
    world = await memory_world()
    hands = make_hands(world)
    made = await hands.annotator.call("POST", "/api/token/", json={})
    token = hands.directory / "token"
    token.write_text(made["token"] + "\n")
    own = {"token": None, "token_file": token}
    settings = hands.settings.label_studio.model_copy(update=own)
    client = Client(settings, 30)
    try:
        await client.request("GET", "/api/projects/")
        client._access = "of yesterday"
        await client.request("GET", "/api/projects/")
        assert client.requests["ok"] >= 2
    finally:
        await client.close()
        tokens = await hands.annotator.call("GET", "/api/token/")
        for one in tokens if isinstance(tokens, list) else []:
            with suppress(AssertionError):
                await hands.annotator.call("POST", "/api/token/blacklist/", json={"refresh": one["token"]})
