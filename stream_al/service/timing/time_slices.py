"""Time slices: long work on an event loop that other tasks share.

While a batch is worked on, no other task on the loop runs: no heartbeat, no HTTP request, no label. Small
batches would help, but each batch costs a fetch and a commit, whatever its size. So batches may be large, and
work on them is done in *chunks*. Each chunk takes about one time slice, and other tasks run between two
slices.

The work of a record is measured in processor time. Waiting is no work, be it for the broker or for a
processor that other processes use. If waiting were counted, chunks would shrink when time is short, and small
chunks take more time.

The size of a chunk follows what records took before. Those to come may be a thousand times larger, so a chunk
also has at most `chunk_bytes` of records, and one record at least.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate, takewhile
from typing import TypeVar

from stream_al.service.timing.clock import Clock

__all__ = ["TimeSlices"]

T = TypeVar("T")

GROUP_RECORDS = 32  # of which the work is measured at once, where their sizes are known
GROUP_BYTES = 32_768


class TimeSlices:
    """Cuts work into chunks.

    Args:
        clock: Measures the work.

    Attributes:
        each: Seconds of work for one record, as measured last; 0 before the first measurement.
    """

    def __init__(self, clock: Clock) -> None:
        self.each = 0.0
        self._clock, self._pace = clock, clock.pace
        self._chunk = clock.pace.first_chunk_records
        self._worked = self._since = 0.0
        self._records = 0

    @property
    def worked(self) -> float:
        """Seconds of work since the last `fit`."""
        return self._worked

    def cut(self, records: Sequence[T], size: Callable[[T], int] = lambda record: 0) -> Iterator[Sequence[T]]:
        """The records in chunks.

        Args:
            records: The records.
            size: The bytes of one, where they are to be bounded.
        """
        begin = 0
        while begin < len(records):
            chunk = records[begin : begin + self._chunk]
            within = takewhile(lambda total: total <= self._pace.chunk_bytes, accumulate(map(size, chunk)))
            chunk = chunk[: max(1, sum(1 for _ in within))]
            self._records += len(chunk)
            begin += len(chunk)
            yield chunk

    async def one_by_one(
        self, records: Iterable[T], size: Callable[[T], int] | None = None
    ) -> AsyncIterator[T]:
        """The records one by one, for work of which a single record may take long.

        Other tasks run between two records whenever the time slice is over, so the loop is held for a slice
        or for one record, whichever is longer.

        Args:
            records: The records.
            size: The bytes of one, which bound the work on it. Then the clock is read once for a group of
                records, which are small together: to read it for each takes longer than a small record.
        """
        began, number, total = self._clock.thread_time(), 0, 0
        for record in records:
            more = 0 if size is None else size(record)
            if number and (size is None or number >= GROUP_RECORDS or total + more > GROUP_BYTES):
                await self._group(began, number)
                began, number, total = self._clock.thread_time(), 0, 0
            yield record
            number, total = number + 1, total + more
        await self._group(began, number)

    async def _group(self, began: float, records: int) -> None:
        taken = self._clock.thread_time() - began
        self._worked += taken
        self._since += taken
        self._records += records
        await self.over()

    async def in_steps(self, steps: Generator[None, None, T]) -> T:
        """The result of work that yields before each of its steps, any of which may take long."""
        while True:
            with self.working():
                try:
                    next(steps)
                except StopIteration as end:
                    found: T = end.value
                    break
            await self.over()
        await self.over()
        return found

    @contextmanager
    def working(self) -> Iterator[None]:
        """Measure the block as work."""
        began = self._clock.thread_time()
        yield
        taken = self._clock.thread_time() - began
        self._worked += taken
        self._since += taken

    async def over(self) -> None:
        """A chunk is done: let other tasks run if the time slice is over."""
        if self._since > self._pace.slice_seconds / 2:
            self._since = 0.0
            for _ in range(self._pace.slice_rounds):
                await asyncio.sleep(0)

    def fit(self) -> None:
        """A batch is done: size the next chunks by what its records took."""
        if self._worked > 0.0:
            self.each = self._worked / self._records
            self._chunk = max(1, min(int(self._pace.slice_seconds / self.each), 2 * self._chunk))
        self._worked, self._records = 0.0, 0
