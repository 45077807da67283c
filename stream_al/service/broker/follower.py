"""Following a topic: every replica reads all of it, and goes on reading.

A loop reads on, and so does whoever must have seen what is the end of the topic now. Both at once would mix
up the order, so one reads at a time. And nobody may take a topic for read whose records another one has in
hand and has not applied yet: what counts is what was applied. Only where the log has holes at its end, which
nothing can be applied of, the reader's position is asked for, while nobody has any record in hand.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from stream_al.service.broker.protocols import Reader, Record, is_behind
from stream_al.service.timing.clock import Clock
from stream_al.service.timing.time_slices import TimeSlices

__all__ = ["Follower"]


class Follower:
    """Reads a topic on and on.

    Args:
        reader: Reads the topic.
        most: How many records to read at once.
        apply: Called with every record in its order.
        clock: Measures the work.
    """

    def __init__(self, reader: Reader, most: int, apply: Callable[[Record], None], clock: Clock) -> None:
        self.reader = reader
        self._most = most
        self._apply = apply
        self._applied: dict[int, int] = {}
        self._time_slices = TimeSlices(clock)
        self._one_reader = asyncio.Lock()

    async def catch_up(self) -> None:
        """Read to what is the end of the topic now."""
        end = await self.reader.end_offsets()
        while any(self._applied.get(partition, 0) < offset for partition, offset in end.items()):
            async with self._one_reader:
                if not await is_behind(self.reader, end):
                    return
            await self.step(0.1)

    async def step(self, timeout_seconds: float) -> int:
        """Read one batch of records; their number."""
        async with self._one_reader:
            records = await self.reader.poll(self._most, timeout_seconds)
            for chunk in self._time_slices.cut(records):
                with self._time_slices.working():
                    for record in chunk:
                        self._apply(record)
                        self._applied[record.partition] = record.next_offset
                await self._time_slices.over()
            self._time_slices.fit()
        return len(records)
