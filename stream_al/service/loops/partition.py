"""A partition that a consumer reads: its state, its next offset, and its run of bad records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from stream_al.engine.poison import ConsecutiveErrors
from stream_al.errors import BadMessage, NoSample
from stream_al.service.broker.protocols import Record
from stream_al.service.loops.stage import Items

__all__ = ["PartitionState"]


@dataclass(slots=True)
class PartitionState:
    """A partition, as far as it was read.

    Attributes:
        state: The stage's state after the records before `offset`.
        offset: The next offset.
        errors: The bad records since the last good one.
        stopped: Why the partition is stopped; None while it is read.
    """

    state: Any
    offset: int
    errors: ConsecutiveErrors = field(default_factory=ConsecutiveErrors)
    stopped: str | None = None

    def take(
        self, records: Sequence[Record], values: Sequence[Any], bad_records: int
    ) -> tuple[Items, list[tuple[Record, BadMessage]]]:
        """Move past records, up to where a run of bad ones becomes too long.

        Args:
            records: The next records, at least one.
            values: The value of each, or the BadMessage that says what is wrong with it.
            bad_records: The length of a run that stops the partition.

        Returns:
            The good records, each with its value; and the others, each with its error.
        """
        good: Items = []
        bad: list[tuple[Record, BadMessage]] = []
        last, unbroken = records[-1], ConsecutiveErrors()
        for record, value in zip(records, values, strict=True):
            if isinstance(value, BadMessage):
                bad.append((record, value))
                if not isinstance(value, NoSample):  # neither a mistake nor a sign that mistakes are over
                    self.errors = self.errors.add(str(value))
                if self.errors.reached(bad_records):
                    last = record
                    break
            else:
                good.append((record, value))
                self.errors = unbroken
        self.offset = last.next_offset
        return good, bad

    def stop(self) -> str:
        """Stop it because of its bad records; return the reason."""
        self.stopped = (
            f"{self.errors.length} bad records in a row, the last one: {self.errors.last}; "
            "repair the input, then restart or POST /v1/resume"
        )
        return self.stopped

    def resume(self) -> None:
        """Read it again, and count bad records anew."""
        self.stopped, self.errors = None, ConsecutiveErrors()
