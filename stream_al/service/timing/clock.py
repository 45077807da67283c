"""The clock: where the service reads the time, and the pace of its periodic work.

`app` hands one clock to every part, so a test sets the time instead of waiting for it. Three times are
read here:

    wall time       is written into messages, for people; it may be wrong, so no rule depends on it
    monotonic time  measures waits, deadlines and standstills
    thread time     measures work: the processor time of this thread, without what it waited for

The log's time is a fourth one. The broker writes it on every record, and queries expire by it. Timers
(`asyncio.sleep`, `asyncio.timeout`) run by the event loop's own clock.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

__all__ = ["SYSTEM_CLOCK", "Clock", "Pace"]


@dataclass(frozen=True, slots=True)
class Pace:
    """Intervals and sizes that are no settings, because only tests have a reason to change them.

    Attributes:
        expiry_seconds: The time between two searches for expired queries.
        accounts_seconds: The time between two copies of the accounts.
        topics_seconds: The time between two looks at the ids of the topics.
        lag_seconds: The longest time between two measurements of the lag.
        check_seconds: How long the check of the model waits for more samples after the first ones.
        watch_seconds: The time between two points of the desk's page Watch.
        rebuild_seconds: How long an HTTP response waits for this replica's own model.
        correction_seconds: How long a rebuild of the model waits for more corrections after the first one.
        consensus_seconds: The time between two looks at what several annotators say of one sample.
        first_batch_records: The size of the first batch, when it is unknown how long a record takes.
        first_chunk_records: The size of the first chunk, likewise.
        chunk_bytes: The most bytes of a chunk of several records, whatever a record took before.
        slice_seconds: How long work may hold the event loop before other tasks run.
        slice_rounds: Rounds of the event loop between two slices. An HTTP request takes some five from its
            first byte to the last one of its response.
    """

    expiry_seconds: float = 1.0
    accounts_seconds: float = 1.0
    topics_seconds: float = 2.0
    lag_seconds: float = 5.0
    check_seconds: float = 5.0
    watch_seconds: float = 5.0
    rebuild_seconds: float = 5.0
    correction_seconds: float = 5.0
    consensus_seconds: float = 5.0
    first_batch_records: int = 100
    first_chunk_records: int = 100
    chunk_bytes: int = 100_000
    slice_seconds: float = 0.01
    slice_rounds: int = 6


class Clock:
    """The time of this machine.

    Args:
        pace: The intervals of periodic work.
    """

    def __init__(self, pace: Pace = Pace()) -> None:
        self.pace = pace

    def wall(self) -> float:
        """Wall time, in seconds since 1970."""
        return time.time()

    def wall_ms(self) -> int:
        """Wall time, in milliseconds since 1970: what messages carry."""
        return int(self.wall() * 1000)

    def monotonic(self) -> float:
        """Seconds since an unknown moment; it never goes back."""
        return time.monotonic()

    def thread_time(self) -> float:
        """Seconds for which this thread has used the processor."""
        return time.thread_time()

    def jittered(self, seconds: float) -> float:
        """A random wait between half of the seconds and all of them, so that replicas do not wait alike."""
        return seconds * random.uniform(0.5, 1.0)  # noqa: S311 - not for secrets


SYSTEM_CLOCK = Clock()
"""The clock of a process that is neither tested nor simulated."""
