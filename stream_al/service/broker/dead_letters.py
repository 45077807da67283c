"""Dead letters: the records that cannot be used, kept on a topic of their own.

The topic `<topic>.dlq` gets the key, the value and the headers of such a record unchanged. Headers of our
own are added: they say where the record came from and what is wrong with it. So the record can be sent onto
its topic again as it was.
"""

from __future__ import annotations

from stream_al.errors import BadMessage
from stream_al.service.broker.protocols import Headers, Outgoing, Record
from stream_al.service.telemetry.problems import Kind, Problems

__all__ = ["HEADER_PREFIX", "MAX_MESSAGE_CHARACTERS", "dead_letter", "origin", "report_dead_letter"]

HEADER_PREFIX = "stream_al.errors."
MAX_MESSAGE_CHARACTERS = 500


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


def _headers(facts: dict[str, str]) -> Headers:
    return tuple((HEADER_PREFIX + name, text.encode("utf-8", "replace")) for name, text in facts.items())
