"""The client of one simulated process: the client in memory, on a bad network and in a process that may die.

Every call takes time and passes *points*, before and after its effect. At each point the process may be
killed or the response may get lost, and between two points partitions may move. So a call may

- have no effect, and fail;
- have its effect, and fail all the same;
- have its effect long after it failed: a send that timed out and arrives, perhaps from a dead process;
- take long, and succeed or reach its deadline.

A commit carries the generation in which it was made, as Kafka's does. A commit of an earlier generation is
refused. Nothing else protects a batch from what happens between its reading and its commit.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from stream_al.errors import Superseded, Unavailable
from stream_al.service.broker.protocols import Ack, Group, Outgoing, Position, Reader, Record
from tests.simulation.broker import Batch, Commit, SimBroker
from tests.simulation.clock import Identity
from tests.support.memory_client import MemoryClient, MemoryGroup, MemoryReader

__all__ = ["DEADLINE_SECONDS", "CrashPoint", "NetworkFaults", "SimClient"]

DEADLINE_SECONDS = 10.0  # after which a call gives up; the settings of the simulation say the same
USUAL_SECONDS = (0.0, 0.0, 0.0, 0.001, 0.01, 0.1)


@dataclass(slots=True)
class NetworkFaults:
    """The faults of the network, until a moment of virtual time.

    Attributes:
        until: The moment.
        fails: The probability that a point fails.
        slow: The longest time that a call takes, in seconds.
        late: The probability that a send fails and arrives later.
    """

    until: float
    fails: float = 0.0
    slow: float = 0.0
    late: float = 0.0


@dataclass(slots=True)
class CrashPoint:
    """Where a process will die: when it has passed a point so many times."""

    point: str
    passes: int


class SimClient(MemoryClient):
    """One client of a simulated broker.

    Attributes:
        network: The faults of its network.
        crash_point: Where its process will die; None if it lives on.
        faults: How many calls have failed because of the network.
        frozen_until: The process makes no progress until then.
        die: Kills the process.
    """

    def __init__(self, broker: SimBroker, identity: Identity, draw: random.Random) -> None:
        super().__init__(broker)
        self.sim = broker
        self.identity = identity
        self.draw = draw
        self.network = NetworkFaults(0.0)
        self.crash_point: CrashPoint | None = None
        self.faults = 0
        self.frozen_until = 0.0
        self.die: Callable[[], None] = self.kill
        self._loop = asyncio.get_running_loop()
        self._late: set[asyncio.Task[None]] = set()

    @property
    def disturbed(self) -> bool:
        """Whether the network has faults now."""
        return self._loop.time() < self.network.until

    def reach(self, step: str, topic: str) -> None:
        self.point(f"{step} {topic.rpartition('.')[2]}")

    def point(self, name: str) -> None:
        """Pass a point; raise Unavailable if the process is dead or the network fails."""
        if self.identity.dead:
            raise Unavailable("this process is dead")
        if self.crash_point and name.startswith(self.crash_point.point):
            self.crash_point.passes -= 1
            if self.crash_point.passes <= 0:
                self.sim.trace(f"dies at {name}")
                self.die()
                raise Unavailable("this process is dead")
        if self.disturbed and self.draw.random() < self.network.fails:
            self.fail(name)

    def fail(self, name: str) -> None:
        """Let a call fail. Raises Unavailable."""
        self.faults += 1
        self.sim.trace(f"fails at {name}")
        raise Unavailable(f"{name} failed")

    async def travel(self, name: str) -> None:
        """Take the time of a way to the broker or back."""
        seconds = self.draw.choice(USUAL_SECONDS)
        if self.disturbed and self.network.slow:
            seconds = self.draw.uniform(0.0, self.network.slow)
        await asyncio.sleep(min(seconds, DEADLINE_SECONDS))
        if seconds > DEADLINE_SECONDS:
            self.fail(name)
        if self._loop.time() < self.frozen_until:
            await asyncio.sleep(self.frozen_until - self._loop.time())

    def kill(self, session_seconds: float = 0.0) -> None:
        """End the client without leaving its groups; they notice when its session is over."""
        self.identity.dead = True
        for group in self.joined:
            self._loop.call_later(session_seconds, self._expire, group)

    def expire(self) -> None:
        """End the sessions; the process may still live."""
        for group in self.joined:
            self._expire(group)

    def rejoin(self) -> None:
        """Become a member again, unless the process is dead or has left by itself."""
        for group in self.joined:
            if not self.identity.dead and not group.left and group not in group.state.members:  # type: ignore[attr-defined]
                group.state.move(joins=group)
        self.sim.wake()

    def _expire(self, group: MemoryGroup) -> None:
        with suppress(ValueError):
            group.state.move(leaves=group)
        self.sim.wake()

    def group(self, name: str, topic: str, start: str) -> Group:
        return SimGroup(self, name, topic, start)

    def reader(self, topic: str, *, expiring: bool = False) -> Reader:
        return SimReader(self, topic, expiring=expiring)

    async def send(self, records: Sequence[Outgoing]) -> list[Ack]:
        if not records:
            return []
        call = self.sim.next_call()
        await self.travel("send")
        if self.disturbed and self.draw.random() < self.network.late and not self.identity.dead:
            late = asyncio.create_task(self._arrive(records, call, self.draw.uniform(0.0, 30.0)))
            self._late.add(late)
            late.add_done_callback(self._late.discard)
            self.fail("send, to arrive later,")
        acks: dict[int, Ack] = {}
        for number in self._interleaved(records):
            await asyncio.sleep(0)
            self.reach("send", records[number].topic)
            acks[number] = self.sim.take(records[number], self.identity.name, call)
            self.reach("sent", records[number].topic)
        await self.travel("acknowledgement")
        return [acks[number] for number in range(len(records))]

    async def _arrive(self, records: Sequence[Outgoing], call: int, seconds: float) -> None:
        await asyncio.sleep(seconds)
        for record in records:
            self.sim.take(record, self.identity.name, call)

    def _interleaved(self, records: Sequence[Outgoing]) -> list[int]:
        """An order in which records may reach the broker: kept within a topic, free between topics."""
        queues: dict[str, list[int]] = {}
        for number, record in enumerate(records):
            queues.setdefault(record.topic, []).append(number)
        order: list[int] = []
        while queues:
            topic = self.draw.choice(list(queues))
            order.append(queues[topic].pop(0))
            if not queues[topic]:
                del queues[topic]
        return order


class SimGroup(MemoryGroup):
    """A member of a group."""

    def __init__(self, client: SimClient, name: str, topic: str, start: str) -> None:
        super().__init__(client, name, topic, start)
        self.client = client
        self.left = False
        self._firsts: dict[int, int] = {}
        self._sought: dict[int, tuple[int, int]] = {}  # since the last commit: generation and offset

    async def start(self) -> None:
        await self.client.travel("join")
        await super().start()

    async def stop(self, deadline_seconds: float) -> None:
        self.left = True
        if not self.client.identity.dead:
            await super().stop(deadline_seconds)
            self.client.sim.wake()

    async def poll(self, max_records: int, timeout_seconds: float) -> dict[int, list[Record]]:
        await self.client.travel("poll")
        batch = await super().poll(max_records, timeout_seconds)
        if self.state.committed.keys() >= batch.keys() > set():
            self.client.reach("polled", self.topic)
        self._firsts |= {partition: records[0].offset for partition, records in batch.items()}
        return batch

    def seek(self, partition: int, offset: int) -> None:
        super().seek(partition, offset)
        self._sought[partition] = self.generation, offset

    async def committed(self, partition: int) -> Position | None:
        await self.client.travel("committed")
        found = await super().committed(partition)
        await self.client.travel("committed")
        return found

    async def commit(self, positions: Mapping[int, Position]) -> None:
        generation = self.generation
        await self.client.travel("commit")
        self.client.reach("commit", self.topic)
        if generation != self.generation or not self.assignment() >= positions.keys():
            self.client.sim.trace(f"commit to {self.topic} refused")
            raise Superseded(f"{sorted(positions)} of {self.topic} are not held")
        before = {p: position.offset for p, position in self.state.committed.items()}
        self.state.committed |= positions
        begun = {p: before.get(p, self._firsts.get(p, position.offset)) for p, position in positions.items()}
        sought = {p: self._sought.pop(p, (-1, 0)) for p in positions}
        # After a failure between the commit and what follows it, the batch is read and decided again.
        batches = {
            p: Batch(min(begun[p], sought[p][1]) if sought[p][0] == generation else begun[p], position)
            for p, position in positions.items()
        }
        client = self.client
        client.sim.committed(Commit(self.topic, batches, client.identity.name, client.sim.calls))
        client.reach("commit done", self.topic)
        await client.travel("commit")

    async def end_offsets(self) -> dict[int, int]:
        await self.client.travel("ends")
        found = await super().end_offsets()
        await self.client.travel("ends")
        return found

    async def backlog(self) -> dict[int, int]:
        await self.client.travel("lag")
        self.client.reach("lag", self.topic)
        return await super().backlog()

    async def lag(self) -> dict[int, int]:
        await self.client.travel("lag")
        self.client.reach("lag", self.topic)
        return await super().lag()


class SimReader(MemoryReader):
    """A reader of a whole topic."""

    def __init__(self, client: SimClient, topic: str, *, expiring: bool) -> None:
        super().__init__(client, topic, expiring=expiring)
        self.client = client

    @property
    def at_end(self) -> bool:
        """Whether nothing is left to read."""
        ends = {number: kept.end for number, kept in enumerate(self._partitions)}
        return self._next == ends

    async def poll(self, max_records: int, timeout_seconds: float) -> list[Record]:
        await self.client.travel("read")
        return await super().poll(max_records, timeout_seconds)

    async def end_offsets(self) -> dict[int, int]:
        await self.client.travel("end")
        return await super().end_offsets()
