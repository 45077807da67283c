"""The labelled sample that a record holds.

What the service reads from a topic, the simulation, the demo and the import of labels read from files and
topics as well. So `read_sample` reads the sample for all of them, by the same rules. This module adds what
only a *recorded* stream has: the label and the times. They are found by their paths, and the label and the
time of the label are no features, because they are known only after the label came.

A record in the form of an example (`id`, `features` and `label`, as the export writes it) is read in that
form, whatever the rules say of the stream's own form. `include` and `exclude` hold for it too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any, NamedTuple

from stream_al.engine.samples.paths import value_at
from stream_al.engine.samples.sample import AUTO, InputRules, read_sample
from stream_al.engine.samples.table import Sample
from stream_al.errors import BadMessage
from stream_al.messages import ClassLabel, Example, class_of

__all__ = ["CORRECTED", "LABEL", "Labelled", "Places", "is_example", "read_labelled"]

LABEL = "label"
REQUIRED = frozenset({"id", "features", "label"})
CORRECTED = ("former_label", "corrected_by", "corrected_at")
"""What the export adds to an example whose label was corrected."""
FACTS = frozenset((*Example.__struct_fields__, *CORRECTED))


@dataclass(frozen=True, slots=True)
class Places:
    """Where a record holds what is no part of the sample.

    Attributes:
        label: The path of the label; None if it has none.
        time: The path of the sample's time; None if it has none.
        label_time: The path of the label's time; None if it has none.
        examples: Whether a record may have the form of an example.
    """

    label: str | None = LABEL
    time: str | None = None
    label_time: str | None = None
    examples: bool = False


class Labelled(NamedTuple):
    """A sample with what was recorded of it. `label` is None if the record has none."""

    sample: Sample
    label: ClassLabel | None
    time: Any
    label_time: Any
    annotator: str | None
    labelled_at: str | None


def read_labelled(
    record: Any, rules: InputRules, places: Places, *, key: bytes | None, position: str
) -> Labelled:
    """The labelled sample in a decoded record.

    Args:
        record: Plain JSON values.
        rules: Where id, features and payload are in it.
        places: Where label and times are in it.
        key: The record's key.
        position: The id, if there is no other.

    Raises:
        BadMessage: As `read_sample`, or `bad_label`, or `label_too_long`.

    >>> found = read_labelled({"x": 1, "truth": {"kind": "up"}}, InputRules(), Places("truth.kind"), key=None,
    ...     position="p")
    >>> found.sample.features, found.label
    ({'x': 1}, 'up')
    """
    facts: Mapping[str, Any] = {}
    if places.examples and is_example(record):
        rules, facts = replace(rules, id=AUTO, features=AUTO, payload=None), record
        sample = read_sample(record, rules, key=key, position=position)
    else:
        apart = tuple(path for path in (places.label, places.label_time) if path)
        sample = read_sample(record, rules, key=key, position=position, apart=apart)
    return Labelled(
        sample,
        _label(record, places.label) if places.label else None,
        places.time and value_at(record, places.time),
        places.label_time and value_at(record, places.label_time),
        _text(facts.get("annotator")),
        _text(facts.get("labelled_at")),
    )


def is_example(record: Any) -> bool:
    """Whether a record has the form of an example.

    >>> is_example({"id": "a", "features": {"x": 1}, "label": "up"}), is_example({"x": 1, "label": "up"})
    (True, False)
    """
    if not isinstance(record, dict) or not REQUIRED <= record.keys() <= FACTS:
        return False
    return isinstance(record["features"], dict)


def _label(record: Any, path: str) -> ClassLabel | None:
    found = value_at(record, path)
    if isinstance(found, float) and not isfinite(found):  # only a file can hold it, and it means no value
        return None
    if found is not None and not isinstance(found, str | int | float):
        raise BadMessage("bad_label", f"`{path[:100]}` holds no text, number or truth value")
    return class_of(found)


def _text(found: Any) -> str | None:
    return found if isinstance(found, str) else None
