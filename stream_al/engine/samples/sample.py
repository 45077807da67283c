"""The sample that a record holds.

A stream that already exists is not rewritten for this service. Rules say where id, features and payload are.
The native form, `{"id": ..., "features": {...}, "payload": ...}`, needs none.

Features become one flat dictionary, as River takes it. Nested objects and arrays turn into `name.key` and
`name.0`, text stays text, and null is left out, since River takes an absent feature for a missing one.
Records come from outside, so depth, number and size of features are limited, and every number must be finite.

*Names are limited too*, each by itself and all of a sample together. They are made by joining the names of
the members on the way, so a record of 400 kB with one long name and an array would make names of 4 GB.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from math import isfinite
from typing import Any

from stream_al.checks import check_depth
from stream_al.engine.samples.deletion import is_deletion
from stream_al.engine.samples.paths import value_at
from stream_al.engine.samples.table import LARGEST, Feature, Sample, sample_of
from stream_al.errors import BadMessage, NoSample
from stream_al.identity import MAX_ID_CHARACTERS, id_text, key_text

__all__ = [
    "AUTO",
    "WHOLE",
    "InputRules",
    "flat_features",
    "is_kept",
    "members_taken",
    "position_id",
    "read_sample",
    "with_id",
]

WHOLE = "."
AUTO = "auto"


@dataclass(frozen=True, slots=True)
class InputRules:
    """Where id, features and payload are in a record, and how large they may be.

    Attributes:
        id: `auto` (the member `id`, else the record's key, else its position), `key`, `position`, or
            the path of a member such as `transaction.id`.
        features: `auto` (the member `features` if it is an object, else the whole record), a path,
            or `.` for the whole record.
        payload: The path of the payload; None takes the member `payload` of the native form.
        include: Shell patterns of the features to keep; empty to keep all.
        exclude: Shell patterns of the features to leave out.
        max_depth: How deep a record may be nested.
        max_features: How many features a sample may have.
        max_text: How many characters a text feature may have.
        max_name: How many characters the name of a feature may have.
        max_names: How many characters all names of a sample may have.
    """

    id: str = AUTO
    features: str = AUTO
    payload: str | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    max_depth: int = 8
    max_features: int = 10_000
    max_text: int = 100_000
    max_name: int = 1000
    max_names: int = 1_000_000

    @property
    def max_members(self) -> int:
        """How many members may be looked at to find the features; some may be null, or left out."""
        return 2 * self.max_features


def with_id(rules: InputRules, place: str | None) -> InputRules:
    """The rules with another place of the id, if one is named.

    >>> with_id(InputRules(), "transaction.id").id, with_id(InputRules(), None).id
    ('transaction.id', 'auto')
    """
    return rules if place is None else replace(rules, id=place)


def read_sample(
    record: Any, rules: InputRules, *, key: bytes | None, position: str, apart: tuple[str, ...] = ()
) -> Sample:
    """The sample in a decoded record.

    Args:
        record: Plain JSON values.
        rules: Where id, features and payload are in it.
        key: The record's key.
        position: The record's topic, partition and offset as one word; the id if there is no other.
        apart: Paths that hold no features, besides those of the rules.

    Raises:
        BadMessage: `not_an_object`, `no_id`, `bad_id`, `no_features`, `bad_features`, `not_finite`,
            `too_deep`, `too_many_features`, `text_too_long`, `name_too_long`.
        NoSample: `deleted`: the record says that a row was deleted.

    >>> read_sample({"id": 7, "x": 2.5, "geo": {"at": [1, 2]}}, InputRules(), key=None, position="p").features
    {'x': 2.5, 'geo.at.0': 1, 'geo.at.1': 2}
    """
    if not isinstance(record, dict):
        raise BadMessage("not_an_object", f"the record is JSON, but it is {_kind(record)} and no object")
    if is_deletion(record, None if rules.features in (AUTO, WHOLE) else rules.features):
        raise NoSample("deleted", "the record says that a row was deleted")
    check_depth(record, rules.max_depth)
    native = rules.features == AUTO and isinstance(record.get("features"), dict)
    if native:
        source: Any = record["features"]
        taken = _inside("features", apart)
    elif rules.features in (AUTO, WHOLE):
        source, taken = record, (*members_taken(rules), *apart)
    else:
        source = value_at(record, rules.features)
        taken = _inside(rules.features, (*members_taken(rules), *apart))
        if not isinstance(source, dict):
            raise BadMessage("no_features", f"there is no object at `{rules.features}`")
    features = flat_features(source, rules, taken)
    payload_path = rules.payload or ("payload" if native else None)
    payload = value_at(record, payload_path) if payload_path else None
    return sample_of(_identify(record, rules, key, position), features, payload)


def position_id(topic: str, partition: int, offset: int) -> str:
    """The id of a sample that has no other: its place in the log.

    >>> position_id("samples", 0, 17)
    'samples-0-17'
    """
    return f"{topic}-{partition}-{offset}"


def flat_features(
    source: Mapping[str, Any], rules: InputRules, taken: tuple[str, ...] = ()
) -> dict[str, Feature]:
    """One flat dictionary of features, checked.

    Args:
        source: The object that holds them.
        rules: What to keep, and the limits.
        taken: Paths that hold the id or the payload, and so no features.

    Raises:
        BadMessage: As `read_sample`.
    """
    flat: dict[str, Feature] = {}
    picks = bool(rules.include or rules.exclude)
    members, characters = len(source), 0
    _check_members(members, characters, rules)
    waiting = [(str(name), value, 1) for name, value in reversed(list(source.items()))]
    while waiting:
        name, value, depth = waiting.pop()
        if value is None or name in taken:
            continue
        if isinstance(value, dict | list):
            if depth >= rules.max_depth:
                raise BadMessage("too_deep", f"`{name[:100]}` is nested deeper than {rules.max_depth}")
            members += len(value)
            characters += (len(name) + 1) * len(value)
            _check_members(members, characters, rules)
            inside = list(value.items() if isinstance(value, dict) else enumerate(value))
            waiting += [(f"{name}.{part}", member, depth + 1) for part, member in reversed(inside)]
        elif not picks or is_kept(name, rules):
            if len(name) > rules.max_name:
                raise BadMessage("name_too_long", f"`{name[:100]}` has more than {rules.max_name} characters")
            flat[name] = _feature(name, value, rules)
            if len(flat) > rules.max_features:
                raise BadMessage(
                    "too_many_features", f"the sample has more than {rules.max_features} features"
                )
    if not flat:
        raise BadMessage("no_features", "the sample has no features")
    return flat


def _check_members(members: int, characters: int, rules: InputRules) -> None:
    """Refuse features before their members are looked at, and their names made, if there are too many."""
    if members > rules.max_members:
        raise BadMessage(
            "too_many_features",
            f"the features have more than {rules.max_members} members, counting those that are left out",
        )
    if characters > rules.max_names:
        raise BadMessage(
            "name_too_long",
            f"the names of nested features have more than {rules.max_names} characters in all",
        )


def _feature(name: str, value: Any, rules: InputRules) -> Feature:
    if isinstance(value, float) and isfinite(value):
        return value  # nearly all are floats
    if isinstance(value, str):
        if len(value) > rules.max_text:
            raise BadMessage("text_too_long", f"`{name[:100]}` has more than {rules.max_text} characters")
        return value
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        try:
            if isfinite(value):
                # From 2^63 on, an integer does not fit the integers of numpy.
                return value if isinstance(value, float) or abs(value) < LARGEST else float(value)
        except OverflowError:
            pass  # an integer too large for a float
        raise BadMessage("not_finite", f"`{name[:100]}` is not a finite number")
    raise BadMessage("bad_features", f"`{name[:100]}` is neither number, text nor truth value")


def is_kept(name: str, rules: InputRules) -> bool:
    """Whether the rules keep a feature of this name."""
    if rules.include and not any(fnmatchcase(name, pattern) for pattern in rules.include):
        return False
    return not any(fnmatchcase(name, pattern) for pattern in rules.exclude)


def members_taken(rules: InputRules) -> tuple[str, ...]:
    """Paths in the record that hold the id or the payload, and so no feature."""
    identity = {AUTO: "id", "key": "", "position": ""}.get(rules.id, rules.id)
    return tuple(path for path in (identity, rules.payload) if path)


def _inside(path: str, others: tuple[str, ...]) -> tuple[str, ...]:
    """The paths that lead through another path, from there on."""
    inside = path + "."
    return tuple(other.removeprefix(inside) for other in others if other.startswith(inside))


def _identify(record: dict[str, Any], rules: InputRules, key: bytes | None, position: str) -> str:
    if rules.id == "position":
        return position
    found: Any = None
    if rules.id != "key":
        found = value_at(record, "id" if rules.id == AUTO else rules.id)
    if found is None and key is not None and rules.id in (AUTO, "key"):
        found = key_text(key)
    if found is None and rules.id == AUTO:
        return position
    if found is None:
        where = "the record has no key" if rules.id == "key" else f"there is nothing at `{rules.id}`"
        raise BadMessage("no_id", f"{where}, where the settings say that the id is")
    text = id_text(found)
    if text is None:
        raise BadMessage("bad_id", f"an id is text of 1 to {MAX_ID_CHARACTERS} characters or a whole number")
    return text


def _kind(value: Any) -> str:
    names = {list: "an array", str: "a text", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")
