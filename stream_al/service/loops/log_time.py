"""The log's time, as far as this replica has read: the time by which queries expire and hours are counted.

A timestamp on a record was made by the broker (`LogAppendTime`, as on every topic that this service creates)
or by the producer (`CreateTime`, as on most topics that exist already). The broker's is the log's time. A
producer's counts only if it is credible (`engine.labels.expiry.credible`), and that takes the broker's time:

    asked     at the start, one record is sent to the topic `control`, and the acknowledgement says when
    passed    from then on the broker's time passes as the monotonic clock of this process does
    told      a later timestamp of the broker, on any record or acknowledgement, corrects it

So no wall clock is read. Only if the broker does not stamp the records of `control` either, its
acknowledgement says what the wall clock of this machine said, and that stands for the broker's time.
"""

from __future__ import annotations

from stream_al.engine.labels.expiry import credible
from stream_al.service.broker.protocols import Ack, Record
from stream_al.service.telemetry.problems import Kind, Problems
from stream_al.service.timing.clock import Clock
from stream_al.settings import LimitSettings

__all__ = ["LogTime"]


class LogTime:
    """The time that the log has reached.

    Args:
        limits: How far ahead of the broker's time a producer's timestamp may lie.
        clock: Measures how time passes.
        problems: Where timestamps that do not count are reported; None reports them nowhere.

    Attributes:
        now_ms: The latest time that counted, in milliseconds.
    """

    def __init__(self, limits: LimitSettings, clock: Clock, problems: Problems | None = None) -> None:
        self.now_ms = 0
        self._ahead_ms = int(limits.ahead_seconds * 1000)
        self._clock = clock
        self._problems = problems
        self._broker_ms = 0
        self._told_at = clock.monotonic()

    @property
    def broker_ms(self) -> int:
        """The broker's time, in milliseconds: no earlier than it is, unless the broker was never asked."""
        return self._broker_ms + int((self._clock.monotonic() - self._told_at) * 1000)

    def begin(self, ack: Ack) -> None:
        """Take in the acknowledgement by which the broker was asked for its time."""
        self._broker_ms, self._told_at = ack.timestamp_ms, self._clock.monotonic()
        if ack.by_broker:
            self.move(ack.timestamp_ms)

    def told(self, broker_ms: int) -> None:
        """Take in a timestamp that the broker has made."""
        if broker_ms > self.broker_ms:
            self._broker_ms, self._told_at = broker_ms, self._clock.monotonic()
        self.move(broker_ms)

    def move(self, timestamp_ms: int) -> None:
        """Move the log's time forward."""
        self.now_ms = max(self.now_ms, timestamp_ms)

    def see(self, record: Record) -> int:
        """Take in the timestamp of a record; return the time that counts for it, in milliseconds."""
        if record.timestamp_ms <= self.now_ms:  # nearly all: records of one batch have one time of the broker
            return record.timestamp_ms
        if record.by_broker:
            self.told(record.timestamp_ms)
            return record.timestamp_ms
        counts = credible(record.timestamp_ms, self.broker_ms, self._ahead_ms)
        if counts != record.timestamp_ms:
            self._report(record)
        self.move(counts)
        return counts

    def see_ack(self, ack: Ack) -> None:
        """Take in the timestamp of a record that was sent."""
        (self.told if ack.by_broker else self.move)(ack.timestamp_ms)

    def _report(self, record: Record) -> None:
        if self._problems is not None:
            ahead = (record.timestamp_ms - self.broker_ms) // 1000
            self._problems.report(
                Kind.CLOCK,
                "timestamp_ahead",
                f"the record {record.topic}-{record.partition} at {record.offset} is stamped {ahead} s ahead "
                "of the broker's time, which counts in its place: let the producer write milliseconds since "
                "1970, or raise limits.ahead_seconds",
            )
