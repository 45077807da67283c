"""The fields of the samples: which types and values they have, and what they look like.

A field is a feature, or all members of an array: `vector.0` to `vector.383` are the field `vector.*`. What a
field looks like is what the encoder of the default model takes it for (`engine.learners.encoder`). Two things
are added that the encoder does not tell apart: truth values, and numbers that are written as texts, which may
be written for people, such as `1,234.50`, `12,5` or `$12`.

The encoder judges what an id is after `MANY` values, so a handful of samples shows none.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from stream_al.engine.doctor.findings import Finding, error, note, warning
from stream_al.engine.learners.encoder.columns import Columns
from stream_al.engine.learners.encoder.values import LINEAR, read
from stream_al.terminal import listed, printable

__all__ = ["MAX_FIELDS", "Field", "Fields", "field_of"]

MAX_FIELDS = 1000
MAX_DISTINCT = 1000  # values of a field that are told apart
MAX_VALUE = 200  # characters of a value by which it is told apart
MUCH_MISSING = 0.5
JUDGED = 20  # samples before a field is called constant
LABEL_NAMES = {"label", "target", "class", "y", "is_fraud", "outcome", "ground_truth"}

_INDEX = re.compile(r"\.\d+(?=\.|$)")
_TYPES: dict[type, str] = {bool: "truth value", int: "number", float: "number", str: "text"}


def field_of(feature: str) -> str:
    """The field that a feature belongs to.

    >>> field_of("vector.17"), field_of("items.0.price"), field_of("x1")
    ('vector.*', 'items.*.price', 'x1')
    """
    return _INDEX.sub(".*", feature)


class Field:
    """What is known of one field.

    Attributes:
        name: Its name.
        types: How many of its values have each type.
        samples: How many samples have it.
        features: How many features it has: more than one of an array.
        example: Its first value, printable.
        text: Its first text, printable: one that reads as no number and no date, if there is one.
        looks_like: number, number in text, truth value, category, text, date, id, array or unknown.
        left_out: Why the default model does not use it; None if it does.
        largest: The largest size of its numbers.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.types: Counter[str] = Counter()
        self.samples = 0
        self.features: set[str] = set()
        self.example = self.text = ""
        self.looks_like = "unknown"
        self.left_out: str | None = None
        self.largest = 0.0
        self._values: set[str] = set()
        self._numbers_in_text = 0
        self._text_is_plain = False

    def add(self, feature: str, value: Any) -> None:
        """Note one value."""
        kind = _TYPES.get(type(value), "text")
        self.types[kind] += 1
        if len(self.features) < MAX_FIELDS:
            self.features.add(feature)
        text = str(value)[:MAX_VALUE]
        self.example = self.example or printable(text, 40)
        if len(self._values) <= MAX_DISTINCT:
            self._values.add(f"{kind} {text}")
        if kind == "text":
            found = read(value)
            self._numbers_in_text += found.number is not None
            is_plain = found.number is None and found.date is None
            if not self.text or (is_plain and not self._text_is_plain):
                self.text, self._text_is_plain = printable(text, 40), is_plain
        else:
            self.largest = max(self.largest, min(abs(value), LINEAR))

    @property
    def is_array(self) -> bool:
        """Whether it stands for the members of an array."""
        return len(self.features) > 1

    @property
    def distinct(self) -> int:
        """How many different values it has, counted up to one more than `MAX_DISTINCT`."""
        return len(self._values)

    @property
    def is_number_to_auto(self) -> bool:
        """Whether nearly all of its values are numbers, or texts that read as numbers."""
        return self.types["number"] + self._numbers_in_text > 0.95 * self.types.total()

    @property
    def is_number_in_text(self) -> bool:
        """Whether nearly all of its values are texts that read as numbers."""
        return self._numbers_in_text > 0.95 * self.types.total()

    def missing(self, samples: int) -> float:
        """The share of the samples that lack it."""
        return 1.0 - self.samples / samples if samples else 0.0

    def describe(self, samples: int) -> dict[str, Any]:
        """What is known of it, ready for JSON."""
        most = self.distinct > MAX_DISTINCT
        return {
            "name": printable(self.name, MAX_VALUE),
            "types": dict(self.types),
            "features": len(self.features),
            "distinct": f"more than {MAX_DISTINCT}" if most else self.distinct,
            "missing": round(self.missing(samples), 4),
            "example": self.example,
            "looks_like": self.looks_like,
        }


class Fields:
    """The fields of samples.

    Attributes:
        samples: How many samples were added.
        found: The fields by name, in order of first appearance.
        more: How many names found no room.

    >>> fields = Fields()
    >>> for number in range(3):
    ...     fields.add({"amount": number / 2, "country": "NL", "vector.0": 1, "vector.1": 2})
    >>> fields.finish()
    >>> {name: field.looks_like for name, field in fields.found.items()}
    {'amount': 'number', 'country': 'category', 'vector.*': 'array'}
    """

    def __init__(self) -> None:
        self.samples = 0
        self.found: dict[str, Field] = {}
        self.more: set[str] = set()
        self._columns = Columns()

    def add(self, features: Mapping[str, Any]) -> None:
        """Note the features of one sample."""
        self.samples += 1
        here = set()
        for feature, value in features.items():
            name = field_of(feature)
            if name not in self.found:
                if len(self.found) >= MAX_FIELDS:
                    if len(self.more) < MAX_FIELDS:
                        self.more.add(name)
                    continue
                self.found[name] = Field(name)
            self.found[name].add(feature, value)
            here.add(name)
        for name in here:
            self.found[name].samples += 1
        self._columns.learn(features)

    def finish(self) -> None:
        """Say what each field looks like, now that all samples were added."""
        kinds, left_out = self._columns.kinds(), self._columns.left_out()
        for field in self.found.values():
            first = min(field.features)
            field.left_out = left_out.get(first)
            field.looks_like = _looks_like(field, kinds.get(first, "unknown"))

    def findings(self, *, is_auto: bool) -> Iterator[Finding]:
        """What is wrong with them.

        Args:
            is_auto: Whether the model reads features as the default model does.
        """
        yield from self._constant()
        fields = self.found.values()
        if missing := [f.name for f in fields if f.missing(self.samples) > MUCH_MISSING and not f.is_array]:
            yield warning(
                "fields",
                f"more than half of the records lack {listed(missing)}: check the paths and the senders, or "
                "leave these out with input.exclude",
            )
        yield from self._mixed(is_auto=is_auto)
        if texts := [f.name for f in fields if f.looks_like == "number in text"]:
            what = f"the numbers of {listed(texts)} are sent as text"
            if is_auto:
                yield note("fields", f"{what}: auto takes each as a number and as a category")
            else:
                yield warning(
                    "fields",
                    f"{what}, and a River model takes them for categories: send numbers, or use "
                    "model.definition: "
                    "auto, which reads them as numbers too",
                )
        yield from self._left_out(is_auto=is_auto)
        if leaks := [f.name for f in fields if f.name.lower().rpartition(".")[2] in LABEL_NAMES]:
            yield warning(
                "fields",
                f"{listed(leaks)} may be the label itself: if it is known only later, leave it out with "
                "input.exclude, or the model learns nothing else",
            )
        if self.more:
            yield note("fields", f"only the first {MAX_FIELDS} fields are examined; there are more")

    def _mixed(self, *, is_auto: bool) -> Iterator[Finding]:
        mixed = [f for f in self.found.values() if len(f.types) > 1]
        read = [f for f in mixed if is_auto and f.is_number_to_auto]
        if read:
            yield note(
                "fields",
                f"{listed([f.name for f in read])} is a number in some records and a text in others, such as "
                f"{read[0].text!r}: auto reads these texts as numbers",
            )
        if others := [f for f in mixed if f not in read]:
            kinds = " and ".join(sorted(others[0].types))
            such = f", such as {others[0].text!r}" if others[0].text else ""
            yield warning(
                "fields",
                f"{listed([f.name for f in others])} changes its type between records ({kinds}{such}): send "
                "one type, since a model takes each type for something else",
            )

    def _constant(self) -> Iterator[Finding]:
        if self.samples < JUDGED:
            return
        constant = [f.name for f in self.found.values() if f.distinct == 1 and f.samples == self.samples]
        varied = [f for f in self.found.values() if f.distinct > 1 and f.left_out is None]
        if not varied:
            same = [f"{listed(constant)} never changes"] if constant else []
            left = [f.name for f in self.found.values() if f.left_out is not None]
            ids = [f"{listed(left)} is new in every record or only rises"] if left else []
            yield error(
                "fields",
                f"no field tells one record from another ({', '.join(same + ids)}): set input.features and "
                "input.include to where the features are",
            )
        elif constant:
            yield note("fields", f"{listed(constant)} has one value in all records and tells nothing")

    def _left_out(self, *, is_auto: bool) -> Iterator[Finding]:
        gone = [f.name for f in self.found.values() if f.left_out is not None and f.looks_like != "date"]
        dates = [f.name for f in self.found.values() if f.looks_like == "date"]
        if gone and is_auto:
            why = self.found[gone[0]].left_out
            yield note("fields", f"auto does not use {listed(gone)} ({why}); nothing has to be done")
        elif gone:
            yield warning(
                "fields",
                f"{listed(gone)} is new in every record or only rises, so a model learns it by heart: leave "
                "it "
                "out with input.exclude",
            )
        if dates and not is_auto:
            yield warning(
                "fields",
                f"{listed(dates)} is a date in text, which a River model takes for a category: send numbers "
                "such as the hour and the weekday, leave it out with input.exclude, or use "
                "model.definition: auto",
            )


def _looks_like(field: Field, kind: str) -> str:
    if field.is_array:
        return "array"
    if set(field.types) == {"truth value"}:
        return "truth value"
    if field.is_number_in_text and kind in ("number", "category"):
        return "number in text"
    return kind
