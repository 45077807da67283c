"""Turns: long work on an event loop that others share.

While a batch is worked on, nothing else on the loop gets on: no heartbeat, no answer to an HTTP request, no
label. Small batches would help, and each costs a fetch, a commit and what else there is of a batch, whatever
its size. So batches may be large, and are worked on in *stretches*, each as long as fits a turn; after a turn
the others have theirs.

What a record takes is measured, in time of the processor: waiting is no work, be it for the broker or for a
processor that others use. Were it counted, stretches would shrink when time is short, and small ones take
more of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from stream_al.service.timing.clock import Clock

__all__ = ["TimeSlices"]

T = TypeVar("T")


class TimeSlices:
    """Cuts work into stretches.

    Args:
        clock: Measures the work.

    Attributes:
        each: Seconds of work that a record takes, as measured last; 0 before the first.
    """

    def __init__(self, clock: Clock) -> None:
        self.each = 0.0
        self._clock, self._pace = clock, clock.pace
        self._chunk = clock.pace.first_slice
        self._worked = self._since = 0.0
        self._records = 0

    def cut(self, records: Sequence[T]) -> Iterator[Sequence[T]]:
        """The records in stretches."""
        begin = 0
        while begin < len(records):
            chunk = records[begin : begin + self._chunk]
            self._records += len(chunk)
            begin += len(chunk)
            yield chunk

    @contextmanager
    def working(self) -> Iterator[None]:
        """What is done within is work."""
        began = self._clock.thread_time()
        yield
        taken = self._clock.thread_time() - began
        self._worked += taken
        self._since += taken

    async def over(self) -> None:
        """After a stretch: give way, if the turn is over."""
        if self._since > self._pace.slice_seconds / 2:
            self._since = 0.0
            for _ in range(self._pace.slice_rounds):
                await asyncio.sleep(0)

    def fit(self) -> None:
        """After a batch: size stretches by what its records took."""
        if self._worked > 0.0:
            self.each = self._worked / self._records
            self._chunk = max(1, min(int(self._pace.slice_seconds / self.each), 2 * self._chunk))
        self._worked, self._records = 0.0, 0
