"""What the clients of aiokafka share: ending them, and putting its records and errors into our words."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from aiokafka.errors import KafkaError, OffsetOutOfRangeError
from aiokafka.structs import ConsumerRecord

from stream_al.errors import StateLost
from stream_al.service.broker.protocols import Record

__all__ = ["FETCH_BYTES", "end", "gap", "record_of", "sentence"]

log = structlog.get_logger(__name__)

FETCH_BYTES = 8 * 2**20  # of one partition at a time: what waits in memory is bounded


async def end(ending: Any, seconds: float) -> None:
    """Wait for something to end; whatever goes wrong then is of no more use to anyone.

    As a task of its own: aiokafka's consumer, stopped while its broker is away, lets the cancellation of
    its own tasks out, and it would pass for ours.
    """
    task = asyncio.ensure_future(ending)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())  # asked for: else it is logged
    try:
        await asyncio.wait({task}, timeout=max(0.05, seconds))
    finally:
        late = task.cancel()  # does nothing to what has ended
    error = None if late or task.cancelled() else task.exception()
    if error is not None and not isinstance(error, (TimeoutError, KafkaError, OSError)):
        raise error
    if late or task.cancelled() or error is not None:
        log.debug("left without waiting", why=sentence(error) if error else "it took too long")


def record_of(record: ConsumerRecord) -> Record:
    """A record in our words."""
    return Record(
        record.topic,
        record.partition,
        record.offset,
        max(0, record.timestamp or 0),
        record.key,
        record.value,
        tuple((name, value or b"") for name, value in record.headers) if record.headers else (),
    )


def gap(error: OffsetOutOfRangeError, remedy: str) -> StateLost:
    """What an offset outside the log means, and what to do then."""
    where = ", ".join(f"{tp.topic}-{tp.partition} at {offset}" for tp, offset in error.args[0].items())
    return StateLost(
        f"the log no longer holds what is to be read next ({where}): it was deleted before it was read, or "
        f"the topic was created anew; {remedy}"
    )


def sentence(error: BaseException) -> str:
    """What an error says, or its name if it says nothing."""
    return str(error) or type(error).__name__
