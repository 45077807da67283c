"""The records: how many can be read, which ids they have, and when they were written.

The rules by which a record is read are those of the service (`engine.samples.sample`). A record that it could
not read would become a dead letter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from stream_al.engine.doctor.fields import Fields
from stream_al.engine.doctor.findings import Finding, error, note, warning
from stream_al.engine.samples.sample import AUTO, WHOLE, InputRules, read_sample
from stream_al.engine.samples.table import Sample
from stream_al.errors import BadMessage
from stream_al.identity import is_encoded, version_of
from stream_al.messages import decode_json, iso
from stream_al.terminal import listed, printable

__all__ = ["Records", "Unread"]

HOUR_MS = 3_600_000
OLD_MS = 365 * 24 * HOUR_MS
AHEAD_MS = 5 * 60_000  # clocks may differ by this without a word
MOSTLY = 0.5
REMEDIES = {
    "not_json": "send JSON objects",
    "not_an_object": "send JSON objects",
    "null_value": "a record without a value is no sample; nothing has to be done if a sender deletes by it",
    "no_id": "set input.id to where the id is, or to key, position or auto",
    "bad_id": "set input.id to a text or a whole number",
    "no_features": "set input.features to where the features are, and check input.include and input.exclude",
    "not_finite": "send null or nothing in place of a number that is not finite",
    "too_large": "raise input.max_bytes, or send less",
    "too_deep": "raise input.max_depth, or set input.features to a part of the record",
    "too_many_features": "raise input.max_features, or choose with input.include",
    "name_too_long": "raise input.max_name, or set input.features to a part of the record",
    "too_many_objects": "set input.features to a part of the record that producers send by itself",
    "text_too_long": "raise input.max_text, or leave the text out with input.exclude",
}


@dataclass(slots=True)
class Unread:
    """Records that cannot be read, for one reason.

    Attributes:
        number: How many.
        place: Where the first of them is.
        message: What is wrong with that one.
        looks_like: What its bytes look like, if that can be told.
    """

    number: int
    place: str
    message: str
    looks_like: str = ""


class Records:
    """The records of a topic or a file.

    Attributes:
        samples: The samples read, in order.
        unread: The records that could not be read, by reason.
        sources: How many ids came from each place.
        fields: The fields of the samples.

    >>> records = Records(InputRules(), max_bytes=1000)
    >>> records.add(b'{"id": "a", "x": 1}', key=None, position="t-0-0", timestamp_ms=0)
    >>> records.add(b"?", key=None, position="t-0-1", timestamp_ms=0)
    >>> len(records.samples), list(records.unread), dict(records.sources)
    (1, ['not_json'], {'the member id': 1})
    """

    def __init__(self, rules: InputRules, *, max_bytes: int) -> None:
        self.rules = rules
        self.max_bytes = max_bytes
        self.samples: list[Sample] = []
        self.unread: dict[str, Unread] = {}
        self.sources: Counter[str] = Counter()
        self.fields = Fields()
        self.times: list[int] = []
        self._envelopes: Counter[str] = Counter()
        self._versions: dict[str, str] = {}
        self._repeated: Counter[str] = Counter()
        self._contradicted: dict[str, str] = {}

    @property
    def number(self) -> int:
        """How many records there are, read or not."""
        return len(self.samples) + sum(one.number for one in self.unread.values())

    def add(self, value: bytes | None, *, key: bytes | None, position: str, timestamp_ms: int) -> None:
        """Read one record."""
        self.times.append(timestamp_ms)
        try:
            record = decode_json(value, max_bytes=self.max_bytes)
            sample = read_sample(record, self.rules, key=key, position=position)
        except BadMessage as problem:
            self.refuse(problem, position, _bytes_look_like(value))
        else:
            self.take(sample, self._source(record, key))
            self._envelopes.update(_envelope(record))

    def refuse(self, problem: BadMessage, position: str, looks_like: str = "") -> None:
        """Note a record that cannot be read."""
        message = printable(str(problem), 300)
        first = self.unread.setdefault(problem.reason, Unread(0, position, message, looks_like))
        first.number += 1

    def take(self, sample: Sample, source: str) -> None:
        """Note one sample that was read already."""
        self.sources[source] += 1
        self.samples.append(sample)
        self.fields.add(sample.features)
        version = version_of(sample.features)
        if self._versions.setdefault(sample.id, version) != version:
            self._contradicted[sample.id] = printable(sample.id, 40)
        self._repeated[sample.id] += 1

    def finish(self) -> None:
        """All records were added."""
        self.fields.finish()

    def _source(self, record: dict[str, Any], key: bytes | None) -> str:
        if self.rules.id != AUTO:
            named = {"key": "the record's key", "position": "the record's position"}
            return named.get(self.rules.id, f"the member {listed([self.rules.id])}")
        if record.get("id") is not None:
            return "the member id"
        return "the record's position" if key is None else "the record's key"

    def describe(self) -> dict[str, Any]:
        """What is known of the records, ready for JSON."""
        return {
            "read": len(self.samples),
            "unread": {
                reason: {"records": one.number, "first": one.place, "why": one.message}
                for reason, one in self.unread.items()
            },
            "ids": {
                "from": dict(self.sources),
                "distinct": len(self._repeated),
                "with_other_features": len(self._contradicted),
            },
            "times": {"first": iso(min(self.times)), "last": iso(max(self.times))} if self.times else None,
            "fields": [field.describe(len(self.samples)) for field in self.fields.found.values()],
        }

    def findings(self, *, is_auto: bool, now_ms: int) -> Iterator[Finding]:
        """What is wrong with the records.

        Args:
            is_auto: Whether the model reads features as the default model does.
            now_ms: The time by the clock of this machine.
        """
        if not self.number:
            yield warning("records", "there are no records yet: send some, and ask the doctor again")
            return
        yield from self._unread()
        yield from self._shape()
        yield from self._ids()
        yield from self._times(now_ms)
        if self.samples:
            yield from self.fields.findings(is_auto=is_auto)

    def _unread(self) -> Iterator[Finding]:
        for reason, one in self.unread.items():
            what = f"{one.number} of {self.number} records cannot be read ({reason}), first {one.place}"
            remedy = one.looks_like or REMEDIES.get(
                reason, "correct the senders, or the settings under input"
            )
            grave = one.number > MOSTLY * self.number and reason != "null_value"
            yield (error if grave else warning)("records", f"{what}: {one.message}; {remedy}")

    def _shape(self) -> Iterator[Finding]:
        whole = self.rules.features in (AUTO, WHOLE)
        for remedy, number in self._envelopes.items():
            if whole and number > MOSTLY * len(self.samples):
                yield warning("records", f"{number} of {self.number} records are {remedy}")
        names = list(self.fields.found)
        for pattern in self.rules.include:
            if self.samples and not any(fnmatchcase(name, pattern) for name in names):
                yield warning(
                    "fields",
                    f"input.include: {listed([pattern])} matches no field; there are {listed(names)}",
                )

    def _ids(self) -> Iterator[Finding]:
        if binary := [one.id for one in self.samples if not one.id.isprintable() or is_encoded(one.id)]:
            yield warning(
                "ids",
                f"{len(binary)} ids are keys that are no readable text, such as {printable(binary[0], 40)}: "
                "annotators will see them so; let the sender write text, or set input.id to a member of the "
                "record",
            )
        if len(self.sources) > 1:
            counted = ", ".join(f"{source} ({number})" for source, number in self.sources.most_common())
            yield warning(
                "ids",
                f"ids come from {counted}: labels must name the same ones, so set input.id to the one that "
                "every record has",
            )
        elif next(iter(self.sources), "") == "the record's position" and self.rules.id == AUTO:
            yield warning(
                "ids",
                "no record has an id, so its position serves as one, and another id after a replay into "
                "another topic: set input.id to a path if there is one, or to position if that is right",
            )
        if self._contradicted:
            first = next(iter(self._contradicted.values()))
            yield warning(
                "ids",
                f"{len(self._contradicted)} ids come again with other features, such as {first}: each such "
                "sample gets an id of its own, ID#VERSION, which its label must name; set input.id to what "
                "is new for every sample",
            )
        elif again := sum(number > 1 for number in self._repeated.values()):
            yield note("ids", f"{again} ids come again with equal features; each is learned once")

    def _times(self, now_ms: int) -> Iterator[Finding]:
        if not self.times:
            return
        if max(self.times) > now_ms + AHEAD_MS:
            ahead = sum(time > now_ms + AHEAD_MS for time in self.times)
            yield warning(
                "times",
                f"{ahead} of {len(self.times)} records are stamped in the future, up to "
                f"{iso(max(self.times))}: "
                "correct the clocks of the senders or of this machine, or set message.timestamp.type of the "
                "topic to LogAppendTime, since budgets per hour follow these stamps",
            )
        if 0 < max(self.times) < now_ms - OLD_MS or (self.times and max(self.times) <= 0):
            yield warning(
                "times",
                f"the newest of these records is stamped {iso(max(self.times))}, more than a year ago: "
                "check the clocks of the senders, unless the stream is a recording",
            )


def _envelope(record: Mapping[str, Any]) -> list[str]:
    """What kind of envelope a record is, and what to do about it; nothing if it is none."""
    inner = record.get("payload") if "schema" in record else record
    if isinstance(inner, dict) and inner.keys() >= {"before", "after", "op"}:
        path = "payload.after" if inner is not record else "after"
        return [f"change events (Debezium): set input.features to {path}, and input.id to a path below it"]
    if isinstance(inner, dict) and inner is not record:
        return ["wrapped with their schema: set input.features to payload, and input.id to a path below it"]
    return []


def _bytes_look_like(value: bytes | None) -> str:
    """What to do about bytes that are no JSON, if one can tell."""
    if not value:
        return ""
    if value[0] == 0 and len(value) > 5:
        return "they begin as those of a schema registry do (Avro, Protobuf): let the sender write JSON"
    if value[:2] == b"\x1f\x8b":
        return (
            "they are compressed with gzip by the sender: let it compress batches (compression.type) instead"
        )
    if value[:4] == b"Obj\x01":
        return "they are Avro files: let the sender write JSON"
    return ""
