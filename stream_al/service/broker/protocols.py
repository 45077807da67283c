"""The broker as the loops see it: a few methods that Kafka has, and that a broker in memory can have too.

The loops depend on these protocols and on no client library. So the same tests run them on a broker in
memory, where a crash can be placed at any step, and on Kafka. Only `service.broker.kafka` imports aiokafka.

*How far a reader has come is its position*: the offset that it will ask for next. It is never computed from a
record, because the end of a partition may hold none: the markers that end transactions take offsets, and so
do the records of a transaction that was aborted, and those that compaction has removed. So positions are
compared with ends, positions are committed, and a reader whose position is the end has read everything.
Records of a transaction that is not committed never happened; those of an open one have not happened yet.

Two errors tell the loops what went wrong. `Unavailable`: the broker did not respond in time, and the call
may or may not have had its effect. `Superseded`: another replica holds the partition now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

__all__ = [
    "Ack",
    "Broker",
    "Group",
    "Headers",
    "Outgoing",
    "Position",
    "Reader",
    "Record",
    "Topic",
]

Headers = tuple[tuple[str, bytes | None], ...]


class Record(msgspec.Struct, frozen=True, gc=False):
    """A record that was read.

    Attributes:
        by_broker: Whether the broker made its timestamp; else the producer did.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    by_broker: bool = True

    @property
    def next_offset(self) -> int:
        """The offset at which reading continues after this record, at the latest."""
        return self.offset + 1


class Outgoing(msgspec.Struct, frozen=True):
    """A record to send.

    The garbage collector visits it, other than the records that were read: a replacement may hold whatever
    makes it, which in turn may hold this record. Such a circle would never be freed.

    Attributes:
        replacement: Makes the record to send instead if the broker refuses this one because of its size.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    replacement: Callable[[], Outgoing] | None = None


class Ack(msgspec.Struct, frozen=True, gc=False):
    """The place and the time that the broker has given to a record.

    Attributes:
        replaced: Whether the broker has the replacement and not the record itself.
        by_broker: Whether the broker made the timestamp; else this machine did.
    """

    partition: int
    offset: int
    timestamp_ms: int
    replaced: bool = False
    by_broker: bool = True


@dataclass(frozen=True, slots=True)
class Position:
    """What a group has committed for a partition.

    Attributes:
        offset: The next offset to read.
        metadata: The state after the records before it.
    """

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
    """Rises when the assignment may have changed; a record read in an earlier generation is stale."""

    async def start(self) -> None:
        """Join the group."""

    async def stop(self, deadline_seconds: float) -> None:
        """Leave the group; give up quietly after the deadline."""

    def partition_count(self) -> int:
        """The number of partitions of the topic, as far as this client knows; 1 at least."""

    def assignment(self) -> frozenset[int]:
        """The partitions that this member holds now."""

    async def poll(self, max_records: int, timeout_seconds: float) -> dict[int, list[Record]]:
        """At most `max_records` records by partition, in order; empty if none came in time."""

    async def committed(self, partition: int) -> Position | None:
        """The last position that any member has committed; None if there is no commit."""

    async def has_no_commits(self) -> bool:
        """Whether no partition has a commit: nothing was ever committed, or the commits have expired."""

    async def commit(self, positions: Mapping[int, Position]) -> None:
        """Commit offsets and states in one write. Raises Superseded or Unavailable."""

    def seek(self, partition: int, offset: int) -> None:
        """Continue at an offset; a partition that is no longer held is ignored."""

    def pause(self, partitions: Iterable[int]) -> None:
        """Stop reading partitions, but keep them."""

    def resume(self, partitions: Iterable[int]) -> None:
        """Read paused partitions again."""

    def positions(self) -> dict[int, int]:
        """The next offset to read, for each partition held whose position is known."""

    async def end_offsets(self) -> dict[int, int]:
        """One past the last offset of every partition of the topic, held or not.

        Records of open transactions count: they may be committed yet, with the timestamps that they have.
        """

    async def has_uncommitted(self, end_offsets: Mapping[int, int]) -> bool:
        """Whether the group has not committed all that the topic holds before these offsets."""

    async def backlog(self) -> dict[int, int]:
        """The committed offset of each partition that others should read, and in which records wait; or 0."""

    async def lag(self) -> dict[int, int]:
        """The number of offsets that can be read and were not, for each partition held."""


class Reader(Protocol):
    """A reader of a whole topic, outside any group."""

    topic: str

    async def start(self) -> None:
        """Begin at the first record of every partition."""

    async def stop(self, deadline_seconds: float) -> None:
        """Stop; give up quietly after the deadline."""

    async def poll(self, max_records: int, timeout_seconds: float) -> list[Record]:
        """The next records, in order within a partition; empty if none came in time."""

    async def beginning_offsets(self) -> dict[int, int]:
        """The first offset that the topic still holds, by partition."""

    async def end_offsets(self) -> dict[int, int]:
        """One past the last offset, by partition."""

    async def positions(self) -> dict[int, int]:
        """The next offset to read, by partition."""

    async def seek(self, partition: int, offset: int) -> None:
        """Continue at an offset."""


class Broker(Protocol):
    """A client of a broker."""

    async def start(self) -> None:
        """Connect; wait for a broker that is away. Raises Unavailable at the deadline."""

    async def stop(self, deadline_seconds: float) -> None:
        """Disconnect, with all groups and readers; give up quietly after the deadline."""

    def group(self, name: str, topic: str, start: str) -> Group:
        """A member of a group, not joined yet; a new group begins at `start`: `earliest` or `latest`."""

    def reader(self, topic: str, *, expiring: bool = False) -> Reader:
        """A reader, not started yet; it may skip what was deleted before it was read if `expiring`."""

    async def send(self, records: Sequence[Outgoing]) -> list[Ack]:
        """Send records and wait until the broker has every one. Raises Unavailable."""

    async def reset_offsets(self, group: str, topic: str, to: str) -> dict[int, int]:
        """Let a group without members continue at the `earliest` or `latest` record; return the offsets."""

    async def keep_positions(self, group: str, topic: str, positions: Mapping[int, Position]) -> None:
        """Commit for a group that has no members. Raises Unavailable."""

    async def kept_positions(self, group: str, topic: str, partitions: Iterable[int]) -> dict[int, Position]:
        """What was committed for a group, without the partitions that have no commit."""

    async def topic_ids(self, topics: Sequence[str]) -> dict[str, str]:
        """The id of each topic that exists, which a topic created anew does not share; none if unknown."""

    async def missing_topics(self, topics: Iterable[str]) -> list[str]:
        """The topics among these that do not exist."""

    async def create_topics(self, topics: Sequence[Topic]) -> list[str]:
        """Create the topics that do not exist; return the names of those that were created."""
