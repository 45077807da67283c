"""The contracts with other programs, readable by machines: messages, topics and HTTP.

Each contract is made from the code of the service: the JSON Schemas from the types of the messages, AsyncAPI
from the topics that the service creates, OpenAPI from the routes. A test compares them with the files in
`deploy`. The settings change only a few parts of them, such as the names of topics.

A schema says what readers can rely on, and what writers have to send. Unknown members are allowed, because
the service ignores them. Where a schema cannot express a rule, such as the depth and size that the settings
allow, its description says it.
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

__all__ = ["NAMES", "files", "openapi", "show"]

NAMES = ("asyncapi", "openapi", *SCHEMAS)


def openapi(settings: Settings) -> dict[str, Any]:
    """The OpenAPI document of the HTTP interface. It needs no broker.

    Raises:
        Misconfigured: The settings name tokens that cannot be read.
    """
    document = api(App(settings, Kafka(settings))).openapi()
    in_order: dict[str, Any] = json.loads(json.dumps(document, sort_keys=True))  # not in order of declaration
    return in_order


def show(name: str, settings: Settings) -> str:
    """The text of the file of one contract.

    Args:
        name: One of `NAMES`.
        settings: The settings of the application that is described.
    """
    if name == "asyncapi":
        return _yaml(asyncapi(settings))
    return _json(openapi(settings) if name == "openapi" else SCHEMAS[name])


def files(settings: Settings) -> dict[str, str]:
    """The text of every contract, by the path of its file."""
    return {_path(name): show(name, settings) for name in NAMES}


def _path(name: str) -> str:
    return {"asyncapi": "asyncapi.yaml", "openapi": "openapi.json"}.get(name, f"schemas/{name}.json")


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2) + "\n"


def _yaml(document: dict[str, Any]) -> str:
    copied = json.loads(json.dumps(document))  # without shared parts, which YAML would write as aliases
    text: str = yaml.safe_dump(copied, sort_keys=False, width=110)
    return text
