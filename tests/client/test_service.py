"""The laws of clients together with the service itself, on a log in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from stream_al.client import AsyncClient, Client, LeasedQuery, LeaseOver, NotAllowed, Refused
from stream_al.service.app import App
from stream_al.service.http.access.roles import Role
from stream_al.service.http.api import api
from stream_al.service.serve import serving
from tests.support.flow import decided
from tests.support.http_server import CLOSED, TOKENS
from tests.support.replica import Replica
from tests.support.stream import sample, truth
from tests.support.world import MakeWorld, World

TOKEN = TOKENS[Role.LABEL]


def client_of(replica: Replica, **more: Any) -> AsyncClient:
    return AsyncClient(transport=httpx.ASGITransport(app=api(replica.app)), **more)


async def asked(world: World, number: int) -> None:
    """Publish queries, and wait until every replica knows them."""
    await world.ask(*(f"q{n}" for n in range(number)))
    await world.until(lambda: all(len(r.app.pending) == number for r in world.replicas), "all are known")


async def label_all(client: AsyncClient, shown: list[str], *, ahead: int = 3) -> None:
    async for query in client.queries(ahead=ahead):
        shown.append(query.id)
        await asyncio.sleep(0.002)  # as one who thinks
        await client.label(query, "up")


async def test_a_stream_is_sent_labelled_and_learned(memory_world: MakeWorld) -> None:
    """Samples go in, queries come out, and every label is learned; nothing is left."""
    world = await memory_world()
    replica = await world.start()
    async with client_of(replica, annotator="ada") as client:
        await client.wait_until_ready()
        assert len(await client.send(sample(n) for n in range(60))) == 60
        await world.until(lambda: replica.app.select.partitions and len(replica.app.pending) > 5, "queries")
        labelled = []
        async for query in client.queries(ahead=4, wait=1.0):
            assert isinstance(query, LeasedQuery)
            assert await client.label(query, truth(query.features), guess_shown=False) == "labelled"
            labelled.append(query.id)
        await world.until(lambda: replica.offset == len(labelled), "all labels are learned")
        assert len(set(labelled)) == len(labelled)
        predicted = await client.predict({"x": 0.9, "y": 0.5})
        assert predicted.model.examples == len(labelled)
        assert set(predicted.probabilities) == {"up", "down"}
        assert set((await client.desk())["classes"]) == {"up", "down"}
    examples = await world.examples()
    assert {example["annotator"] for example in examples} == {"ada"}
    assert [example.get("guess_shown") for example in examples] == [False] * len(labelled)


async def test_two_clients_at_two_replicas_share_the_queries(memory_world: MakeWorld) -> None:
    """None is shown to both, and all are labelled."""
    world = await memory_world()
    replicas = [await world.start("a"), await world.start("b")]
    await asked(world, 40)
    one, other = (client_of(replica) for replica in replicas)
    shown: list[list[str]] = [[], []]
    async with one, other:
        await asyncio.gather(label_all(one, shown[0]), label_all(other, shown[1]))
    assert all(shown)
    assert sorted(shown[0] + shown[1]) == sorted(f"q{n}" for n in range(40))
    await world.until(lambda: all(replica.offset == 40 for replica in replicas), "all is learned")


async def test_what_is_left_is_free_for_others_at_once(memory_world: MakeWorld) -> None:
    world = await memory_world()
    replica = await world.start()
    await asked(world, 3)
    async with client_of(replica) as one, client_of(replica) as other:
        loop = one.queries()
        first = await anext(loop)
        assert [query.id async for query in other.queries()] == []
        await one.renew(first)
        await loop.aclose()  # type: ignore[attr-defined]  # a generator
        assert len([query.id async for query in other.queries()]) == 3
        with pytest.raises(LeaseOver, match="over"):
            await one.renew(first)


async def test_a_skip_closes_the_query_and_is_counted(memory_world: MakeWorld) -> None:
    world = await memory_world()
    replica = await world.start()
    await asked(world, 1)
    async with client_of(replica) as client:
        async for query in client.queries():
            assert await client.skip(query, "blurred") == "skipped"
        await world.until(lambda: not replica.app.pending, "the query is closed")
        await world.until(lambda: replica.app.skips.counts, "the skip is counted")
        assert "blurred" in str((await client.status())["skips"])


async def test_rights_and_refusals_come_with_the_sentence_of_the_service(memory_world: MakeWorld) -> None:
    world = await memory_world(*CLOSED)
    replica = await world.start()
    await asked(world, 1)
    async with client_of(replica, token=TOKENS[Role.READ]) as client:
        with pytest.raises(NotAllowed, match="role"):
            await client.label("q0", "up")
        with pytest.raises(NotAllowed):
            await anext(client.queries())
    async with client_of(replica) as client:
        with pytest.raises(NotAllowed, match="token"):
            await client.status()
    async with client_of(replica, token=TOKEN) as client:
        with pytest.raises(Refused) as raised:
            await client.label("q0", "")
        assert raised.value.reason == "no_label"
        assert await client.label("q0", "up") == "labelled"


@asynccontextmanager
async def on_a_port(world: World) -> AsyncIterator[App]:
    """An application that listens."""
    settings = world.settings.model_copy(
        update={"http": world.settings.http.model_copy(update={"enabled": True, "port": 0})}
    )
    app = App(settings, world.connect(settings))
    running = asyncio.create_task(serving(app))
    try:
        await world.until(lambda: app.port and app.ready, "the service listens")
        yield app
    finally:
        app.stopping.set()
        await running


async def test_the_client_that_blocks_does_the_same_over_a_socket(memory_world: MakeWorld) -> None:
    """Its bodies are cut by the limits that this service has, and its token is sent."""
    world = await memory_world(*CLOSED, "http.max_body_bytes=2000", "http.max_records=7", "budget.share=0.5")

    def send(client: Client) -> int:
        client.wait_until_ready()
        return len(client.send([sample(n) for n in range(60)]))

    def label(client: Client) -> int:
        labelled = 0
        for query in client.queries():
            client.label(query, truth(query.features))
            labelled += 1
        return labelled

    async with on_a_port(world) as app:
        with Client(f"http://127.0.0.1:{app.port}", token=TOKEN, annotator="ada") as client:
            assert await asyncio.to_thread(send, client) == 60
            await world.until(lambda: decided(world, 60), "all is decided")
            asked = len(await world.queries())
            assert asked > 20
            await world.until(lambda: len(app.pending) == asked, "all queries are known")
            assert await asyncio.to_thread(label, client) == asked

        async def joined() -> bool:
            return len(await world.examples()) == asked

        await world.until(joined, "all labels are joined")
    assert {example["via"] for example in await world.examples()} == {"Label"}
