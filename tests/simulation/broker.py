"""The broker of a simulation: the broker in memory, with a journal of all that ever reached it.

The journal holds what the topics would hold if nothing were ever compacted or deleted: every record with its
sender, and every commit with the batch that it stands for. The oracles read nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from stream_al.service.broker.protocols import Ack, Outgoing, Position, Record
from tests.simulation.clock import EPOCH, VirtualLoop
from tests.simulation.trace import Trace
from tests.support.memory_broker import MemoryBroker

__all__ = ["Batch", "Commit", "Sent", "SimBroker"]


@dataclass(frozen=True, slots=True)
class Sent:
    """A record that the broker has accepted.

    Attributes:
        record: The record as readers get it.
        sender: The process that sent it.
        call: The number of the call that sent it.
    """

    record: Record
    sender: str
    call: int


@dataclass(frozen=True, slots=True)
class Batch:
    """What a commit says of one partition.

    Attributes:
        first: The offset at which the batch began.
        position: What was committed.
    """

    first: int
    position: Position


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit that the broker has accepted.

    Attributes:
        topic: The topic of the group.
        batches: What it says of each partition, in its order.
        sender: The process that committed.
        calls: The number of sending calls before it, of all processes together.
    """

    topic: str
    batches: Mapping[int, Batch]
    sender: str
    calls: int


class SimBroker(MemoryBroker):
    """A broker in virtual time that keeps a journal."""

    def __init__(self, loop: VirtualLoop, trace: Trace) -> None:
        self._loop = loop
        self._jumped_ms = 0
        super().__init__()
        self.trace = trace
        self.journal: dict[str, list[Sent]] = {}
        self.commits: list[Commit] = []
        self.calls = 0
        self.on_record: Callable[[Sent], None] = lambda sent: None
        self.on_commit: Callable[[Commit], None] = lambda commit: None

    @property
    def now_ms(self) -> int:
        """Log time: virtual time, plus all that it was moved forward."""
        return EPOCH * 1000 + int(self._loop.now * 1000) + self._jumped_ms

    @now_ms.setter
    def now_ms(self, value: int) -> None:
        self._jumped_ms = max(self._jumped_ms, value - EPOCH * 1000 - int(self._loop.now * 1000))

    def next_call(self) -> int:
        """The number of a new sending call."""
        self.calls += 1
        return self.calls

    def take(self, record: Outgoing, sender: str, call: int) -> Ack:
        """Append a record, and enter it into the journal."""
        ack = self.append(record)
        topic = record.topic
        kept = self.topics[topic][ack.partition].records[-1]
        sent = Sent(kept, sender, call)
        self.journal.setdefault(topic, []).append(sent)
        size = "null" if kept.value is None else len(kept.value)
        key = (kept.key or b"").decode("utf-8", "replace")
        self.trace(f"+ {topic}-{ack.partition}@{ack.offset} {key} {size} by {sender}#{call}")
        self.on_record(sent)
        return ack

    def committed(self, commit: Commit) -> None:
        """Enter a commit into the journal."""
        self.commits.append(commit)
        where = " ".join(f"{p}:{b.first}-{b.position.offset}" for p, b in commit.batches.items())
        self.trace(f"commit {commit.topic} {where} by {commit.sender}")
        self.on_commit(commit)

    def history(self, topic: str) -> list[Record]:
        """Every record that a topic has ever held."""
        return [sent.record for sent in self.journal.get(topic, [])]
