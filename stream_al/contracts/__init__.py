"""What others may build on, for machines to read: the messages, the topics and HTTP.

Everything is made from what the service itself runs on, and a test compares the files in `deploy` with
it: JSON Schemas from the messages' types, AsyncAPI from the topics that are created, OpenAPI from the
routes. They differ only by what the settings may change, such as the names of topics.

The schemas promise to readers, and ask of writers only what the service asks: members they do not know
are allowed, as it ignores them. What a schema cannot say, such as the depth and size that the settings
allow, its description says.
"""

from __future__ import annotations

import json
from typing import Any

import yaml

from stream_al.contracts.channels import asyncapi
from stream_al.contracts.schemas import SCHEMAS
from stream_al.service.app import App
from stream_al.service.broker.kafka import Kafka
from stream_al.service.http.api import api
from stream_al.settings import Settings

__all__ = ["NAMES", "asyncapi", "files", "openapi", "show"]

NAMES = ("asyncapi", "openapi", *SCHEMAS)


def openapi(settings: Settings) -> dict[str, Any]:
    """The OpenAPI document of the HTTP interface; no broker is asked for that.

    Raises:
        Misconfigured: The settings name tokens that cannot be read.
    """
    found = api(App(settings, Kafka(settings))).openapi()
    made: dict[str, Any] = json.loads(json.dumps(found, sort_keys=True))  # however the routes were declared
    return made


def show(name: str, settings: Settings) -> str:
    """One of the contracts as its file holds it.

    Args:
        name: One of `NAMES`.
        settings: Whose topics and brokers.
    """
    if name == "asyncapi":
        return _yaml(asyncapi(settings))
    return _json(openapi(settings) if name == "openapi" else SCHEMAS[name])


def files(settings: Settings) -> dict[str, str]:
    """Every contract, by the path of its file."""
    return {_path(name): show(name, settings) for name in NAMES}


def _path(name: str) -> str:
    return {"asyncapi": "asyncapi.yaml", "openapi": "openapi.json"}.get(name, f"schemas/{name}.json")


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2) + "\n"


def _yaml(document: dict[str, Any]) -> str:
    run_in_thread = json.loads(json.dumps(document))  # what occurs twice is written twice, not as an alias
    text: str = yaml.safe_dump(run_in_thread, sort_keys=False, width=110)
    return text
