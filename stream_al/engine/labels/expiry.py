"""Expiry: when the life of a query is over, and when it may be closed for that.

*A deadline is a matter of log time.* The deadline of a query is the timestamp that the log gave it plus its
life. Time passes as the timestamps of the log's records pass. No local clock is read, so all replicas agree,
and a replay agrees with them.

*A label that came in time must never find its query closed*, however late it is read. After an outage, labels
wait in their topic while samples already carry later timestamps. So a query is closed by the time up to which
all labels are judged, and never by the latest timestamp seen. `JudgedTime` finds that time in two steps:

    mark    note the latest timestamp of the log, and then the end of every partition of the labels
    later   when every label before those ends is committed, by whichever replica, all labels up to the
            marked time are judged: a label behind the ends came after the mark, hence after every
            deadline before it

*A producer's timestamp is believed within bounds.* On a topic whose timestamps the producers make, one of
them may write microseconds for milliseconds, and such a timestamp would end the life of every query. One that
lies further ahead of the broker's time than the settings allow is wrong (`credible`). One that lies behind
does no harm, since time does not go back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["JudgedTime", "Mark", "credible", "expires"]


def credible(timestamp_ms: int, broker_ms: int, ahead_ms: int) -> int:
    """The time that a producer's timestamp counts as: itself, or the broker's if it lies too far ahead.

    Args:
        timestamp_ms: The producer's timestamp, in milliseconds.
        broker_ms: The broker's time when the record is read, in milliseconds.
        ahead_ms: How far ahead of it the timestamp may lie.

    >>> credible(5_000, 4_500, 600), credible(4_000, 4_500, 600), credible(5_000_000, 4_500, 600)
    (5000, 4000, 4500)
    """
    return timestamp_ms if timestamp_ms <= broker_ms + ahead_ms else broker_ms


def expires(queried_ms: int, life_ms: int, now_ms: int) -> bool:
    """Whether the life of a query is over; it includes its last millisecond.

    Args:
        queried_ms: The timestamp that the log gave the query, in milliseconds.
        life_ms: How long it may wait, in milliseconds.
        now_ms: Log time, in milliseconds.

    >>> expires(1_000, 500, 1_500), expires(1_000, 500, 1_501)
    (False, True)
    """
    return now_ms > queried_ms + life_ms


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment of the log.

    Attributes:
        at_ms: The latest timestamp of any record seen then, in milliseconds.
        ends: Partition of the labels to one past its last offset, read after `at_ms` was noted.
    """

    at_ms: int
    ends: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class JudgedTime:
    """The log time up to which all labels are judged.

    Attributes:
        judged_ms: That time, in milliseconds; 0 before anything is known. It never goes back.
        mark: The moment that will be next; None if no moment is marked.

    >>> time = JudgedTime().with_mark(Mark(9_000, {0: 7}))
    >>> time.checked(unread=True).judged_ms, time.checked(unread=False).judged_ms
    (0, 9000)
    """

    judged_ms: int = 0
    mark: Mark | None = None

    def with_mark(self, mark: Mark) -> JudgedTime:
        """The state with a moment marked.

        Raises:
            ValueError: Another moment is marked, and it would be lost.
        """
        if self.mark is not None:
            raise ValueError("a moment is marked already; check it before the next one is marked")
        return JudgedTime(self.judged_ms, mark)

    def checked(self, *, unread: bool) -> JudgedTime:
        """The state once it is known whether labels before the mark are still unread.

        Args:
            unread: Whether a label before the ends of the mark is not committed yet.
        """
        if self.mark is None or unread:
            return self
        return JudgedTime(max(self.judged_ms, self.mark.at_ms))
