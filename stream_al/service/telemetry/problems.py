"""Problems: what costs a label or loses a sample, so that nothing of the kind is silent.

Every part of the service reports a problem here, and here it becomes visible in three places:

    log      one line for the first of a kind and reason, then at most one a minute, with the number since
    status   a row for each kind and reason: how often, when last, and the newest example
    metric   `stream_al_problems_total`, by kind and reason

An alert on the metric is the fourth place (`deploy/prometheus`).

A reason is a short, stable name in snake_case, as of a `BadMessage`. Texts of records, ids and classes are no
reasons, since their number has no bound: they belong into the message. The table has a bound all the same,
and everything beyond it is counted in one row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import structlog

from stream_al.service.telemetry.metrics import Metrics
from stream_al.service.timing.clock import Clock

__all__ = ["Kind", "Problem", "Problems"]

log = structlog.get_logger(__name__)

LOG_SECONDS = 60.0  # between two lines about one kind and reason
MOST_ROWS = 100
MOST_CHARACTERS = 300  # of a message and of an id, in the table and in the log
OTHERS = "others"


class Kind(StrEnum):
    """What was lost, or may be."""

    LABEL_REFUSED = "label_refused"
    """A label that was paid for is not learned: the model cannot, or it came too late, or contradicts."""
    NO_OPINION = "no_opinion"
    """The model fails on a sample: it is decided about without an opinion of the model."""
    DEAD_LETTER = "dead_letter"
    """A record that cannot be used was put among the dead letters."""
    SKIPPED = "skipped"
    """A record that is no sample, or no label, was passed over: a tombstone, for instance."""
    CLOCK = "clock"
    """The time of a record cannot be true, and another one was taken."""
    LOOKALIKE_CLASS = "lookalike_class"
    """A class looks like another one, so that one class may be learned as two."""
    REQUEST = "request"
    """A label that a person has asked for by hand will not be asked for."""
    IDENTITY = "identity"
    """An id names different samples."""


@dataclass(slots=True)
class Problem:
    """One kind of problem with one reason.

    Attributes:
        kind: What was lost.
        reason: Why, as a stable name.
        count: How often since the process started.
        message: What happened the last time, in one sentence.
        sample: The id of the last sample concerned; empty if there is none.
        at_ms: When it was reported last, by this machine's clock, in milliseconds since 1970.
    """

    kind: Kind
    reason: str
    count: int = 0
    message: str = ""
    sample: str = ""
    at_ms: int = 0
    logged_at: float | None = None
    logged_count: int = 0


class Problems:
    """The problems of one process.

    Args:
        metrics: Where they are counted.
        clock: Says when a problem occurred, and when a line may follow another.
    """

    def __init__(self, metrics: Metrics, clock: Clock) -> None:
        self._metrics = metrics
        self._clock = clock
        self._rows: dict[tuple[Kind, str], Problem] = {}

    def __iter__(self) -> Iterator[Problem]:
        """The rows, the newest first."""
        return iter(sorted(self._rows.values(), key=lambda row: row.at_ms, reverse=True))

    def report(self, kind: Kind, reason: str, message: str, *, sample: str = "", count: int = 1) -> None:
        """Report a problem.

        Args:
            kind: What was lost.
            reason: Why: a name of a fixed set, in snake_case.
            message: What happened and what to do, in one sentence.
            sample: The id of the sample or label.
            count: How many at once, of which this is one.
        """
        if (kind, reason) not in self._rows and len(self._rows) >= MOST_ROWS:
            reason = OTHERS
        row = self._rows.setdefault((kind, reason), Problem(kind, reason))
        row.count += count
        row.message, row.sample = message[:MOST_CHARACTERS], sample[:MOST_CHARACTERS]
        row.at_ms = self._clock.wall_ms()
        self._metrics.problems.labels(kind.value, reason).inc(count)
        self._log(row)

    def newest(self, kind: Kind) -> str:
        """The message of the last problem of a kind; empty if there was none."""
        return next((row.message for row in self if row.kind is kind), "")

    def count(self, kind: Kind) -> int:
        """How many problems of a kind there were since the process started."""
        return sum(row.count for row in self._rows.values() if row.kind is kind)

    def describe(self) -> list[dict[str, Any]]:
        """The rows, ready for JSON, the newest first."""
        return [
            {
                "kind": row.kind.value,
                "reason": row.reason,
                "count": row.count,
                "message": row.message,
                "sample": row.sample,
                "at_ms": row.at_ms,
            }
            for row in self
        ]

    def _log(self, row: Problem) -> None:
        now = self._clock.monotonic()
        if row.logged_at is not None and now - row.logged_at < LOG_SECONDS:
            return
        log.warning(
            row.kind.value.replace("_", " "),
            reason=row.reason,
            why=row.message,
            sample=row.sample,
            times=row.count - row.logged_count,
        )
        row.logged_at, row.logged_count = now, row.count
