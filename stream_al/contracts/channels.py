"""The topics as an AsyncAPI 3 document: their messages, and what the service reads and writes.

Names, partitions and configuration come from `service.broker.topics`. So each topic that the service creates
is a channel. `receive` and `send` are meant from the side of the service. The HTTP interface sends samples
and labels too.
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
DEAD_LETTERS = "DeadLetters"
"""Added to the name of a channel, for the channel of its dead letters."""

MESSAGES_ON: dict[str, tuple[str, ...]] = {
    "samples": ("sample",),
    "queries": ("query", "closed"),
    "labels": ("label",),
    "examples": ("example",),
    "control": ("runtimeSettings", "runtimeModel", "byHand", "asConfigured"),
    "leases": ("lease", "leaseOver"),
    "predictions": ("prediction",),
    "samples" + DEAD_LETTERS: ("deadLetter",),
    "labels" + DEAD_LETTERS: ("deadLetter",),
}
"""Channel to the messages on it."""


class Operation(NamedTuple):
    """What the service does on a channel; `group` is the consumer group that shares the work, if any."""

    name: str
    action: str
    channel: str
    summary: str
    group: str | None = None


OPERATIONS = (
    Operation("select", "receive", "samples", "Decide about every sample.", "select"),
    Operation("sendQuery", "send", "queries", "Ask for a label, or close the query for it."),
    Operation("followQueries", "receive", "queries", "Know the pending queries; each replica reads all."),
    Operation("joinLabel", "receive", "labels", "Join every label with its query.", "intake"),
    Operation("appendExample", "send", "examples", "Append an example for the model."),
    Operation("learn", "receive", "examples", "Learn in order; each replica reads all examples."),
    Operation("change", "send", "control", "Change settings or examples for all replicas."),
    Operation("followChanges", "receive", "control", "Know the changes; each replica reads them all."),
    Operation("lease", "send", "leases", "Keep a query for one person, or give it back."),
    Operation("followLeases", "receive", "leases", "Know who labels what; each replica reads all."),
    Operation("sendPrediction", "send", "predictions", "Publish prediction and decision for every sample."),
    Operation("rejectSample", "send", "samples" + DEAD_LETTERS, "Set aside a sample that cannot be used."),
    Operation("rejectLabel", "send", "labels" + DEAD_LETTERS, "Set aside a label that cannot be used."),
    Operation("postSamples", "send", "samples", "Send the samples that were posted to /v1/samples."),
    Operation("postLabels", "send", "labels", "Send the labels that were posted to /v1/labels."),
)


def asyncapi(settings: Settings) -> dict[str, Any]:
    """The AsyncAPI document of an application's topics."""
    given = settings.topics
    roles = {given.samples: "samples", given.queries: "queries", given.labels: "labels"}
    roles |= {given.examples: "examples", given.control: "control", given.leases: "leases"}
    if given.predictions:
        roles[given.predictions] = "predictions"
    roles |= {name + given.dead_letter_suffix: role + DEAD_LETTERS for name, role in roles.items()}
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
            "description": "Selects the samples of a stream that are worth a label, and learns from labels.",
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


def _channel(role: str, topic: Topic, purpose: str) -> dict[str, Any]:
    config: dict[str, Any] = {
        name: int(value) if value.lstrip("-").isdigit() else value for name, value in topic.config.items()
    }
    if "cleanup.policy" in config:
        config["cleanup.policy"] = config["cleanup.policy"].split(",")
    return {
        "address": topic.name,
        "description": f"{purpose[0].upper()}{purpose[1:]}.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in MESSAGES_ON[role]},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "replicas": topic.replication_factor,
                "topicConfiguration": config,
                "bindingVersion": BINDING,
            }
        },
    }


def _operation(operation: Operation, settings: Settings) -> dict[str, Any]:
    channel = f"#/channels/{operation.channel}"
    described: dict[str, Any] = {
        "action": operation.action,
        "channel": {"$ref": channel},
        "summary": operation.summary,
        "messages": [{"$ref": f"{channel}/messages/{name}"} for name in MESSAGES_ON[operation.channel]],
    }
    if operation.group:
        group = {"type": "string", "const": f"{settings.application}.{operation.group}"}
        described["bindings"] = {"kafka": {"groupId": group, "bindingVersion": BINDING}}
    return described


def _messages() -> dict[str, Any]:
    any_key: Schema = {"description": "The key of the record: any bytes, or none."}
    optional: Schema = {"description": "The id of the sample, if its value has no id; else any key."}
    any_label_key: Schema = {
        "description": "The service ignores it. With the sample's id, the labels of a sample stay in order."
    }
    return {
        "sample": _traced("A sample to decide about.", _ref("Sample"), optional),
        "query": _traced("A request for a label.", _ref("Query"), ID),
        "closed": _message("The query with this key is labelled, skipped or expired.", {"type": "null"}, ID),
        "label": _traced("A label for a sample.", _ref("Label"), any_label_key),
        "example": _traced("The features and the label of a sample, joined.", _ref("Example"), ID),
        "runtimeSettings": _message("The changed settings.", _ref("RuntimeSettings"), _key("settings")),
        "runtimeModel": _message("The excluded examples.", _ref("RuntimeModel"), _key("model")),
        "byHand": _message("A label that a person asks for by hand.", _ref("ByHand"), _BY_HAND),
        "asConfigured": _message(
            "Nothing is changed for this key, and nothing is asked for by hand any longer; under `time` a "
            "replica asks the broker for its time.",
            {"type": "null"},
            {"anyOf": [_key("settings", "model", "time"), _BY_HAND]},
        ),
        "lease": _message("A query is kept for one person, if nobody has it.", _ref("Lease"), _LEASE),
        "leaseOver": _message(
            "The lease is over; under `time` a replica asks the broker for its time.",
            {"type": "null"},
            _LEASE,
        ),
        "prediction": _message("The prediction and the decision for a sample.", _ref("PredictionRecord"), ID),
        "deadLetter": {
            **_message("A record that cannot be used.", {"description": "The value of the record."}, any_key),
            "contentType": BYTES,
            "headers": _ref("DeadLetterHeaders"),
        },
    }


_BY_HAND: Schema = {
    "description": "`relabel:` and the id of a labelled sample, or `label:`, the partition, `:` and the "
    "offset of a sample.",
    "type": "string",
    "pattern": "^(relabel:.+|label:[0-9]+:[0-9]+)$",
}
_LEASE: Schema = {"description": "The id of the lease.", "type": "string"}


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
