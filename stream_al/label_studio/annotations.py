"""What Label Studio sends, as types, and what an annotation means as a label.

A task or an annotation of another form is an error of the server's or a change of its API. It is never taken
for something else: `decode` raises. Tasks that the bridge has not imported are left alone in every respect.

    annotation                              label
    one choice                              its class
    the field for another class             what was typed, if no choice was made
    skipped (`was_cancelled`)               a skip
    anything else                           none: `BadMessage`, and the bridge says so

`annotator` is `label-studio:` and the number of the account. `labelled_at` is the time of the last change.
`guess_shown` says whether the task came with the model's prediction: Label Studio does not tell whether the
annotator had a look at it.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from stream_al.errors import BadMessage, Unavailable
from stream_al.identity import MAX_ID_CHARACTERS
from stream_al.label_studio.classes import class_of
from stream_al.label_studio.configuration import LABEL, OTHER
from stream_al.label_studio.tasks import Key
from stream_al.messages import MAX_VERSION_CHARACTERS, ClassLabel, Label

__all__ = ["Annotation", "Page", "Stamp", "Stamps", "Task", "decoded", "guess_of", "label_of", "query_key"]


class Annotation(msgspec.Struct, frozen=True):
    """What an annotator did with a task."""

    id: int
    created_at: str
    updated_at: str
    result: list[dict[str, Any]] = []
    was_cancelled: bool = False
    completed_by: Any = None


class Task(msgspec.Struct, frozen=True):
    """A task, with its annotations."""

    id: int
    updated_at: str
    data: dict[str, Any]
    annotations: list[Annotation] = []

    @property
    def is_untouched(self) -> bool:
        """Whether nobody has labelled or skipped it."""
        return not self.annotations


class Page(msgspec.Struct, frozen=True):
    """A page of tasks."""

    tasks: list[Task]


class Stamp(msgspec.Struct, frozen=True):
    """When a task was last changed."""

    id: int
    updated_at: str


class Stamps(msgspec.Struct, frozen=True):
    """A page of them."""

    tasks: list[Stamp]


T = TypeVar("T")


def decoded(kind: type[T], body: bytes) -> T:
    """A response of Label Studio.

    Raises:
        Unavailable: It has another form, as that of a proxy in front of a server that is away.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Unavailable(
            f"Label Studio sent something that is no {kind.__name__} ({error}): check label_studio.url, and "
            "whether the version of Label Studio is one that deploy/LABEL_STUDIO.md names"
        ) from None


def query_key(task: Task, application: str) -> Key | None:
    """The query of a task; None for a task of somebody else's."""
    name, version = task.data.get("stream_al_id"), task.data.get("stream_al_version")
    if not isinstance(name, str) or not isinstance(version, str):
        return None
    fits = 0 < len(name) <= MAX_ID_CHARACTERS and 0 < len(version) <= MAX_VERSION_CHARACTERS
    return (name, version) if fits and task.data.get("stream_al_application") == application else None


def guess_of(task: Task) -> bool | None:
    """Whether a task came with the model's prediction; None if it does not say."""
    found = task.data.get("stream_al_predicted")
    return found if isinstance(found, bool) else None


def label_of(key: Key, annotation: Annotation, guess_shown: bool | None = None) -> Label:
    """The label that an annotation means.

    Args:
        key: The query.
        annotation: The annotation.
        guess_shown: Whether its task came with the model's prediction; None if that is not known.

    Raises:
        BadMessage: `no_class` or `several_classes`: it means none.
    """
    name, version = key
    label = None if annotation.was_cancelled else _class(annotation)
    return Label(
        name,
        label,
        annotator=_annotator(annotation.completed_by),
        labelled_at=annotation.updated_at,
        skipped=annotation.was_cancelled,
        version=version,
        guess_shown=guess_shown,
    )


def _class(annotation: Annotation) -> ClassLabel:
    chosen = _texts(annotation, LABEL, "choices") or _texts(annotation, OTHER, "text")
    if len(chosen) > 1:
        raise BadMessage("several_classes", "more than one class was chosen: choose one")
    label = class_of(chosen[0]) if chosen else None
    if label is None:
        raise BadMessage(
            "no_class", f"no class was chosen in the choices named `{LABEL}`: choose one, or skip"
        )
    return label


def _texts(annotation: Annotation, name: str, member: str) -> list[str]:
    found: list[Any] = []
    for part in annotation.result:
        value = part.get("value")
        if part.get("from_name") == name and isinstance(value, dict):
            given = value.get(member)
            found += given if isinstance(given, list) else [given]
    return [text for text in found if isinstance(text, str) and text.strip()]


def _annotator(given: Any) -> str | None:
    number = given.get("id") if isinstance(given, dict) else given
    return f"label-studio:{number}" if isinstance(number, int) else None
