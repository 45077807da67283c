"""A query as a task of Label Studio.

The data of a task has these members. Our own begin with `stream_al_`; a labelling configuration may use any.

    stream_al_id, stream_al_version, stream_al_application   which query it is
    stream_al_utility, stream_al_reason, stream_al_expires_at
    stream_al_second_of   for a second label, the id of the first query; else empty
    stream_al_predicted   whether the task carries the model's prediction
    text       the text of the payload, or of features that are sentences
    image, audio   the first image and sound of the payload: an http(s) URL or a data URI, nothing else
    features   the features, and the other members of the payload, as one flat table
    payload    the payload as it is

All members are always there, since Label Studio refuses a task that lacks one that the configuration shows.

The model's prediction comes with its version, and its probability as the score. A query that was drawn at
random (`explore`) has none, because its label measures the model and must not be led by it. Neither has a
query for a second label, which judges the first one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

import msgspec

from stream_al.errors import BadMessage
from stream_al.identity import version_of
from stream_al.label_studio.classes import choice_of
from stream_al.label_studio.configuration import LABEL, Configuration
from stream_al.messages import Query, class_names, encode

__all__ = ["Key", "key_of", "media", "task_of"]

Key = tuple[str, str]
"""Id and version of a query."""

NO_IMAGE = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
"""One transparent pixel."""
NO_AUDIO = "data:audio/wav;base64,UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA="
"""No sample of sound."""

MOST_ROWS = 200
MOST_CHARACTERS = 2000  # of a cell of the table
MOST_TEXT = 100_000
MAX_DEPTH = 6
_ADDRESS = re.compile(r"https?://\S+", re.IGNORECASE)
# The end of a path. It is searched for by itself: with the rest of the address around it, a long text would
# be read again from each end of a path in it.
_IMAGE = re.compile(r"\S\.(png|jpe?g|gif|webp|bmp|svg|avif)(?=[?#]|\Z)", re.IGNORECASE)
_AUDIO = re.compile(r"\S\.(wav|mp3|ogg|oga|flac|m4a|aac|opus)(?=[?#]|\Z)", re.IGNORECASE)
_MEDIA = {"image": _IMAGE, "audio": _AUDIO}
_EXPLORE = "explore"


def key_of(query: Query) -> Key:
    """Which query it is."""
    return query.id, query.version or version_of(query.features)


def media(query: Query) -> set[str]:
    """Of `image` and `audio`, what the payload holds."""
    leaves = [value for _, value in _leaves(query.payload)]
    return {kind for kind in _MEDIA if _first(leaves, kind)}


def task_of(query: Query, application: str, shown: Configuration, *, predictions: bool) -> dict[str, Any]:
    """The task to import.

    Args:
        query: The query.
        application: The name of the application, so that several may share a project.
        shown: The configuration of the project.
        predictions: Whether tasks carry the model's predictions.

    Raises:
        BadMessage: `unusable_id`: Label Studio's database cannot keep the id.
    """
    if "\0" in query.id:
        raise BadMessage("unusable_id", "the id holds a NUL, which Label Studio cannot keep")
    leaves = _leaves(query.payload)
    values = [value for _, value in leaves]
    name, version = key_of(query)
    data = {
        "stream_al_id": name,
        "stream_al_version": version,
        "stream_al_application": application,
        "stream_al_utility": query.utility,
        "stream_al_reason": query.reason,
        "stream_al_expires_at": query.expires_at,
        "stream_al_second_of": query.second_of or "",
        "text": _text(query, leaves),
        "image": _first(values, "image") or NO_IMAGE,
        "audio": _first(values, "audio") or NO_AUDIO,
        "features": _table(query, leaves),
        "payload": _clean(query.payload),
    }
    blind = query.reason == _EXPLORE or query.second_of is not None
    guess = _prediction(query, shown) if predictions and not blind else None
    data["stream_al_predicted"] = guess is not None
    return {"data": data} if guess is None else {"data": data, "predictions": [guess]}


def _prediction(query: Query, shown: Configuration) -> dict[str, Any] | None:
    """The prediction, if the configuration lists its class."""
    label = query.prediction.label
    if label is None or (choice := choice_of(label)) not in shown.choices:
        return None
    probabilities = query.prediction.probabilities
    names = (*class_names(label), encode(label).decode())
    score = next((probabilities[name] for name in names if name in probabilities), None)
    model = f"{query.model.name} {query.model.version} ({query.model.examples} examples)"
    value = {"choices": [choice]}
    result = {"from_name": LABEL, "to_name": shown.shows, "type": "choices", "value": value}
    return {"model_version": model, "score": score, "result": [result]}


def _leaves(value: Any, path: str = "", depth: int = 0) -> list[tuple[str, Any]]:
    """The single values in a payload, each with its path."""
    if isinstance(value, dict) and depth < MAX_DEPTH:
        parts: Iterator[tuple[str, Any]] = ((str(name), inner) for name, inner in value.items())
    elif isinstance(value, list) and depth < MAX_DEPTH:
        parts = ((str(number), inner) for number, inner in enumerate(value))
    else:
        return [] if value is None else [(path, value)]
    found: list[tuple[str, Any]] = []
    for name, inner in parts:
        found += _leaves(inner, f"{path}.{name}" if path else name, depth + 1)
        if len(found) >= MOST_ROWS:
            break
    return found[:MOST_ROWS]


def _first(values: Collection[Any], kind: str) -> str | None:
    return next((value for value in values if isinstance(value, str) and _is_medium(value, kind)), None)


def _is_medium(value: str, kind: str) -> bool:
    if value[:20].lower().startswith(f"data:{kind}/"):
        return True
    found = _ADDRESS.fullmatch(value)
    return found is not None and _MEDIA[kind].search(value, value.index("://") + 3) is not None


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not any(_is_medium(value, kind) for kind in _MEDIA)


def _text(query: Query, leaves: Collection[tuple[str, Any]]) -> str:
    """What there is to read; of features only sentences, since all of them stand in the table."""
    texts = [(name, value) for name, value in leaves if _is_text(value)]
    if not texts:
        texts = [(name, value) for name, value in query.features.items() if _is_text(value) and " " in value]
    one = len(texts) == 1
    lines = [value if one or not name else f"{name}: {value}" for name, value in texts]
    return str(_clean("\n".join(lines)[:MOST_TEXT]))


def _table(query: Query, leaves: Collection[tuple[str, Any]]) -> dict[str, Any]:
    rows = {**query.features, **{f"payload.{name}" if name else "payload": value for name, value in leaves}}
    return {str(_clean(name)): _cell(value) for name, value in list(rows.items())[:MOST_ROWS]}


def _cell(value: Any) -> Any:
    if isinstance(value, dict | list):
        value = encode(value).decode()
    return _clean(value[:MOST_CHARACTERS] if isinstance(value, str) else value)


def _clean(value: Any) -> Any:
    """The value without the one character that Label Studio's database cannot keep."""
    if isinstance(value, str):
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if isinstance(value, dict | list):
        text = encode(value)
        return value if rb"\u0000" not in text else msgspec.json.decode(text.replace(rb"\u0000", rb"\ufffd"))
    return value
