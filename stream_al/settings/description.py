"""The settings as data: the values in force, and a description of every setting."""

from __future__ import annotations

import json
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, get_args, get_origin

from pydantic import BaseModel, SecretStr

from stream_al.messages import ClassLabel
from stream_al.settings.tree import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

__all__ = [
    "PREFIX",
    "SettingRow",
    "describe",
    "effective",
    "fields",
    "kind",
    "may_be_null",
    "type_text",
]

PREFIX = "STREAM_AL_"

_KINDS: dict[Any, str] = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    Path: "path",
    SecretStr: "secret text",
    tuple: "list of texts",
    tuple[ClassLabel, ...]: "list of texts, numbers or truth values",
}
_BOUNDS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}


class SettingRow(NamedTuple):
    """The description of one setting.

    Attributes:
        path: Its name in the file and on the command line.
        environment: The environment variable that sets it.
        type: The values that it accepts.
        default: Its default, as it would be written.
        description: Its meaning.
    """

    path: str
    environment: str
    type: str
    default: str
    description: str


def effective(settings: Settings) -> dict[str, Any]:
    """The settings in force, ready for JSON. A secret is shown as asterisks.

    >>> effective(Settings())["snapshots"]["keep"]
    3
    """
    return settings.model_dump(mode="json")


def describe() -> list[SettingRow]:
    """Every setting, in the order of the tree.

    >>> describe()[0].environment
    'STREAM_AL_APPLICATION'
    """
    return [
        SettingRow(
            path,
            PREFIX + path.upper().replace(".", "__"),
            type_text(field),
            _default_text(field),
            field.description or "",
        )
        for path, field in fields()
    ]


def fields() -> Iterator[tuple[str, FieldInfo]]:
    """The path and the field of every setting. A section is not a setting."""
    for name, field in Settings.model_fields.items():
        if isinstance(field.default, BaseModel):
            for leaf, inner in type(field.default).model_fields.items():
                yield f"{name}.{leaf}", inner
        else:
            yield name, field


def kind(field: FieldInfo) -> Any:
    """The type of a field's values, without checks and without null."""
    annotation: Any = field.annotation
    if may_be_null(field):
        annotation = next(part for part in get_args(annotation) if part is not NoneType)
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def may_be_null(field: FieldInfo) -> bool:
    """Whether the setting accepts null."""
    return NoneType in get_args(field.annotation)


def type_text(field: FieldInfo) -> str:
    """The values that a setting accepts, from its type and bounds.

    >>> type_text(dict(fields())["budget.share"]), type_text(dict(fields())["topics.predictions"])
    ('number > 0 and <= 1', 'text or null')
    """
    values = kind(field)
    if get_origin(values) is Literal:
        return "one of " + ", ".join(get_args(values))
    bounds = (
        f"{sign} {value}"
        for constraint in field.metadata
        for name, sign in _BOUNDS.items()
        if (value := getattr(constraint, name, None)) is not None
    )
    text = f"{_KINDS.get(values) or _KINDS[get_origin(values) or values]} {' and '.join(bounds)}".rstrip()
    return f"{text} or null" if may_be_null(field) else text


def _default_text(field: FieldInfo) -> str:
    default = field.default
    if isinstance(default, bool) or default is None or default == ():
        return json.dumps(default)
    return str(default)
