"""Changed annotations as corrections: by the real route of the service, or a server that behaves badly."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from stream_al.errors import Misconfigured, Unavailable
from stream_al.label_studio import corrections
from stream_al.label_studio.annotations import Annotation, Task
from stream_al.label_studio.bridge import Bridge
from stream_al.label_studio.client import Client
from stream_al.label_studio.corrections import MOST_WAITING, Corrections, corrects
from stream_al.messages import Label
from stream_al.service.http.access.roles import Role
from stream_al.service.http.api import api
from stream_al.settings import load
from tests.support.http_server import CLOSED, TOKENS, client_of
from tests.support.memory_client import MemoryClient
from tests.support.oracles import broker_of
from tests.support.world import MakeWorld

KEY = ("q", "v")
RIGHT = Label("q", "down", annotator="label-studio:7", version="v")


def corrector(*given: str) -> Corrections:
    settings = load(overrides=["label_studio.service_url=http://localhost", *given], environ={})
    return Corrections(settings.label_studio, 5.0)


def with_service(respond: Callable[[httpx.Request], httpx.Response], *given: str) -> Corrections:
    found = corrector(*given)
    found._http = httpx.AsyncClient(transport=httpx.MockTransport(respond))
    assert found.add(1, KEY, RIGHT)
    return found


@pytest.mark.parametrize("role", [Role.ADMIN, Role.LABEL, None])
async def test_the_right_to_correct_is_that_of_the_token(
    memory_world: MakeWorld, tmp_path: Path, role: Role | None
) -> None:
    """A label of the bridge came with no token, so only the role admin corrects it; else it is a label."""
    world = await memory_world(*CLOSED)
    replica = await world.start()
    (sample, *_) = await world.samples(20)
    await world.settle([sample["id"]])
    (example,) = [one for one in await world.examples() if one["id"] == sample["id"]]
    file = tmp_path / "token"
    file.write_text(f"{TOKENS.get(role, 'nobody') if role else 'nobody'}\n")
    found = corrector(f"label_studio.service_token_file={file}")
    found._http = client_of(api(replica.app))
    other = "down" if example["label"] == "up" else "up"
    changed = Label(sample["id"], other, annotator="label-studio:7")
    assert found.add(1, (sample["id"], ""), changed)
    accepted, refused = await found.step(lambda key: False)
    assert (accepted, refused) == ((1, {}) if role is Role.ADMIN else (0, {1: changed}))
    assert len(found) == len(refused)
    last = [one for one in await world.examples() if one["id"] == sample["id"]][-1]
    assert bool(last.get("corrects")) == (role is Role.ADMIN)
    if role is Role.ADMIN:
        assert (last["label"], last["annotator"], last["via"]) == (other, "label-studio:7", "Admin")
    await found.close()


@pytest.mark.parametrize("status", [429, 500, 503, None])
async def test_a_correction_waits_while_the_service_is_away(status: int | None) -> None:
    """Nothing is sent as a label meanwhile, which would be a contradiction for good."""
    statuses = [status, 202]

    def respond(request: httpx.Request) -> httpx.Response:
        found = statuses.pop(0)
        if found is None:
            raise httpx.ConnectError("away")
        return httpx.Response(found, json={})

    found = with_service(respond)
    assert await found.step(lambda key: False) == (0, {})
    assert len(found) == 1
    assert await found.step(lambda key: False) == (1, {})
    assert len(found) == 0


async def test_a_refused_correction_waits_while_its_first_label_is_on_its_way() -> None:
    found = with_service(lambda request: httpx.Response(422, json={"detail": "has no label yet"}))
    assert await found.step(lambda key: True) == (0, {})
    assert await found.step(lambda key: key != KEY) == (0, {1: RIGHT})
    found.sent([1])
    assert len(found) == 0


async def test_a_refused_correction_waits_until_the_broker_has_its_label(memory_world: MakeWorld) -> None:
    """Else a broker that is away for a moment would cost what the annotator has said."""
    world = await memory_world()
    given = ["label_studio.url=http://localhost", "label_studio.service_url=http://localhost"]
    environ = {"STREAM_AL_LABEL_STUDIO__TOKEN": "canary"}
    settings, client = (
        load(overrides=[*world.written, *given], environ=environ),
        MemoryClient(broker_of(world)),
    )
    bridge = Bridge(settings, client, Client(settings.label_studio, 5), world.clock)
    bridge.corrections = with_service(lambda request: httpx.Response(422, json={"detail": "no such label"}))

    def away(step: str, topic: str) -> None:
        raise Unavailable("away")

    client.hook = away
    with pytest.raises(Unavailable):
        await bridge._correct()
    client.hook = lambda step, topic: None
    await bridge._correct()
    await bridge._correct()
    assert [one["label"] for one in await world.messages(world.topics.labels)] == [RIGHT.label]


async def test_what_the_service_says_is_read_up_to_a_limit() -> None:
    """The address may lead to something else."""
    sent = list[int]()

    async def long() -> AsyncIterator[bytes]:
        for number in range(1000):
            sent.append(number)
            yield b"[" * 10_000

    found = with_service(lambda request: httpx.Response(404, content=long()))
    assert await found.step(lambda key: False) == (0, {1: RIGHT})
    assert len(sent) < 20
    assert len(corrections._detail(b"x" * 10**5)) <= 300


async def test_the_token_is_read_again_and_a_file_without_one_lets_corrections_wait(tmp_path: Path) -> None:
    seen = list[Any]()

    def respond(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("authorization"))
        return httpx.Response(202, json={})

    file = tmp_path / "token"
    found = with_service(respond, f"label_studio.service_token_file={file}")
    for text in ("", "two words"):
        file.write_text(text)
        assert await found.step(lambda key: False) == (0, {})
    file.write_text("secret\n")
    assert await found.step(lambda key: False) == (1, {})
    assert seen == ["Bearer secret"]


def test_few_corrections_wait_and_none_without_an_address() -> None:
    """What has no room is sent as a label."""
    full = corrector()
    assert [full.add(n, KEY, RIGHT) for n in range(MOST_WAITING + 1)].count(False) == 1
    assert full.add(0, KEY, RIGHT), "a newer change takes the place of the older one"
    assert not Corrections(load(environ={}).label_studio, 5.0).add(1, KEY, RIGHT)


def test_only_the_first_annotation_that_gives_a_class_corrects() -> None:
    """A later one of another annotator is another opinion, changed or not."""
    skipped, first, second = (Annotation(n, "t", "t", was_cancelled=n == 1) for n in (1, 2, 3))
    task = Task(9, "t", {}, [second, skipped, first])
    assert [corrects(task, one) for one in (skipped, first, second)] == [False, True, False]


def test_a_token_without_an_address_is_a_mistake() -> None:
    with pytest.raises(Misconfigured, match=r"label_studio\.service_url"):
        load(overrides=["label_studio.service_token_file=/x"], environ={})
