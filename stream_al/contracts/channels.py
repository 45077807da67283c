"""The topics as an AsyncAPI 3 document: which there are, what lies on each, and who reads and writes it.

Names, partitions and how each is kept are those of `service.broker.topics`, so a topic that is created is a
channel here. `receive` and `send` are seen from the service. HTTP puts samples and labels onto their topics
too.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from stream_al import __version__
from stream_al.contracts.schemas import ID, Schema, components
from stream_al.service.broker.protocols import Topic
from stream_al.service.broker.topics import required_topics, topic_purposes
from stream_al.settings import Settings

__all__ = ["asyncapi"]

VERSION = "3.0.0"
BINDING = "0.5.0"
JSON = "application/json"
BYTES = "application/octet-stream"
LETTERS = "DeadLetters"
"""What the channel of a topic's dead letters is called by, after the topic's own."""

ON: dict[str, tuple[str, ...]] = {
    "samples": ("sample",),
    "queries": ("query", "closed"),
    "labels": ("label",),
    "examples": ("example",),
    "control": ("runtimeSettings", "runtimeModel", "asConfigured"),
    "predictions": ("prediction",),
    "samples" + LETTERS: ("deadLetter",),
    "labels" + LETTERS: ("deadLetter",),
}
"""Channel to the messages on it."""


class Operation(NamedTuple):
    """What the service does on a channel; `group` is the consumer group that shares the work, if one does."""

    name: str
    action: str
    channel: str
    summary: str
    group: str | None = None


OPERATIONS = (
    Operation("select", "receive", "samples", "Decide about every sample.", "select"),
    Operation("ask", "send", "queries", "Ask for a label, or close the query that asked."),
    Operation("follow", "receive", "queries", "Know what is pending; every replica reads all of it."),
    Operation("join", "receive", "labels", "Join every answer with its query.", "intake"),
    Operation("append", "send", "examples", "Append what is to be learned."),
    Operation("learn", "receive", "examples", "Learn in order; every replica reads all of it."),
    Operation("change", "send", "control", "Change what is in force on all replicas."),
    Operation("obey", "receive", "control", "Know what is in force; every replica reads all of it."),
    Operation("predict", "send", "predictions", "Tell what was predicted and decided for every sample."),
    Operation("burySample", "send", "samples" + LETTERS, "Put aside a sample that cannot be used."),
    Operation("buryLabel", "send", "labels" + LETTERS, "Put aside an answer that cannot be used."),
    Operation("postSamples", "send", "samples", "Put on what was posted to /v1/samples."),
    Operation("postLabels", "send", "labels", "Put on what was posted to /v1/labels."),
)


def asyncapi(settings: Settings) -> dict[str, Any]:
    """The AsyncAPI document of an application's topics."""
    given = settings.topics
    roles = {given.samples: "samples", given.queries: "queries", given.labels: "labels"}
    roles |= {given.examples: "examples", given.control: "control"}
    if given.predictions:
        roles[given.predictions] = "predictions"
    roles |= {name + given.dead_letter_suffix: role + LETTERS for name, role in roles.items()}
    purposes = topic_purposes(given)
    channels = {
        roles[topic.name]: _channel(roles[topic.name], topic, purposes[topic.name])
        for topic in required_topics(settings)
    }
    return {
        "asyncapi": VERSION,
        "info": {
            "title": "stream_al",
            "version": __version__,
            "description": "Selects the samples of a stream that are worth a label, and learns from answers.",
            "license": {"name": "BSD-3-Clause"},
        },
        "defaultContentType": JSON,
        "servers": _servers(settings),
        "channels": channels,
        "operations": {
            operation.name: _operation(operation, settings)
            for operation in OPERATIONS
            if operation.channel in channels
        },
        "components": {"messages": _messages(), "schemas": components("#/components/schemas/{name}")},
    }


def _servers(settings: Settings) -> dict[str, Any]:
    kafka = settings.kafka
    protocol = "kafka-secure" if kafka.security_protocol.endswith("SSL") else "kafka"
    hosts = [host.strip() for host in kafka.bootstrap_servers.split(",")]
    return {f"broker{number}": {"host": host, "protocol": protocol} for number, host in enumerate(hosts, 1)}


def _channel(role: str, topic: Topic, meaning: str) -> dict[str, Any]:
    kept: dict[str, Any] = {
        name: int(value) if value.lstrip("-").isdigit() else value for name, value in topic.config.items()
    }
    if "cleanup.policy" in kept:
        kept["cleanup.policy"] = kept["cleanup.policy"].split(",")
    return {
        "address": topic.name,
        "description": f"{meaning[0].upper()}{meaning[1:]}.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in ON[role]},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "replicas": topic.replication_factor,
                "topicConfiguration": kept,
                "bindingVersion": BINDING,
            }
        },
    }


def _operation(operation: Operation, settings: Settings) -> dict[str, Any]:
    channel = f"#/channels/{operation.channel}"
    made: dict[str, Any] = {
        "action": operation.action,
        "channel": {"$ref": channel},
        "summary": operation.summary,
        "messages": [{"$ref": f"{channel}/messages/{name}"} for name in ON[operation.channel]],
    }
    if operation.group:
        group = {"type": "string", "const": f"{settings.application}.{operation.group}"}
        made["bindings"] = {"kafka": {"groupId": group, "bindingVersion": BINDING}}
    return made


def _messages() -> dict[str, Any]:
    any_key: Schema = {"description": "As it was; any bytes, or none."}
    optional: Schema = {"description": "The id of a sample whose value has none; for any other, as you like."}
    as_you_like: Schema = {"description": "Of no meaning here; the sample's id keeps answers in order."}
    return {
        "sample": _traced("A sample to decide about.", _ref("Sample"), optional),
        "query": _traced("A request for a label.", _ref("Query"), ID),
        "closed": _message("The query under this key is answered, skipped or over.", {"type": "null"}, ID),
        "label": _traced("An answer.", _ref("Label"), as_you_like),
        "example": _traced("Features and label, joined.", _ref("Example"), ID),
        "runtimeSettings": _message("Settings that are changed.", _ref("RuntimeSettings"), _key("settings")),
        "runtimeModel": _message("Examples that count no more.", _ref("RuntimeModel"), _key("model")),
        "asConfigured": _message(
            "Nothing is changed under this key.", {"type": "null"}, _key("settings", "model")
        ),
        "prediction": _message("What was predicted and decided.", _ref("PredictionRecord"), ID),
        "deadLetter": {
            **_message("A record that cannot be used.", {"description": "As it was."}, any_key),
            "contentType": BYTES,
            "headers": _ref("DeadLetterHeaders"),
        },
    }


def _key(*keys: str) -> Schema:
    return {"type": "string", "enum": list(keys)}


def _message(summary: str, payload: Schema, key: Schema) -> dict[str, Any]:
    return {
        "summary": summary,
        "contentType": JSON,
        "payload": payload,
        "bindings": {"kafka": {"key": key, "bindingVersion": BINDING}},
    }


def _traced(summary: str, payload: Schema, key: Schema) -> dict[str, Any]:
    return {**_message(summary, payload, key), "headers": _ref("TraceHeaders")}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}
