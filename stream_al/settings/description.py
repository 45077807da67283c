"""The settings as data: what is in force, and what there is to set."""

from __future__ import annotations

import json
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, get_args, get_origin

from pydantic import BaseModel, SecretStr

from stream_al.settings.tree import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

__all__ = ["PREFIX", "Row", "describe", "effective", "fields", "kind", "may_be_null", "type_text"]

PREFIX = "STREAM_AL_"

_KINDS: dict[Any, str] = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    Path: "path",
    SecretStr: "secret text",
    tuple: "list of texts",
}
_BOUNDS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}


class Row(NamedTuple):
    """One setting, in words.

    Attributes:
        path: Its name in the file and on the command line.
        environment: The environment variable that sets it.
        type: What may be written.
        default: Its default as it would be written.
        description: What it does.
    """

    path: str
    environment: str
    type: str
    default: str
    description: str


def effective(settings: Settings) -> dict[str, Any]:
    """The settings in force, ready for JSON; a secret shows as asterisks.

    >>> effective(Settings())["snapshots"]["directory"]
    'snapshots'
    """
    return settings.model_dump(mode="json")


def describe() -> list[Row]:
    """Every setting, in the order of the tree.

    >>> describe()[0].environment
    'STREAM_AL_APPLICATION'
    """
    return [
        Row(
            path,
            PREFIX + path.upper().replace(".", "__"),
            type_text(field),
            _default_text(field),
            field.description or "",
        )
        for path, field in fields()
    ]


def fields() -> Iterator[tuple[str, FieldInfo]]:
    """Every setting's path and field; a section is not a setting."""
    for name, field in Settings.model_fields.items():
        if isinstance(field.default, BaseModel):
            for leaf, inner in type(field.default).model_fields.items():
                yield f"{name}.{leaf}", inner
        else:
            yield name, field


def kind(field: FieldInfo) -> Any:
    """The type of a field's values, without checks and without the null it may also be."""
    annotation: Any = field.annotation
    if may_be_null(field):
        annotation = next(part for part in get_args(annotation) if part is not NoneType)
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def may_be_null(field: FieldInfo) -> bool:
    """Whether nothing is a value too."""
    return NoneType in get_args(field.annotation)


def type_text(field: FieldInfo) -> str:
    """What may be written, from the type and its bounds.

    >>> type_text(dict(fields())["budget.share"]), type_text(dict(fields())["topics.predictions"])
    ('number > 0 and <= 1', 'text or null')
    """
    said = kind(field)
    if get_origin(said) is Literal:
        return "one of " + ", ".join(get_args(said))
    bounds = (
        f"{sign} {value}"
        for constraint in field.metadata
        for name, sign in _BOUNDS.items()
        if (value := getattr(constraint, name, None)) is not None
    )
    text = f"{_KINDS[get_origin(said) or said]} {' and '.join(bounds)}".rstrip()
    return f"{text} or null" if may_be_null(field) else text


def _default_text(field: FieldInfo) -> str:
    default = field.default
    if isinstance(default, bool) or default is None or default == ():
        return json.dumps(default)
    return str(default)
