"""Following a topic: every replica reads all of it, and continues to read.

A loop reads the topic all the time. Other tasks sometimes have to catch up: to wait until everything is
applied that the topic holds now. Both use one reader, by these rules:

1. One task reads at a time, so that records are applied in their order.
2. Catching up ends when the records are applied. That the reader has passed them is not enough: another task
   may hold records that it has not applied yet.
3. A topic may end in a gap, which holds no record to apply. Then the position of the reader decides, while no
   task holds any record.
4. A deadline may cancel a task while it holds records. Those that it has not applied are read again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from stream_al.service.broker.protocols import Reader, Record
from stream_al.service.broker.readers import is_behind, read_again
from stream_al.service.timing.clock import Clock
from stream_al.service.timing.time_slices import TimeSlices

__all__ = ["Follower"]


class Follower:
    """Reads a topic, and applies its records.

    Args:
        reader: Reads the topic.
        max_records: Most records to read at once.
        apply: Called with every record, in order.
        clock: Measures the work.
    """

    def __init__(
        self, reader: Reader, max_records: int, apply: Callable[[Record], None], clock: Clock
    ) -> None:
        self.reader = reader
        self._max_records = max_records
        self._apply = apply
        self._applied: dict[int, int] = {}
        self._time_slices = TimeSlices(clock)
        self._one_reader = asyncio.Lock()

    async def catch_up(self) -> None:
        """Apply all records up to what is the end of the topic now."""
        end = await self.reader.end_offsets()
        while any(self._applied.get(partition, 0) < offset for partition, offset in end.items()):
            async with self._one_reader:
                if not await is_behind(self.reader, end):
                    return
            await self.step(0.1)

    async def step(self, timeout_seconds: float) -> int:
        """Read and apply one batch of records; return their number."""
        async with self._one_reader:
            records = await self.reader.poll(self._max_records, timeout_seconds)
            try:
                async for record in self._time_slices.one_by_one(records):
                    self._apply(record)
                    self._applied[record.partition] = record.next_offset
            except BaseException:
                left = [one for one in records if one.offset >= self._applied.get(one.partition, 0)]
                await read_again(self.reader, left)
                raise
        return len(records)
