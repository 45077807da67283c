"""Dead letters: the records that cannot be used, kept on a topic of their own.

The topic `<topic>.dlq` gets the key, the value and the headers of such a record unchanged. Headers of our
own are added: they say where the record came from and what is wrong with it. So the record can be sent onto
its topic again as it was.

*Replayed.* A dead letter is never changed or deleted. What happened to it is written after it:

- The record that is sent again has the header `stream_al.replay_of`, which names the dead letter that it was
  made of. If it is refused again, its new dead letter has that header as well.
- A marker is a record without a value on the topic of the dead letters, under the key of the dead letter. It
  is sent after the record was acknowledged. Its headers name the dead letter (`stream_al.replayed.letter`)
  and the record (`stream_al.replayed.record`).

The place of a dead letter is its id, such as `payments.dlq-0@12`: topic, partition and offset.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from stream_al.errors import BadMessage
from stream_al.service.broker.protocols import Ack, Headers, Outgoing, Record
from stream_al.service.telemetry.problems import Kind, Problems

__all__ = [
    "HEADER_PREFIX",
    "MAX_MESSAGE_CHARACTERS",
    "REPLAYED_PREFIX",
    "REPLAY_OF",
    "Marker",
    "Place",
    "dead_letter",
    "marker_in",
    "marker_of",
    "origin",
    "replay_of",
    "replayed",
    "report_dead_letter",
]

HEADER_PREFIX = "stream_al.errors."
MAX_MESSAGE_CHARACTERS = 500
REPLAY_OF = "stream_al.replay_of"
REPLAYED_PREFIX = "stream_al.replayed."
LETTER, RECORD = REPLAYED_PREFIX + "letter", REPLAYED_PREFIX + "record"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a record is.

    >>> str(Place("payments.dlq", 0, 12)), Place.read("payments.dlq-0@12")
    ('payments.dlq-0@12', Place(topic='payments.dlq', partition=0, offset=12))
    """

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition}@{self.offset}"

    @classmethod
    def of(cls, record: Record) -> Place:
        """The place of a record that was read."""
        return cls(record.topic, record.partition, record.offset)

    @classmethod
    def read(cls, text: str) -> Place | None:
        """The place that a text names; None if it names none."""
        found = re.fullmatch(r"([\w.-]{1,249})-([0-9]{1,9})@([0-9]{1,19})", text, re.ASCII)
        return cls(found[1], int(found[2]), int(found[3])) if found else None


@dataclass(frozen=True, slots=True)
class Marker:
    """It says that a dead letter was replayed.

    Attributes:
        letter: The dead letter.
        record: The record that was made of it.
    """

    letter: Place
    record: Place


def dead_letter(record: Record, stage: str, error: BadMessage, suffix: str) -> Outgoing:
    """The dead letter for a record.

    The topic of the dead letters can have a smaller limit than the topic of the record. If the broker
    refuses the dead letter because of its size, it gets the dead letter without the value; a header says so,
    and the origin says where the value still is.

    Args:
        record: The record as it was read.
        stage: The loop that could not use it: `select` or `intake`.
        error: What is wrong.
        suffix: What is added to the name of the topic.
    """
    facts = {
        "topic": record.topic,
        "partition": str(record.partition),
        "offset": str(record.offset),
        "stage": stage,
        "exception": error.reason,
        "message": str(error)[:MAX_MESSAGE_CHARACTERS],
    }
    topic, headers = record.topic + suffix, record.headers + _headers(facts)

    def without_value() -> Outgoing:
        left_out = f"left out: {len(record.value or b'')} bytes were too large for this topic"
        return Outgoing(topic, record.key, None, headers + _headers({"value": left_out}))

    return Outgoing(topic, record.key, record.value, headers, without_value)


def report_dead_letter(problems: Problems, record: Record, error: BadMessage) -> None:
    """Report that the broker has the dead letter for a record."""
    place = f"record {record.offset} of {record.topic}, partition {record.partition}"
    key = (record.key or b"").decode("utf-8", "replace")
    message = f"{place}: {error}; `stream-al dlq list` shows it"
    problems.report(Kind.DEAD_LETTER, error.reason, message, sample=key)


def origin(record: Record) -> tuple[dict[str, str], Headers]:
    """The facts in the headers of a dead letter, and the headers that the record had before."""
    facts, headers = {}, []
    for name, value in record.headers:
        if name.startswith(HEADER_PREFIX):
            facts[name.removeprefix(HEADER_PREFIX)] = (value or b"").decode("utf-8", "replace")
        else:
            headers.append((name, value))
    return facts, tuple(headers)


def replay_of(record: Record) -> Place | None:
    """The dead letter that a record was made of, or that the record of a dead letter was made of."""
    return _place(record.headers, REPLAY_OF)


def replayed(letter: Record, topic: str, value: bytes | None) -> Outgoing:
    """The record of a dead letter, to be sent onto its topic again.

    Args:
        letter: The dead letter.
        topic: The topic that its record came from.
        value: The value of the record: that of the dead letter, or another one.
    """
    _, headers = origin(letter)
    kept = tuple((name, content) for name, content in headers if name != REPLAY_OF)
    return Outgoing(topic, letter.key, value, (*kept, (REPLAY_OF, str(Place.of(letter)).encode())))


def marker_of(letter: Record, topic: str, ack: Ack) -> Outgoing:
    """The marker of a dead letter whose record has this place on its topic again."""
    places = {LETTER: Place.of(letter), RECORD: Place(topic, ack.partition, ack.offset)}
    return Outgoing(letter.topic, letter.key, None, tuple((n, str(p).encode()) for n, p in places.items()))


def marker_in(record: Record) -> Marker | None:
    """The marker that a record on a topic of dead letters is; None if it is none."""
    letter, sent = _place(record.headers, LETTER), _place(record.headers, RECORD)
    return Marker(letter, sent) if letter and sent and record.value is None else None


def _place(headers: Headers, name: str) -> Place | None:
    found = [value for header, value in headers if header == name]
    return Place.read((found[-1] or b"")[:300].decode("ascii", "replace")) if found else None


def _headers(facts: dict[str, str]) -> Headers:
    return tuple((HEADER_PREFIX + name, text.encode("utf-8", "replace")) for name, text in facts.items())
