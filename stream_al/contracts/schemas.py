"""The JSON Schemas (2020-12) of the messages.

Types and defaults are msgspec's reading of `messages`; descriptions are the types' own docstrings. What a
type cannot say of a member, its range or how a time is written, stands here, once for every message that
has the member. Two have no type: a sample, which `engine.samples.sample` reads by rules, and the headers of a
dead letter.
"""

from __future__ import annotations

import inspect
import re
from typing import Any, TypeAlias

import msgspec

from stream_al.engine.budgets.base import Reason
from stream_al.messages import (
    MAX_ID_CHARACTERS,
    MAX_LABEL_BITS,
    MAX_LABEL_CHARACTERS,
    Example,
    Label,
    PredictionRecord,
    Query,
    RuntimeBudget,
    RuntimeModel,
    RuntimeSettings,
)
from stream_al.service.broker.dead_letters import HEADER_PREFIX, MAX_MESSAGE_CHARACTERS
from stream_al.service.loops.intake import Intake
from stream_al.service.loops.select import Select
from stream_al.settings import BudgetSettings
from stream_al.settings.runtime_changes import CHANGEABLE, LARGEST

__all__ = ["ID", "SCHEMAS", "Schema", "components", "inlined"]

Schema: TypeAlias = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
TYPED: dict[str, type] = {
    "query": Query,
    "label": Label,
    "example": Example,
    "prediction": PredictionRecord,
    "runtime-settings": RuntimeSettings,
    "runtime-model": RuntimeModel,
}
ID: Schema = {"type": "string", "minLength": 1, "maxLength": MAX_ID_CHARACTERS}

_SHARE = {"minimum": 0, "maximum": 1}
_RANGES = {"share": {"exclusiveMinimum": 0, "maximum": 1}, "exploration": _SHARE}
_COUNT = {"minimum": 1, "maximum": LARGEST}
_TIME = {"format": "date-time"}
_FLAT = {
    "description": "Flat: name to value; what was nested is called `outer.inner` and `list.0`.",
    "additionalProperties": {"type": ["string", "number", "boolean"]},
}
_MEMBERS: dict[str, Schema] = {
    "id": {"description": "The sample's id; the record's key as well.", **ID},
    "label": {
        "description": f"The class; a whole number of at most {MAX_LABEL_BITS} bits.",
        "maxLength": MAX_LABEL_CHARACTERS,
    },
    "annotator": {"description": "Who answered."},
    "payload": {"description": "What the sample brought along for the annotator."},
    "probabilities": {"description": "Class to probability, the class written as text."},
    "utility": {"description": "How informative a label of the sample is.", **_SHARE},
    "threshold": {"description": "The utility at which the budget manager said yes then."},
    "propensity": {"description": "With which probability the sample was selected.", **_SHARE},
    "queried": {"description": "Whether a label was asked for."},
    "strategy": {"description": "The query strategy that gave the utility."},
    "sampled_at": {"description": "When the sample came, by its record's timestamp.", **_TIME},
    "queried_at": {"description": "When the query was made.", **_TIME},
    "expires_at": {"description": "When nobody needs to answer any more.", **_TIME},
    "labelled_at": {"description": "When the annotator answered, by the annotator's clock."},
    "pending": {"description": "Queries that waited for an answer then.", "minimum": 0},
    "version": {"description": "The fingerprint of the model's definition."},
    "examples": {"description": "How many examples the model had learned.", "minimum": 0},
}
"""Of a member, wherever it occurs."""

_OWN_MEMBERS: dict[type, dict[str, Schema]] = {
    Query: {
        "features": _FLAT,
        "propensity": {"exclusiveMinimum": 0},
        "reason": {"enum": [r.value for r in (Reason.UNCERTAIN, Reason.EXPLORE, Reason.WARMUP)]},
    },
    Example: {"features": {"additionalProperties": _FLAT["additionalProperties"]}},
    RuntimeBudget: {
        name: {"description": BudgetSettings.model_fields[name].description, **_RANGES.get(name, _COUNT)}
        for name in CHANGEABLE
    },
    RuntimeSettings: {"changed_at": _TIME},
    RuntimeModel: {"changed_at": _TIME},
    PredictionRecord: {"reason": {"enum": [r.value for r in Reason]}},
}
"""Of a member of one message."""

_OWN: dict[type, Schema] = {
    Label: {
        "anyOf": [
            {"required": ["label"], "properties": {"label": {"type": ["string", "number", "boolean"]}}},
            {"required": ["skipped"], "properties": {"skipped": {"const": True}}},
        ]
    }
}
"""Of one message as a whole."""

_SAMPLE: Schema = {
    "title": "Sample",
    "description": "One arrival, in the native form. What else the stream may carry, the settings under "
    "`input` say; so do they limit depth, number of features and length of texts.",
    "type": "object",
    "properties": {
        "id": {
            "description": "Text, or a whole number of at most 128 bits. Without it the record's key is "
            "the id, and without a key its position.",
            "type": ["string", "integer", "null"],
            "minLength": ID["minLength"],
            "maxLength": ID["maxLength"],
        },
        "features": {
            "description": "Name to number, text, truth value, or objects and arrays of these; null is a "
            "missing feature. There must be one that is not.",
            "type": "object",
            "minProperties": 1,
        },
        "payload": {"description": "What the annotator is to see; never looked at."},
    },
    "required": ["features"],
}

_LETTER_HEADERS: dict[str, Schema] = {
    "topic": {"description": "Where the record was read.", "minLength": 1},
    "partition": {"pattern": r"^[0-9]+$"},
    "offset": {"pattern": r"^[0-9]+$"},
    "stage": {"description": "Which loop read it.", "enum": [Select.name, Intake.name]},
    "exception": {"description": "What is wrong, in a word.", "pattern": r"^[a-z][a-z_]*$"},
    "message": {"description": "What is wrong, in a sentence.", "maxLength": MAX_MESSAGE_CHARACTERS},
}

_LETTER: Schema = {
    "title": "DeadLetterHeaders",
    "description": "The headers, as text in UTF-8, that a record has on the topic of dead letters besides "
    "its own. Key, value and its own headers are as they were.",
    "type": "object",
    "properties": {
        **{HEADER_PREFIX + name: {"type": "string", **said} for name, said in _LETTER_HEADERS.items()},
        HEADER_PREFIX + "value": {
            "type": "string",
            "description": "Only if the value is missing because it was too large for this topic; it "
            "still is where the record was read.",
        },
    },
    "required": [HEADER_PREFIX + name for name in _LETTER_HEADERS],
}


_TRACE: Schema = {
    "title": "TraceHeaders",
    "description": "Headers by which a record says which trace it belongs to (W3C Trace Context), as text in "
    "ASCII. Read and written with `tracing.enabled`; any that is not sound is as good as none.",
    "type": "object",
    "properties": {
        "traceparent": {
            "description": "The trace, and the step of it that sent the record.",
            "type": "string",
            "pattern": "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}",
        },
        "tracestate": {"description": "What tracing systems add to it.", "type": "string"},
    },
}


def components(ref_template: str) -> dict[str, Schema]:
    """The schemas of all messages and their parts, by name, each refined by what stands above.

    Args:
        ref_template: How they refer to each other, such as `#/$defs/{name}`.
    """
    structs = [part for kind in TYPED.values() for part in _structs(msgspec.inspect.type_info(kind))]
    kinds = {kind.__name__: kind for kind in structs}
    _, found = msgspec.json.schema_components(kinds.values(), ref_template=ref_template)
    made = {name: _refined(kinds[name], schema) for name, schema in found.items()}
    return made | {schema["title"]: schema for schema in (_SAMPLE, _LETTER, _TRACE)}


def inlined(name: str) -> Schema:
    """The schema of one message, complete in itself."""
    found = components("#/$defs/{name}")
    schema = found[name]
    parts = {part: found[part] for part in sorted(found) if f'"#/$defs/{part}"' in _text(schema)}
    return {"$schema": DIALECT, **schema, **({"$defs": parts} if parts else {})}


def _structs(info: Any) -> list[type]:
    """The messages and parts of messages in a type, as msgspec sees it."""
    if isinstance(info, msgspec.inspect.StructType):
        return [info.cls, *(part for field in info.fields for part in _structs(field.type))]
    return [part for kind in getattr(info, "types", ()) for part in _structs(kind)]


def _refined(kind: type, schema: Schema) -> Schema:
    description, said = _docstring(kind)
    members = {}
    for name, member in schema["properties"].items():
        own = _OWN_MEMBERS.get(kind, {}).get(name, {})
        text = {"description": said[name]} if name in said else {}
        # Beside a reference other keywords would be lost on readers of older drafts.
        members[name] = member if "$ref" in member else {**_MEMBERS.get(name, {}), **member, **own, **text}
    return {**schema, "description": description, "properties": members, **_OWN.get(kind, {})}


def _docstring(kind: type) -> tuple[str, dict[str, str]]:
    """What a type's docstring says of it, and of its members under `Attributes`."""
    whole, _, listed = inspect.cleandoc(kind.__doc__ or "").partition("\n\nAttributes:\n")
    attributes = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", listed, re.MULTILINE)
    return _for_json(whole), {name: _for_json(text) for name, text in attributes}


def _for_json(text: str) -> str:
    """A sentence on one line, and what Python calls None as JSON calls it."""
    return re.sub(r"\bNone\b", "null", " ".join(text.split()))


def _text(schema: Schema) -> str:
    return msgspec.json.encode(schema).decode()


SCHEMAS: dict[str, Schema] = {
    "sample": inlined(_SAMPLE["title"]),
    **{name: inlined(kind.__name__) for name, kind in TYPED.items()},
    "dead-letter": inlined(_LETTER["title"]),
}
"""Every message's schema, by the name of its file."""
