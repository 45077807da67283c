"""aiokafka's records and errors, as the types of this project."""

from __future__ import annotations

from aiokafka.errors import OffsetOutOfRangeError
from aiokafka.structs import ConsumerRecord

from stream_al.errors import StateLost
from stream_al.service.broker.protocols import Record

__all__ = ["error_text", "offset_lost", "to_record"]


LOG_APPEND_TIME = 1


def to_record(record: ConsumerRecord) -> Record:
    """A record of aiokafka as a `Record`."""
    return Record(
        record.topic,
        record.partition,
        record.offset,
        max(0, record.timestamp or 0),
        record.key,
        record.value,
        record.headers or (),
        record.timestamp_type == LOG_APPEND_TIME,
    )


def offset_lost(error: OffsetOutOfRangeError, remedy: str) -> StateLost:
    """The error for an offset that the topic does not hold; `remedy` says what the user can do."""
    where = ", ".join(f"{tp.topic}-{tp.partition} at {offset}" for tp, offset in error.args[0].items())
    return StateLost(
        f"the topic no longer holds the next record to read ({where}): either the record was deleted before "
        f"it was read, or the topic was created again; {remedy}"
    )


def error_text(error: BaseException) -> str:
    """The text of an error, or the name of its class if it has no text."""
    return str(error) or type(error).__name__
