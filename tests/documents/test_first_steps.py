"""Who does what the documents say, gets what they say."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import yaml

from stream_al.contracts.schemas import SCHEMAS
from stream_al.engine.samples.sample import read_sample
from stream_al.service.engine_settings import input_rules
from stream_al.service.http.api import api
from stream_al.settings import load
from tests.broker.address import KafkaAddress
from tests.documents.curl import request
from tests.documents.markdown import README, ROOT, block, commands
from tests.support.processes import Server, run
from tests.support.replica import DEADLINE_SECONDS
from tests.support.world import MakeWorld

SAMPLES = 120  # of which a budget of 2 % asks for two labels at least


def message(name: str) -> dict[str, Any]:
    """A message that the README shows."""
    found: dict[str, Any] = json.loads(block(README, name))
    return found


def stream_yaml(directory: Path) -> Path:
    file = directory / "stream.yaml"
    file.write_text(block(README, "stream.yaml"), encoding="utf-8")
    return file


def test_the_readme_shows_a_sample_with_its_query_and_its_label(tmp_path: Path) -> None:
    rules = input_rules(load(stream_yaml(tmp_path), environ={}))
    sample = read_sample(message("sample"), rules, key=None, position="payments-0@0")
    query, label = message("query"), message("label")
    assert (sample.id, dict(sample.features), sample.payload) == (
        query["id"],
        query["features"],
        query["payload"],
    )
    assert label["id"] == query["id"]
    assert label["label"] in query["prediction"]["probabilities"]
    for name, shown in (("query", query), ("label", label)):
        jsonschema_rs.validator_for(SCHEMAS[name]).validate(shown)


async def test_the_first_steps_lead_to_a_query_and_its_label_is_learned(
    kafka: KafkaAddress, tmp_path: Path
) -> None:
    """As written in the README, but for the names of the broker, the topics and the application."""
    mine = uuid.uuid4().hex[:8]
    file = stream_yaml(tmp_path)
    topics = {"payments": "samples", **{name: name for name in ("queries", "labels", "examples", "control")}}
    settings = [
        *(f"{path}={value}" for path, value in flat(yaml.safe_load(file.read_text(encoding="utf-8")))),
        *kafka.settings,
        *(f"topics.{setting}={name}-{mine}" for name, setting in topics.items()),
        *(f"application=first-{mine}", "kafka.session_timeout_seconds=6"),
    ]
    overrides = [word for setting in settings for word in ("--set", setting)]
    _, *steps, serve = commands(block(README, "start"))
    assert [step[1:] for step in steps] == [["config", "check"], ["topics", "create"]]
    for _, *step in steps:
        assert await run(*step, "--config", str(file), *overrides) == (0, "")
    assert serve == ["stream-al", "serve"]
    server = Server(settings, tmp_path, "first")
    try:
        await server.start()
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{server.port}", timeout=DEADLINE_SECONDS, trust_env=False
        ) as client:
            await label_one(client, server)
    finally:
        await server.close()


async def label_one(client: httpx.AsyncClient, server: Server) -> None:
    """Send samples like the one shown, wait for a query, label it, wait until the label is learned."""
    sample, label = message("sample"), message("label")
    members = sample["transaction"]
    sent = [sample | {"transaction": members | {"id": f"txn-{number}"}} for number in range(SAMPLES)]
    (await client.post("/v1/samples", json=sent)).raise_for_status()

    async def queries() -> Any:
        return (await client.get("/v1/queries")).raise_for_status().json()["queries"]

    first = (await until(queries, lambda found: found))[0]
    assert first.keys() <= message("query").keys() <= first.keys() | {"pending"}  # none pending is left out
    assert first["features"].keys() == message("query")["features"].keys()
    (await client.post("/v1/labels", json=label | {"id": first["id"]})).raise_for_status()
    await until(server.status, lambda found: found["examples"]["outcomes"]["learned"])


async def until(look: Callable[[], Any], enough: Callable[[Any], Any]) -> Any:
    """Look until it is enough; what was seen then."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not enough(seen := await look()):  # noqa: ASYNC110 - what another process does
            await asyncio.sleep(0.05)
    return seen


def flat(tree: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Settings as a file has them, as the command line takes them."""
    found: list[tuple[str, str]] = []
    for name, value in tree.items():
        found += flat(value, f"{name}.") if isinstance(value, dict) else [(prefix + name, json.dumps(value))]
    return found


async def test_the_commands_that_change_a_running_service_do_so(memory_world: MakeWorld) -> None:
    """On one that has no tokens; what curl makes of the commands is done here."""
    world = await memory_world()
    replica = await world.start()
    await world.settle([s["id"] for s in await world.samples(60)])
    end, responses = replica.offset, []
    transport = httpx.ASGITransport(app=api(replica.app))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
        for program, *arguments in commands(block(ROOT / "deploy" / "OPERATIONS.md", "change")):
            assert program == "curl"
            asked = request(arguments)
            headers = {"Content-Type": "application/json"}
            response = await client.request(asked.method, asked.path, content=asked.body, headers=headers)
            responses.append(response.raise_for_status().json())
    changed, back, shown, model, dry, done, restored = responses
    assert (changed["budget"]["share"], changed["budget"]["pending"]) == (0.1, 500)
    assert back["changed"] == {"budget": {"pending": 500}}
    assert shown == back
    assert (model["offset"], model["voided"]) == (end, [])
    assert dry["examples"] == done["examples"] == end - 7
    assert restored["examples"] == 2
    assert replica.app.local_model.excluded.ranges == ((9, end),)
