"""A broker in memory: topics and groups (`memory_client` is its client).

- `now_ms` is the log append time of the next record. With `producer_ahead_ms`, the next record has a
  timestamp of its producer, which lies so far ahead.
- `compact` does what Kafka's cleaner may do at any time, and `truncate` what retention may do.
- `mark` ends a transaction: the marker takes an offset, and no reader gets it.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count

import msgspec

from stream_al.errors import Unavailable
from stream_al.service.broker.protocols import Ack, Group, Outgoing, Position, Record

MAX_MESSAGE_BYTES = 1_048_588  # Kafka's default


@dataclass
class Partition:
    """Records with their offsets; compaction leaves gaps."""

    records: list[Record] = field(default_factory=list)
    begin: int = 0
    end: int = 0

    def after(self, offset: int, limit: int) -> list[Record]:
        """At most `limit` records from an offset on."""
        return [record for record in self.records if record.offset >= offset][:limit]


@dataclass
class GroupState:
    """A consumer group: its members, and what it has committed."""

    members: list[Group] = field(default_factory=list)
    committed: dict[int, Position] = field(default_factory=dict)

    def move(self, *, joins: Group | None = None, leaves: Group | None = None) -> None:
        """Rebalance: for every member, records read before are stale."""
        touched = [*self.members, *([joins] if joins else [])]
        if joins is not None:
            self.members.append(joins)
        if leaves is not None:
            self.members.remove(leaves)
        for member in touched:
            member.generation += 1


class MemoryBroker:
    """Topics and groups."""

    def __init__(self) -> None:
        self.topics: dict[str, list[Partition]] = {}
        self.config: dict[str, Mapping[str, str]] = {}
        self.ids: dict[str, str] = {}
        self.groups: dict[tuple[str, str], GroupState] = {}
        self.now_ms = 1_700_000_000_000
        self.producer_ahead_ms: int | None = None
        self._keyless = count()
        self._created = count()
        self._news = asyncio.Event()

    def create(self, topic: str, partitions: int, config: Mapping[str, str]) -> None:
        """Create a topic, in the place of one of the same name if there is one."""
        self.topics[topic] = [Partition() for _ in range(partitions)]
        self.config[topic] = config
        self.ids[topic] = str(next(self._created))

    def append(self, record: Outgoing) -> Ack:
        """Append a record to the partition of its key."""
        if record.topic not in self.topics:
            raise Unavailable(f"there is no topic {record.topic}")
        size = len(record.key or b"") + len(record.value or b"")
        if size > int(self.config[record.topic].get("max.message.bytes", MAX_MESSAGE_BYTES)):
            if record.replacement is None:
                raise Unavailable(f"{record.topic} refuses {size} bytes")
            return msgspec.structs.replace(self.append(record.replacement()), replaced=True)
        partitions = self.topics[record.topic]
        number = next(self._keyless) if record.key is None else zlib.crc32(record.key)
        number %= len(partitions)
        partition = partitions[number]
        offset = partition.end
        ahead_ms = self.producer_ahead_ms
        kept = Record(
            record.topic,
            number,
            offset,
            self.now_ms + (ahead_ms or 0),
            record.key,
            record.value,
            record.headers,
            by_broker=ahead_ms is None,
        )
        partition.records.append(kept)
        partition.end += 1
        self.wake()
        return Ack(number, offset, self.now_ms)

    def mark(self, topic: str, partition: int) -> None:
        """Write the marker that ends a transaction."""
        self.topics[topic][partition].end += 1
        self.wake()

    def compact(self, topic: str, *, tombstones: bool = True) -> None:
        """Keep the last record of every key; delete tombstones only if every reader has read them."""
        for partition in self.topics[topic]:
            last = {record.key: record.offset for record in partition.records}
            partition.records = [
                record
                for record in partition.records
                if last[record.key] == record.offset and (tombstones or record.value is not None)
            ]

    def truncate(self, topic: str, partition: int, begin: int) -> None:
        """Delete the records before an offset."""
        kept = self.topics[topic][partition]
        kept.records, kept.begin = kept.after(begin, kept.end), begin

    def wake(self) -> None:
        """Let waiting polls look again."""
        self._news.set()
        self._news = asyncio.Event()

    async def news(self, seconds: float) -> None:
        """Wait until something happens, at most so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()
