"""Membership in a consumer group."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import (
    CommitFailedError,
    IllegalStateError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)
from aiokafka.structs import OffsetAndMetadata

from stream_al.errors import Superseded, Unavailable
from stream_al.service.broker.kafka.connection import Connection
from stream_al.service.broker.kafka.conversion import error_text, offset_lost, to_record
from stream_al.service.broker.protocols import Position, Record
from stream_al.service.timing.deadline import within

__all__ = ["KafkaGroup"]

log = structlog.get_logger(__name__)


class KafkaGroup(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka's listener is untyped
    """Membership in a consumer group on one topic."""

    def __init__(self, connection: Connection, name: str, topic: str, start: str) -> None:
        self.name = name
        self.topic = topic
        self.generation = 0
        self._connection = connection
        self._start_at = start
        self._running: AIOKafkaConsumer | None = None
        self._probe: AIOKafkaConsumer | None = None
        self._first: dict[int, int] = {}

    @property
    def _consumer(self) -> AIOKafkaConsumer:
        if self._running is None:
            raise Unavailable(f"the group {self.name} is not joined")
        return self._running

    async def start(self) -> None:
        """Join the group; a second call joins it again."""
        await self.stop(1.0)
        first = await self._first_partitions()
        session_ms = int(self._connection.settings.session_timeout_seconds * 1000)
        self._running = await self._connection.consumer(
            self.topic,
            listener=self,
            group_id=self.name,
            auto_offset_reset="none",
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=session_ms // 10,
        )
        self._first = await self._ends(first)

    async def stop(self, deadline_seconds: float) -> None:
        """Leave the group; give up quietly after the deadline."""
        clients = [client for client in (self._running, self._probe) if client is not None]
        self._running = self._probe = None
        await asyncio.gather(*(self._connection.close(client.stop, deadline_seconds) for client in clients))

    async def on_partitions_revoked(self, revoked: list[TopicPartition]) -> None:
        """Begin a generation: everything read so far is stale."""
        self.generation += 1

    async def on_partitions_assigned(self, assigned: list[TopicPartition]) -> None:
        """Begin a generation: everything read during the rebalance is stale too."""
        self.generation += 1
        partitions = sorted(tp.partition for tp in assigned)
        log.info("partitions assigned", topic=self.topic, partitions=partitions)

    def partition_count(self) -> int:
        """The number of partitions of the topic, as far as this client knows; 1 at least."""
        known = self._running.partitions_for_topic(self.topic) if self._running is not None else None
        return max(1, len(known or ()), *(partition + 1 for partition in self.assignment()))

    def assignment(self) -> frozenset[int]:
        """The partitions that this member holds now."""
        if self._running is None:
            return frozenset()
        return frozenset(tp.partition for tp in self._running.assignment())

    async def poll(self, max_records: int, timeout_seconds: float) -> dict[int, list[Record]]:
        """At most `max_records` records by partition, in order; empty if none came in time."""
        try:
            batch = await self._connection.fetch(self._consumer, self.topic, max_records, timeout_seconds)
        except NoOffsetForPartitionError as error:
            await self._seek_to_start(error.args[0])
            return {}
        except OffsetOutOfRangeError as error:
            command = f"`stream-al offsets reset --topic {self.topic}"
            remedy = f"choose where to continue: {command} --to earliest` or `--to latest`"
            raise offset_lost(error, remedy) from error
        except IllegalStateError as error:
            raise Superseded(error_text(error)) from error
        return {tp.partition: [to_record(r) for r in records] for tp, records in batch.items()}

    async def committed(self, partition: int) -> Position | None:
        """The last position that any member has committed; None if there is no commit."""
        return (await self._connection.committed(self.name, self.topic, [partition])).get(partition)

    async def has_no_commits(self) -> bool:
        """Whether no partition has a commit: nothing was ever committed, or the commits have expired."""
        partitions = await self._connection.partitions(self.topic)
        return not await self._connection.committed(self.name, self.topic, partitions)

    async def commit(self, positions: Mapping[int, Position]) -> None:
        """Commit offsets and states in one write. Raises Superseded or Unavailable."""
        offsets = {
            TopicPartition(self.topic, p): OffsetAndMetadata(position.offset, position.metadata)
            for p, position in positions.items()
        }
        what = f"committing to {self.topic}"
        try:
            await within(self._connection.deadline_seconds, what, self._consumer.commit(offsets))
        except (CommitFailedError, IllegalStateError) as error:
            raise Superseded(f"{what} was refused: {error_text(error)}") from error
        except KafkaError as error:
            raise Unavailable(f"{what} failed: {error_text(error)}") from error

    def seek(self, partition: int, offset: int) -> None:
        """Continue at an offset; a partition that is no longer held is ignored."""
        if partition in self.assignment():
            self._consumer.seek(TopicPartition(self.topic, partition), offset)

    def pause(self, partitions: Iterable[int]) -> None:
        """Stop reading partitions, but keep them."""
        if held := self._held(partitions):
            self._consumer.pause(*held)

    def resume(self, partitions: Iterable[int]) -> None:
        """Read paused partitions again."""
        if held := self._held(partitions):
            self._consumer.resume(*held)

    def positions(self) -> dict[int, int]:
        """The next offset to read, for each partition held whose position is known."""
        found = {tp.partition: self._position(tp) for tp in self._held(self.assignment())}
        return {partition: offset for partition, offset in found.items() if offset is not None}

    def _position(self, tp: TopicPartition) -> int | None:
        """The position of a partition; None if aiokafka would wait for it.

        It would wait as long as the partition has no offset, and only the next poll says so.
        """
        asked = self._consumer.position(tp)
        try:
            asked.send(None)
        except StopIteration as known:
            return int(known.value)
        asked.close()
        return None

    async def end_offsets(self) -> dict[int, int]:
        """One past the last offset of every partition of the topic, held or not; open transactions count."""
        if self._probe is None:  # the consumer of the group is told the ends without open transactions
            self._probe = await self._connection.consumer(isolation_level="read_uncommitted")
        tps = [TopicPartition(self.topic, p) for p in await self._connection.partitions(self.topic)]
        found = await self._connection.wait("reading end offsets", self._probe.end_offsets(tps))
        return {tp.partition: offset for tp, offset in found.items()}

    async def has_uncommitted(self, end_offsets: Mapping[int, int]) -> bool:
        """Whether the group has not committed all that the topic holds before these offsets."""
        committed = await self._connection.committed(self.name, self.topic, end_offsets)
        tps = [TopicPartition(self.topic, p) for p in end_offsets]
        first = await self._connection.wait("reading first offsets", self._consumer.beginning_offsets(tps))
        done = {p: position.offset for p, position in committed.items()}
        return any(max(done.get(tp.partition, 0), first[tp]) < end_offsets[tp.partition] for tp in tps)

    async def backlog(self) -> dict[int, int]:
        """The committed offset of each partition that others should read, and in which records wait; or 0."""
        others = set(await self._connection.partitions(self.topic)) - self.assignment()
        if not others:
            return {}
        committed = await self._connection.committed(self.name, self.topic, others)
        tps = [TopicPartition(self.topic, p) for p in others]
        ends = await self._connection.wait("reading end offsets", self._consumer.end_offsets(tps))
        first = await self._connection.wait("reading first offsets", self._consumer.beginning_offsets(tps))
        begin = {tp.partition: offset for tp, offset in first.items()}
        done = {p: committed[p].offset if p in committed else 0 for p in others}
        return {
            tp.partition: done[tp.partition]
            for tp, end in ends.items()
            if max(done[tp.partition], begin[tp.partition]) < end
        }

    async def lag(self) -> dict[int, int]:
        """The number of offsets that can be read and were not, for each partition held."""
        held = self._held(self.assignment())
        if not held:
            return {}
        ends = await self._connection.wait("reading end offsets", self._consumer.end_offsets(held))
        positions = self.positions()
        return {tp.partition: max(0, end - positions.get(tp.partition, end)) for tp, end in ends.items()}

    def _held(self, partitions: Iterable[int]) -> list[TopicPartition]:
        held = self.assignment()
        return [TopicPartition(self.topic, p) for p in partitions if p in held]

    async def _first_partitions(self) -> frozenset[int]:
        """The partitions of a group that has committed nothing yet; none of any other group."""
        if self._start_at == "earliest" or not await self.has_no_commits():
            return frozenset()
        return frozenset(await self._connection.partitions(self.topic))

    async def _ends(self, partitions: Iterable[int]) -> dict[int, int]:
        """Where partitions end now: a record that comes after this is read, also before the first poll."""
        tps = [TopicPartition(self.topic, p) for p in partitions]
        if not tps:
            return {}
        found = await self._connection.wait("reading end offsets", self._consumer.end_offsets(tps))
        return {tp.partition: offset for tp, offset in found.items()}

    async def _seek_to_start(self, tp: TopicPartition) -> None:
        """Begin with a partition: where the settings say if the group is new, else at its first record.

        A partition without a commit in a group that has commits was added to the topic later. Its records
        came while this service ran, so none of them is left out.
        """
        end = self._first.get(tp.partition)
        log.info("new partition", topic=self.topic, partition=tp.partition, latest=end is not None)
        if end is None:
            what = f"finding the start of {self.topic}"
            await self._connection.wait(what, self._consumer.seek_to_beginning(tp))
        else:
            self.seek(tp.partition, end)
