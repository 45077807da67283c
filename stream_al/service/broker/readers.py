"""What everyone does with a reader: start and stop it, ask how far it is, wait for a record, read again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from stream_al.errors import Unavailable
from stream_al.service.broker.protocols import Reader, Record
from stream_al.service.timing.deadline import Deadline

__all__ = ["is_behind", "next_record", "read_again", "started"]

STOP_SECONDS = 2.0


@asynccontextmanager
async def started(reader: Reader) -> AsyncIterator[Reader]:
    """A reader that runs. It is stopped at the end, also if only a part of its start was done."""
    try:
        await reader.start()
        yield reader
    finally:
        await reader.stop(STOP_SECONDS)


async def is_behind(reader: Reader, end_offsets: Mapping[int, int]) -> bool:
    """Whether a reader has not reached these offsets yet."""
    positions = await reader.positions()
    return any(positions.get(partition, 0) < offset for partition, offset in end_offsets.items())


async def next_record(reader: Reader, deadline: Deadline, what: str) -> Record:
    """The next record of a reader.

    Raises:
        Unavailable: None came by the deadline. The error says that reading `what` took too long.
    """
    while not (records := await reader.poll(1, 1.0)):
        if not deadline.left:
            raise Unavailable(f"reading {what} took too long: try again")
    return records[0]


async def read_again(reader: Reader, records: Sequence[Record]) -> None:
    """Let a reader bring records again: whoever has read them was cancelled before they were applied."""
    for partition, offset in {one.partition: one.offset for one in reversed(records)}.items():
        await reader.seek(partition, offset)
