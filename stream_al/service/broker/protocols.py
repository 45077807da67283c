"""The log as the loops see it: a handful of verbs that Kafka has and a list in memory can have too.

The loops are written against these protocols and nothing else, so that one suite of tests runs them
on an in-memory log, where every crash can be placed, and on real Kafka. `service.broker.kafka` is the only
module that knows aiokafka.

Two failures cross this border, as types. `Unavailable`: the broker did not answer in time; what was
asked may or may not have happened. `Superseded`: the partition belongs to another replica now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

__all__ = ["Ack", "Broker", "Group", "Outgoing", "Position", "Reader", "Record", "Topic", "is_behind"]

Headers = tuple[tuple[str, bytes], ...]


class Record(msgspec.Struct, frozen=True, gc=False):
    """One record as it was read."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()

    @property
    def next_offset(self) -> int:
        """The offset at which reading continues after this record; Kafka commits this one."""
        return self.offset + 1


class Outgoing(msgspec.Struct, frozen=True, gc=False):
    """One record to send.

    Attributes:
        replacement: Makes the record to send if the broker refuses this one because of its size.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    replacement: Callable[[], Outgoing] | None = None


class Ack(msgspec.Struct, frozen=True, gc=False):
    """Where the broker put a record, and the time it gave it.

    Attributes:
        replaced: Whether the broker has the record's replacement.
    """

    partition: int
    offset: int
    timestamp_ms: int
    replaced: bool = False


@dataclass(frozen=True, slots=True)
class Position:
    """What a group has committed for a partition: the next offset to read, and the state up to it."""

    offset: int
    metadata: str = ""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic to create."""

    name: str
    partitions: int
    replication_factor: int
    config: Mapping[str, str]


class Group(Protocol):
    """Membership in a consumer group on one topic."""

    topic: str
    generation: int
    """Rises whenever partitions may have come or gone; what was read in an earlier one is stale."""

    async def start(self) -> None:
        """Join the group."""

    async def stop(self, deadline_seconds: float) -> None:
        """Leave the group; give up quietly after the deadline."""

    def partition_count(self) -> int:
        """How many partitions the topic has, as far as is known; 1 at least."""

    def assignment(self) -> frozenset[int]:
        """The partitions held now."""

    async def poll(self, max_records: int, timeout_seconds: float) -> dict[int, list[Record]]:
        """At most `max_records` records by partition, in order; empty when none came in time."""

    async def committed(self, partition: int) -> Position | None:
        """What the group has committed last, by whichever member."""

    async def has_no_commits(self) -> bool:
        """Whether nothing was ever committed for any partition, or the broker has forgotten it."""

    async def commit(self, positions: Mapping[int, Position]) -> None:
        """Commit offsets and states in one write. Raises Superseded or Unavailable."""

    def seek(self, partition: int, offset: int) -> None:
        """Read on from an offset."""

    def pause(self, partitions: Iterable[int]) -> None:
        """Stop reading partitions without giving them up."""

    def resume(self, partitions: Iterable[int]) -> None:
        """Read paused partitions again."""

    async def end_offsets(self) -> dict[int, int]:
        """One past the last offset of every partition of the topic, held or not."""

    async def has_uncommitted(self, end_offsets: Mapping[int, int]) -> bool:
        """Whether the log still holds a record before these offsets that no member has committed past."""

    async def lag(self) -> dict[int, int]:
        """Records not yet read, by partition held."""


class Reader(Protocol):
    """One reader of a whole topic, outside any group."""

    topic: str

    async def start(self) -> None:
        """Begin at the first record of every partition."""

    async def stop(self, deadline_seconds: float) -> None:
        """Stop; give up quietly after the deadline."""

    async def poll(self, max_records: int, timeout_seconds: float) -> list[Record]:
        """The next records, in order within a partition; empty when none came in time."""

    async def beginning_offsets(self) -> dict[int, int]:
        """The first offset that the log still holds, by partition."""

    async def end_offsets(self) -> dict[int, int]:
        """One past the last offset, by partition."""

    async def positions(self) -> dict[int, int]:
        """The next offset to read, by partition."""

    async def seek(self, partition: int, offset: int) -> None:
        """Read on from an offset."""


async def is_behind(reader: Reader, end: Mapping[int, int]) -> bool:
    """Whether a reader has not come to an end that was seen before."""
    position = await reader.positions()
    return any(position.get(partition, 0) < offset for partition, offset in end.items())


class Broker(Protocol):
    """A broker."""

    async def start(self) -> None:
        """Connect; waits for a broker that is away. Raises Unavailable at its deadline."""

    async def stop(self, deadline_seconds: float) -> None:
        """Disconnect; give up quietly after the deadline."""

    def group(self, name: str, topic: str, start: str) -> Group:
        """A member of a group, not joined yet; `start` (earliest or latest) is where a new group begins."""

    def reader(self, topic: str, *, expiring: bool = False) -> Reader:
        """A reader, not started yet; `expiring` topics forget old records as a matter of course."""

    async def send(self, records: Sequence[Outgoing]) -> list[Ack]:
        """Send records and wait until the broker has every one. Raises Unavailable."""

    async def reset_offsets(self, group: str, topic: str, to: str) -> dict[int, int]:
        """Let a group without members go on at the `earliest` or `latest` record; the offsets."""

    async def missing_topics(self, topics: Iterable[str]) -> list[str]:
        """Those of the topics that do not exist."""

    async def create_topics(self, topics: Sequence[Topic]) -> list[str]:
        """Create what does not exist yet; the names created."""
