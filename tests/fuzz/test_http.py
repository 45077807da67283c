"""The HTTP interface, fuzzed by its own OpenAPI document: no internal error and no traceback.

The application does not run meanwhile. It has a model that has learned a little, pending queries, and a
broker in memory that takes what is posted. Every response must be one that the document describes.
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
from tests.support.memory_client import MemoryClient
from tests.support.world import open_world

# The document describes 503 and not 500. So the first check finds an internal error.
CHECKS = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]


KEY = "key-of-the-fuzzing-administrator"


@pytest.fixture(scope="module")
def description(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The OpenAPI document of an application that has worked, and no longer runs."""
    app = asyncio.run(_worked(tmp_path_factory.mktemp("fuzz")))
    return schemathesis.openapi.from_asgi("/openapi.json", api(app))


async def _worked(directory: Path) -> App:
    locks = [
        f"http.admin_tokens={KEY}",
        "http.requests_per_second=1000000",
        "http.records_per_second=1000000",
    ]
    world = await open_world(directory, None, ["budget.share=1.0", *locks])
    world.at_pace(rebuild_seconds=0.0)  # nobody is at work to build a model
    replica = await world.start()
    await world.settle([s["id"] for s in await world.samples(20)])
    await world.samples(20, start=20)
    await world.until(lambda: len(replica.app.pending) == 20, "queries wait")
    await world.close()
    assert isinstance(replica.broker, MemoryClient)
    app = replica.app
    for part in (app.control, app.local_model, app.pending, app.leasing):  # what a request reads with
        await part.reader.start()
    app.ready = True  # as far as requests can tell
    return app


ROUTES = {
    ("get", "/livez"),
    ("get", "/readyz"),
    ("get", "/metrics"),
    ("get", "/v1/status"),
    ("get", "/v1/model"),
    ("get", "/v1/queries"),
    ("get", "/v1/quality"),
    ("get", "/v1/quality/items"),
    ("get", "/v1/quality/segments"),
    ("post", "/v1/quality/relabel"),
    ("post", "/v1/predict"),
    ("post", "/v1/samples"),
    ("post", "/v1/labels"),
    ("post", "/v1/leases"),
    ("put", "/v1/leases/{lease}"),
    ("delete", "/v1/leases/{lease}"),
    ("get", "/v1/desk"),
    ("get", "/v1/explanations"),
    ("post", "/v1/explore/ask"),
    ("post", "/v1/explore/export"),
    ("get", "/v1/explore/items"),
    ("get", "/v1/explore/items/{id}"),
    ("get", "/v1/explore/points"),
    ("get", "/v1/watch"),
    ("post", "/v1/pause"),
    ("post", "/v1/resume"),
    ("get", "/v1/settings"),
    ("patch", "/v1/settings"),
    ("post", "/v1/model/rollback"),
    ("post", "/v1/model/restore"),
    ("post", "/v1/corrections"),
}


def test_all_routes_are_fuzzed(description: Any) -> None:
    assert {(found.ok().method, found.ok().path) for found in description.get_all_operations()} == ROUTES


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize(("method", "path"), sorted(ROUTES))
def test_every_response_is_one_that_the_document_describes(
    description: Any, method: str, path: str, mode: GenerationMode
) -> None:
    """This holds for valid requests, and for requests that the document does not allow."""
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
        response = case.call_and_validate(checks=CHECKS, headers={"Authorization": token})
        assert "Traceback" not in response.text
        # Some of the requests that the document does not allow have no token.
        refused = response.status_code in (401, 403, 429)
        assert not (refused and response.request.headers.get("Authorization") == token)

    law()
