"""A stage: what a loop does with its records.

`Consumer` runs the commit protocol and knows nothing of samples or labels. A stage knows how to read a
record, what to decide about it, and what the state of a partition is. It sends nothing and commits nothing,
so the protocol can drop what it has decided.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from stream_al.errors import BadMessage
from stream_al.service.broker.protocols import Ack, Outgoing, Record

__all__ = ["BatchDecision", "Items", "Stage", "Work"]

Items: TypeAlias = list[tuple[Record, Any]]
"""Records of one partition, each with the value that was read from it."""


@dataclass(slots=True)
class Work:
    """What a stage has decided about a batch.

    Attributes:
        sends: Records to send, in groups. A group is sent after every record of the group before it is
            acknowledged.
        applied: Called in step 5 with the acknowledgements of each group.
        lost: For each record what was lost with it, in one sentence; empty for nothing.
    """

    sends: Sequence[Sequence[Outgoing]]
    applied: Callable[[list[list[Ack]]], None]
    lost: Sequence[str] = ()


class BatchDecision(Protocol):
    """What a stage has decided about a batch so far."""

    def decide(self, partition: int, items: Items, state: Any) -> Any:
        """Decide about the next records of a partition; return its state after them. Applies nothing."""

    def work(self) -> Work:
        """All that was decided."""


class Stage(Protocol):
    """What a loop does with its records."""

    name: str

    def read(self, records: Sequence[Record]) -> Sequence[Any]:
        """The value of each record of a partition; a BadMessage for one that cannot be used or is skipped."""

    def size(self, record: Record) -> int:
        """How much work a record is, as bytes: a chunk of records has at most so many."""

    async def take_over(self) -> None:
        """Read what the last owner of a new partition has left, before any record of it is read."""

    async def prepare(self, items: Items) -> None:
        """Wait until everything is read that the decision about these records depends on."""

    def begin(self) -> BatchDecision:
        """Begin with a batch."""

    def dead_letter(self, record: Record, error: BadMessage) -> Outgoing:
        """The dead letter for a record that cannot be used."""

    def encode(self, state: Any) -> str:
        """The state of a partition, as the metadata of its commit."""

    def decode(self, partition: int, metadata: str) -> Any:
        """The state in the metadata of a commit; a fresh one if there is none."""
