"""The HTTP interface, fuzzed from its own description: no failure of ours, no traceback, no surprise.

The application stands still meanwhile: a model that learned a little, queries that wait, and a broker in
memory that takes what is posted. Whatever is asked, the answer must be one that the description has.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode, checks

from stream_al.service.app import App
from stream_al.service.http.api import api
from tests.support.memory_log import MemoryClient
from tests.support.world import open_world

# A 503 is an answer like any other; a 500 is in no description, so the first check finds it.
CHECKS = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]


KEY = "key-of-the-fuzzing-administrator"


@pytest.fixture(scope="module")
def description(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The interface of an application that has worked, and stands still."""
    app = asyncio.run(_worked(tmp_path_factory.mktemp("fuzz")))
    return schemathesis.openapi.from_asgi("/openapi.json", api(app))


async def _worked(directory: Path) -> App:
    locks = [f"http.admin_tokens={KEY}", "http.requests_per_second=1000000"]
    world = await open_world(directory, None, ["budget.share=1.0", *locks])
    world.at_pace(rebuild_seconds=0.0)  # nobody is at work to build a model
    replica = await world.start()
    await world.settle([s["id"] for s in await world.samples(20)])
    await world.samples(20, start=20)
    await world.until(lambda: len(replica.app.pending) == 20, "queries wait")
    await world.close()
    assert isinstance(replica.broker, MemoryClient)
    for reader in (replica.app.control.reader, replica.app.local_model.reader):  # what a request reads with
        await reader.start()
    return replica.app


WAYS = {
    ("get", "/livez"),
    ("get", "/readyz"),
    ("get", "/metrics"),
    ("get", "/v1/status"),
    ("get", "/v1/model"),
    ("get", "/v1/queries"),
    ("post", "/v1/predict"),
    ("post", "/v1/samples"),
    ("post", "/v1/labels"),
    ("post", "/v1/pause"),
    ("post", "/v1/resume"),
    ("get", "/v1/settings"),
    ("patch", "/v1/settings"),
    ("post", "/v1/model/rollback"),
    ("post", "/v1/model/restore"),
}


def test_all_ways_are_fuzzed(description: Any) -> None:
    assert {(found.ok().method, found.ok().path) for found in description.get_all_operations()} == WAYS


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize(("method", "path"), sorted(WAYS))
def test_every_answer_is_one_that_the_description_has(
    description: Any, method: str, path: str, mode: GenerationMode
) -> None:
    """Well-formed requests, and requests that the description does not allow."""
    operation = description[path][method]
    asks_anything = bool(operation.body or operation.query)
    if mode.is_negative and not asks_anything:
        return

    @given(st.data())
    @settings(
        max_examples=25 if asks_anything else 3,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    def law(data: st.DataObject) -> None:
        case = data.draw(operation.as_strategy(generation_mode=mode))
        token = f"Bearer {KEY}"
        answer = case.call_and_validate(checks=CHECKS, headers={"Authorization": token})
        assert "Traceback" not in answer.text
        # One of the requests that the description does not allow is one whose token was taken out.
        refused = answer.status_code in (401, 403, 429)
        assert not (refused and answer.request.headers.get("Authorization") == token)

    law()
