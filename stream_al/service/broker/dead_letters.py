"""Dead letters: where a record goes that cannot be used.

`<topic>.dlq` gets the original key, value and headers untouched and, in headers of our own, where the
record came from and what was wrong with it. It can therefore be replayed onto its topic as it was.
"""

from __future__ import annotations

from stream_al.errors import BadMessage
from stream_al.service.broker.protocols import Headers, Outgoing, Record

__all__ = ["HEADER_PREFIX", "dead_letter", "origin"]

HEADER_PREFIX = "stream_al.errors."
MAX_MESSAGE_CHARACTERS = 500


def dead_letter(record: Record, stage: str, error: BadMessage, suffix: str) -> Outgoing:
    """The dead letter for a record.

    A broker may refuse the value's size, since the dead letters' topic can have a smaller limit than
    the record's own; then the letter goes without it, and says so: the origin still finds it.

    Args:
        record: As it was read.
        stage: Which loop could not use it: `select` or `intake`.
        error: What is wrong.
        suffix: What the topic's name is followed by.
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


def origin(record: Record) -> tuple[dict[str, str], Headers]:
    """Our facts about a dead letter, and the headers that the record had before."""
    facts, headers = {}, []
    for name, value in record.headers:
        if name.startswith(HEADER_PREFIX):
            facts[name.removeprefix(HEADER_PREFIX)] = value.decode("utf-8", "replace")
        else:
            headers.append((name, value))
    return facts, tuple(headers)


def _headers(facts: dict[str, str]) -> Headers:
    return tuple((HEADER_PREFIX + name, text.encode("utf-8", "replace")) for name, text in facts.items())
