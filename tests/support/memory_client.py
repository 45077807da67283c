"""The client of the broker in memory. A test can interfere at every moment.

Each `MemoryClient` belongs to one process:

- `client.hook(step, topic)` is called before and after every effect. It may raise what a client raises when
  its broker fails: before the effect, or after it, so that the effect stays unknown.
- `client.kill()` is to the broker what `kill -9` is: silence, and the partitions of its groups move.

Where Kafka leaves a choice, the worse one is taken. A commit is refused only if the partition is not held at
that moment, as aiokafka does once it has rejoined, so a stale commit may be accepted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

from stream_al.errors import StateLost, Superseded, Unavailable
from stream_al.service.broker.protocols import Ack, Group, Outgoing, Position, Reader, Record, Topic
from tests.support.memory_broker import GroupState, MemoryBroker, Partition


class MemoryClient:
    """One client of a broker."""

    def __init__(self, broker: MemoryBroker) -> None:
        self.broker = broker
        self.hook: Callable[[str, str], None] = lambda step, topic: None
        self.joined: list[MemoryGroup] = []
        self._dead = False

    def reach(self, step: str, topic: str) -> None:
        """Pass a step; raise Unavailable if the client was killed."""
        if self._dead:
            raise Unavailable("this client was killed")
        self.hook(step, topic)

    def kill(self) -> None:
        """End the client without leaving its groups."""
        self._dead = True
        for group in self.joined:
            with suppress(ValueError):
                group.state.move(leaves=group)
        self.broker.wake()

    async def start(self) -> None:
        await asyncio.sleep(0)
        self.reach("start", "")

    async def stop(self, deadline_seconds: float) -> None:
        await asyncio.sleep(0)

    def group(self, name: str, topic: str, start: str) -> Group:
        return MemoryGroup(self, name, topic, start)

    def reader(self, topic: str, *, expiring: bool = False) -> Reader:
        return MemoryReader(self, topic, expiring=expiring)

    async def send(self, records: Sequence[Outgoing]) -> list[Ack]:
        acks = []
        for record in records:
            await asyncio.sleep(0)
            self.reach("send", record.topic)
            acks.append(self.broker.append(record))
            self.reach("sent", record.topic)
        return acks

    async def reset_offsets(self, group: str, topic: str, to: str) -> dict[int, int]:
        self.reach("commit", topic)
        state = self.broker.groups.setdefault((group, topic), GroupState())
        kept = enumerate(self.broker.topics[topic])
        offsets = {number: one.end if to == "latest" else one.begin for number, one in kept}
        states = {number: position.metadata for number, position in state.committed.items()}
        state.committed |= {number: Position(at, states.get(number, "")) for number, at in offsets.items()}
        return offsets

    async def keep_positions(self, group: str, topic: str, positions: Mapping[int, Position]) -> None:
        await asyncio.sleep(0)
        self.reach("keep", topic)
        self.broker.groups.setdefault((group, topic), GroupState()).committed |= positions

    async def kept_positions(self, group: str, topic: str, partitions: Iterable[int]) -> dict[int, Position]:
        await asyncio.sleep(0)
        self.reach("committed", topic)
        committed = self.broker.groups.get((group, topic), GroupState()).committed
        return {p: committed[p] for p in partitions if p in committed}

    async def topic_ids(self, topics: Sequence[str]) -> dict[str, str]:
        await asyncio.sleep(0)
        self.reach("topics", "")
        return {topic: self.broker.ids[topic] for topic in topics if topic in self.broker.topics}

    async def missing_topics(self, topics: Iterable[str]) -> list[str]:
        self.reach("missing", "")
        return [topic for topic in topics if topic not in self.broker.topics]

    async def create_topics(self, topics: Sequence[Topic]) -> list[str]:
        new = [topic for topic in topics if topic.name not in self.broker.topics]
        for topic in new:
            self.broker.create(topic.name, topic.partitions, topic.config)
        return [topic.name for topic in new]


class MemoryGroup:
    """A member of a group; members get partitions in the order in which they joined."""

    def __init__(self, broker: MemoryClient, name: str, topic: str, start: str) -> None:
        self.broker, self.topic, self.start_at = broker, topic, start
        self.state = broker.broker.groups.setdefault((name, topic), GroupState())
        self._next: dict[int, int] = {}
        self._ends: list[int] = []
        self._paused: set[int] = set()
        self.generation = 0
        self._seen = -1

    @property
    def _partitions(self) -> list[Partition]:
        return self.broker.broker.topics[self.topic]

    async def start(self) -> None:
        self.broker.reach("join", self.topic)
        if self not in self.state.members:
            self.state.move(joins=self)
            self._ends = [kept.end for kept in self._partitions]
            self.broker.joined.append(self)

    async def stop(self, deadline_seconds: float) -> None:
        if self in self.state.members:
            self.state.move(leaves=self)

    def partition_count(self) -> int:
        return len(self._partitions)

    def assignment(self) -> frozenset[int]:
        if self not in self.state.members:
            return frozenset()
        members = self.state.members
        mine = members.index(self)
        return frozenset(p for p in range(len(self._partitions)) if p % len(members) == mine)

    async def poll(self, max_records: int, timeout_seconds: float) -> dict[int, list[Record]]:
        await asyncio.sleep(0)
        self.broker.reach("poll", self.topic)
        batch = self._fetch(max_records)
        if not batch:
            await self.broker.broker.news(timeout_seconds)
            self.broker.reach("poll", self.topic)
            batch = self._fetch(max_records)
        return batch

    def _fetch(self, max_records: int) -> dict[int, list[Record]]:
        self._follow()
        batch = {}
        for partition in sorted(self.assignment() - self._paused):
            kept = self._partitions[partition]
            records = kept.after(self._position(partition), max_records)
            if records:
                batch[partition] = records
                self._next[partition] = records[-1].offset + 1
            max_records -= len(records)
            if max_records:  # past a gap at the end, too
                self._next[partition] = max(self._next[partition], kept.end)
        return batch

    def _follow(self) -> None:
        """After a rebalance reading continues at the committed offsets, and no partition is paused."""
        if self._seen != self.generation:
            self._next.clear()
            self._paused.clear()
            self._seen = self.generation

    def _position(self, partition: int) -> int:
        if partition not in self._next:
            kept, committed = self._partitions[partition], self.state.committed.get(partition)
            first = self._ends[partition] if self.start_at == "latest" else kept.begin
            self._next[partition] = committed.offset if committed else first
        return self._next[partition]

    async def committed(self, partition: int) -> Position | None:
        await asyncio.sleep(0)
        self.broker.reach("committed", self.topic)
        return self.state.committed.get(partition)

    async def has_no_commits(self) -> bool:
        await asyncio.sleep(0)
        self.broker.reach("committed", self.topic)
        return not self.state.committed

    async def commit(self, positions: Mapping[int, Position]) -> None:
        await asyncio.sleep(0)
        self.broker.reach("commit", self.topic)
        if not self.assignment() >= positions.keys():
            raise Superseded(f"{sorted(positions)} of {self.topic} are not held")
        self.state.committed |= positions
        self.broker.reach("commit done", self.topic)

    def seek(self, partition: int, offset: int) -> None:
        self._follow()
        if partition in self.assignment():
            self._next[partition] = offset

    def pause(self, partitions: Iterable[int]) -> None:
        self._follow()
        self._paused |= self.assignment() & set(partitions)

    def resume(self, partitions: Iterable[int]) -> None:
        self._paused -= set(partitions)
        self.broker.broker.wake()

    def positions(self) -> dict[int, int]:
        return {p: self._next[p] for p in self.assignment() if p in self._next}

    async def end_offsets(self) -> dict[int, int]:
        await asyncio.sleep(0)
        self.broker.reach("committed", self.topic)
        return {number: kept.end for number, kept in enumerate(self._partitions)}

    async def has_uncommitted(self, end_offsets: Mapping[int, int]) -> bool:
        await asyncio.sleep(0)
        self.broker.reach("committed", self.topic)
        read = {number: position.offset for number, position in self.state.committed.items()}
        begins = {number: kept.begin for number, kept in enumerate(self._partitions)}
        return any(max(read.get(number, 0), begins[number]) < end for number, end in end_offsets.items())

    async def backlog(self) -> dict[int, int]:
        others = set(range(len(self._partitions))) - self.assignment()
        done = {p: self.state.committed[p].offset if p in self.state.committed else 0 for p in others}
        return {
            p: at for p, at in done.items() if max(at, self._partitions[p].begin) < self._partitions[p].end
        }

    async def lag(self) -> dict[int, int]:
        self._follow()
        return {p: self._partitions[p].end - self._position(p) for p in self.assignment()}


class MemoryReader:
    """A reader of a whole topic."""

    def __init__(self, broker: MemoryClient, topic: str, *, expiring: bool) -> None:
        self.broker, self.topic, self.expiring = broker, topic, expiring
        self._next: dict[int, int] = {}

    @property
    def _partitions(self) -> list[Partition]:
        return self.broker.broker.topics[self.topic]

    async def start(self) -> None:
        self.broker.reach("read", self.topic)
        self._next = await self.beginning_offsets()

    async def stop(self, deadline_seconds: float) -> None:
        self._next = {}

    async def poll(self, max_records: int, timeout_seconds: float) -> list[Record]:
        await asyncio.sleep(0)
        self.broker.reach("read", self.topic)
        if not self._next:
            raise Unavailable(f"the reader of {self.topic} is not started")
        records = self._fetch(max_records)
        if not records:
            await self.broker.broker.news(timeout_seconds)
            records = self._fetch(max_records)
        return records

    def _fetch(self, max_records: int) -> list[Record]:
        found: list[Record] = []
        for number, kept in enumerate(self._partitions):
            if self._next[number] < kept.begin and not self.expiring:
                raise StateLost(f"{self.topic}-{number} begins at {kept.begin}, after {self._next[number]}")
            records = kept.after(self._next[number], max_records - len(found))
            found += records
            if len(found) < max_records:
                self._next[number] = kept.end  # past a hole at the end, too
            elif records:
                self._next[number] = records[-1].offset + 1
        return found

    async def beginning_offsets(self) -> dict[int, int]:
        self.broker.reach("read", self.topic)
        return {number: kept.begin for number, kept in enumerate(self._partitions)}

    async def end_offsets(self) -> dict[int, int]:
        self.broker.reach("read", self.topic)
        return {number: kept.end for number, kept in enumerate(self._partitions)}

    async def positions(self) -> dict[int, int]:
        return dict(self._next)

    async def seek(self, partition: int, offset: int) -> None:
        self._next[partition] = offset
