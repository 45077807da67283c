"""The JSON Schemas (2020-12) of the messages.

Types and defaults come from the types in `messages`, through msgspec. Descriptions come from the docstrings
of these types. What a type cannot say about a member, such as a range or the form of a time, is written here:
once for all messages that have the member. A sample has no type, because `engine.samples.sample` reads it by
rules; nor have the headers of a dead letter. So their schemas are written here as a whole.
"""

from __future__ import annotations

import inspect
import re
from typing import Any, TypeAlias

import msgspec

from stream_al.engine.budgets.base import Reason
from stream_al.engine.trust.again import SECOND
from stream_al.identity import MAX_ID_CHARACTERS
from stream_al.messages import (
    MAX_LABEL_BITS,
    MAX_LABEL_CHARACTERS,
    Example,
    Label,
    PredictionRecord,
    Query,
)
from stream_al.replica_messages import ByHand, Lease, RuntimeBudget, RuntimeModel, RuntimeSettings
from stream_al.service.broker.dead_letters import (
    HEADER_PREFIX,
    MAX_MESSAGE_CHARACTERS,
    REPLAY_OF,
    REPLAYED_PREFIX,
)
from stream_al.service.loops.intake import Intake
from stream_al.service.loops.select import Select
from stream_al.settings import BudgetSettings
from stream_al.settings.checks import SMALLEST_SHARE
from stream_al.settings.runtime_changes import CHANGEABLE, LARGEST

__all__ = ["ID", "SCHEMAS", "Schema", "components"]

Schema: TypeAlias = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
TYPED: dict[str, type] = {
    "query": Query,
    "label": Label,
    "example": Example,
    "prediction": PredictionRecord,
    "runtime-settings": RuntimeSettings,
    "runtime-model": RuntimeModel,
    "by-hand": ByHand,
    "lease": Lease,
}
ID: Schema = {"type": "string", "minLength": 1, "maxLength": MAX_ID_CHARACTERS}

_SHARE = {"minimum": 0, "maximum": 1}
_RANGES: dict[str, Schema] = {"share": {"minimum": SMALLEST_SHARE, "maximum": 1}, "exploration": _SHARE}
_COUNT = {"minimum": 1, "maximum": LARGEST}
_TIME = {"format": "date-time"}
_NOT_BLANK = {"pattern": r"\S"}
_FLAT = {
    "description": "Name to value. Nested values have flat names such as `outer.inner` and `list.0`.",
    "additionalProperties": {"type": ["string", "number", "boolean"]},
}
_MEMBERS: dict[str, Schema] = {
    "id": {"description": "The id of the query, and the key of the record."},
    "label": {
        "description": f"The class. A whole number has at most {MAX_LABEL_BITS} bits. Blanks around a text "
        'are dropped; 1, 1.0 and true are one class, and "1" is another one.',
        "maxLength": MAX_LABEL_CHARACTERS,
    },
    "annotator": {"description": "Who gave the label."},
    "payload": {"description": "What the annotator is shown besides the features."},
    "probabilities": {"description": "Class to probability; the class is written as text."},
    "utility": {"description": "How informative a label of the sample is.", **_SHARE},
    "threshold": {"description": "The utility from which the budget manager selected samples then."},
    "propensity": {"description": "The probability with which the sample was selected.", **_SHARE},
    "queried": {"description": "Whether a label was asked for."},
    "strategy": {"description": "The query strategy that computed the utility."},
    "sampled_at": {"description": "When the sample arrived: the timestamp of its record.", **_TIME},
    "queried_at": {"description": "When the query was made.", **_TIME},
    "expires_at": {"description": "When the query expires; a later label is not used.", **_TIME},
    "labelled_at": {"description": "When the annotator gave the label, by the annotator's clock."},
    "guess_shown": {
        "description": "Whether the annotator had seen the model's prediction; null if that is not known."
    },
    "comment": {"description": "What the annotator says about the sample."},
    "flagged": {"description": "Whether the annotator wants others to see the sample."},
    "pending": {"description": "How many queries waited for a label then.", "minimum": 0},
    "version": {"description": "The fingerprint of the model's definition."},
    "examples": {"description": "How many examples the model had learned.", "minimum": 0},
}
"""What holds for a member in every message that has it."""

# A reader takes whole numbers too: they mean the text of their digits.
_WRITTEN_ID: Schema = {"anyOf": [ID, {"type": "integer"}]}
_WRITTEN_NAME: Schema = {
    "anyOf": [{"type": "string", "maxLength": MAX_ID_CHARACTERS}, {"type": "integer"}, {"type": "null"}]
}

_OWN_MEMBERS: dict[type, dict[str, Schema]] = {
    Label: {"id": _WRITTEN_ID, "annotator": _WRITTEN_NAME},
    Query: {
        "id": ID,
        "features": _FLAT,
        "propensity": {
            "description": "The probability with which the sample was selected; null if a person asked for "
            "its label (`manual`).",
            "exclusiveMinimum": 0,
        },
        "reason": {
            "enum": [
                *(r.value for r in (Reason.UNCERTAIN, Reason.EXPLORE, Reason.WARMUP, Reason.MANUAL)),
                SECOND,
            ]
        },
    },
    Example: {
        "id": _WRITTEN_ID,
        "annotator": _WRITTEN_NAME,
        "label": _NOT_BLANK,
        "features": {"additionalProperties": _FLAT["additionalProperties"]},
    },
    RuntimeBudget: {
        name: {"description": BudgetSettings.model_fields[name].description, **_RANGES.get(name, _COUNT)}
        for name in CHANGEABLE
    },
    RuntimeSettings: {"changed_at": _TIME},
    RuntimeModel: {"changed_at": _TIME},
    ByHand: {"asked_at": _TIME},
    PredictionRecord: {"id": ID, "reason": {"enum": [r.value for r in Reason]}},
}
"""What holds for a member of one message only."""

_OWN: dict[type, Schema] = {
    Label: {
        "anyOf": [
            {
                "required": ["label"],
                "properties": {"label": {"type": ["string", "number", "boolean"], **_NOT_BLANK}},
            },
            {"required": ["skipped"], "properties": {"skipped": {"const": True}}},
        ]
    }
}
"""What holds for a message as a whole."""

_SAMPLE: Schema = {
    "title": "Sample",
    "description": "A sample in the native form. The settings under `input` allow other forms, and limit "
    "depth, number of features and length of texts.",
    "type": "object",
    "properties": {
        "id": {
            "description": "Text, or a whole number of at most 128 bits, which means the text of its digits. "
            "Without an id, the record's key is the id; without a key, its position is. If the id names "
            "other features already, the query has an id of its own.",
            "type": ["string", "integer", "null"],
            "minLength": ID["minLength"],
            "maxLength": ID["maxLength"],
        },
        "features": {
            "description": "Name to number, text, boolean, or objects and arrays of these. Null means a "
            "missing feature. At least one feature must not be null.",
            "type": "object",
            "minProperties": 1,
        },
        "payload": {"description": "What the annotator is shown. The service does not use it."},
    },
    "required": ["features"],
}

_LETTER_HEADERS: dict[str, Schema] = {
    "topic": {"description": "The topic from which the record was read.", "minLength": 1},
    "partition": {"pattern": r"^[0-9]+$"},
    "offset": {"pattern": r"^[0-9]+$"},
    "stage": {"description": "The loop that read the record.", "enum": [Select.name, Intake.name]},
    "exception": {"description": "The reason, in one word.", "pattern": r"^[a-z][a-z_]*$"},
    "message": {"description": "The reason, in a sentence.", "maxLength": MAX_MESSAGE_CHARACTERS},
}

_LETTER: Schema = {
    "title": "DeadLetterHeaders",
    "description": "The headers that a record gets on the topic of dead letters, as text in UTF-8. Its key, "
    "its value and its own headers are unchanged. A record without a value that has the headers "
    f"`{REPLAYED_PREFIX}letter` and `{REPLAYED_PREFIX}record` instead says that a dead letter was replayed, "
    "and as which record.",
    "type": "object",
    "properties": {
        **{HEADER_PREFIX + name: {"type": "string", **schema} for name, schema in _LETTER_HEADERS.items()},
        REPLAY_OF: {
            "type": "string",
            "description": "Present only if the record was replayed: the dead letter that it was made of.",
        },
        HEADER_PREFIX + "value": {
            "type": "string",
            "description": "Present only if the value is missing, because it was too large for this topic. "
            "The value is still at the place from which the record was read.",
        },
    },
    "required": [HEADER_PREFIX + name for name in _LETTER_HEADERS],
}


_TRACE: Schema = {
    "title": "TraceHeaders",
    "description": "The headers that name the trace of a record (W3C Trace Context), as text in ASCII. They "
    "are read and written with `tracing.enabled`. Invalid headers are ignored.",
    "type": "object",
    "properties": {
        "traceparent": {
            "description": "The trace, and the span that sent the record.",
            "type": "string",
            "pattern": "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}",
        },
        "tracestate": {"description": "Data that tracing systems add.", "type": "string"},
    },
}


def components(ref_template: str) -> dict[str, Schema]:
    """The schemas of all messages and their parts, by name, with the rules above.

    Args:
        ref_template: The form of a reference from one to another, such as `#/$defs/{name}`.
    """
    structs = [part for kind in TYPED.values() for part in _structs(msgspec.inspect.type_info(kind))]
    kinds = {kind.__name__: kind for kind in structs}
    _, found = msgspec.json.schema_components(kinds.values(), ref_template=ref_template)
    made = {name: _refined(kinds[name], schema) for name, schema in found.items()}
    return made | {schema["title"]: schema for schema in (_SAMPLE, _LETTER, _TRACE)}


def _inlined(name: str) -> Schema:
    """The schema of one message, with all parts that it refers to."""
    found = components("#/$defs/{name}")
    schema = found[name]
    parts = {part: found[part] for part in sorted(found) if f'"#/$defs/{part}"' in _text(schema)}
    return {"$schema": DIALECT, **schema, **({"$defs": parts} if parts else {})}


def _structs(info: Any) -> list[type]:
    """The structs that a type contains, as msgspec describes it."""
    if isinstance(info, msgspec.inspect.StructType):
        return [info.cls, *(part for field in info.fields for part in _structs(field.type))]
    return [part for kind in getattr(info, "types", ()) for part in _structs(kind)]


def _refined(kind: type, schema: Schema) -> Schema:
    description, attributes = _docstring(kind)
    attribute_of = {field.encode_name: field.name for field in msgspec.structs.fields(kind)}
    members = {}
    for name, member in schema["properties"].items():
        attribute = attribute_of[name]
        own = _OWN_MEMBERS.get(kind, {}).get(name, {})
        text = {"description": attributes[attribute]} if attribute in attributes else {}
        # Readers of older drafts ignore the keywords beside a reference.
        members[name] = member if "$ref" in member else {**_MEMBERS.get(name, {}), **member, **own, **text}
    return {**schema, "description": description, "properties": members, **_OWN.get(kind, {})}


def _docstring(kind: type) -> tuple[str, dict[str, str]]:
    """The text of the docstring of a type, and its texts for the members under `Attributes`."""
    whole, _, listed = inspect.cleandoc(kind.__doc__ or "").partition("\n\nAttributes:\n")
    attributes = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", listed, re.MULTILINE)
    return _for_json(whole), {name: _for_json(text) for name, text in attributes}


def _for_json(text: str) -> str:
    """A text on one line, with JSON's null in the place of Python's None."""
    return re.sub(r"\bNone\b", "null", " ".join(text.split()))


def _text(schema: Schema) -> str:
    return msgspec.json.encode(schema).decode()


SCHEMAS: dict[str, Schema] = {
    "sample": _inlined(_SAMPLE["title"]),
    **{name: _inlined(kind.__name__) for name, kind in TYPED.items()},
    "dead-letter": _inlined(_LETTER["title"]),
}
"""The schema of every message, by the name of its file."""
