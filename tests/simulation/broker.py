"""The broker of a simulation: the one in memory, with a memory of everything that ever reached it.

The journal is what a dump of the topics would show, had nothing been compacted: every record with its
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
    """A record that the broker took.

    Attributes:
        record: As it stands in the log.
        sender: The process that sent it.
        call: The number of the call it was sent with.
    """

    record: Record
    sender: str
    call: int


@dataclass(frozen=True, slots=True)
class Batch:
    """One partition's part in a commit: from where it was read, and what was committed."""

    first: int
    position: Position


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit that the broker took.

    Attributes:
        topic: Of the group.
        batches: By partition, in the order of the commit.
        sender: The process.
        calls: How many calls of sending there had been, of all processes together.
    """

    topic: str
    batches: Mapping[int, Batch]
    sender: str
    calls: int


class SimBroker(MemoryBroker):
    """A broker in virtual time that writes everything down."""

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
        """Log time: virtual time, and what it was put forward by."""
        return EPOCH * 1000 + int(self._loop.now * 1000) + self._jumped_ms

    @now_ms.setter
    def now_ms(self, value: int) -> None:
        self._jumped_ms = max(self._jumped_ms, value - EPOCH * 1000 - int(self._loop.now * 1000))

    def next_call(self) -> int:
        """The number of a new call of sending."""
        self.calls += 1
        return self.calls

    def take(self, record: Outgoing, sender: str, call: int) -> Ack:
        """Append a record and write it down."""
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
        """Write a commit down."""
        self.commits.append(commit)
        where = " ".join(f"{p}:{b.first}-{b.position.offset}" for p, b in commit.batches.items())
        self.trace(f"commit {commit.topic} {where} by {commit.sender}")
        self.on_commit(commit)

    def history(self, topic: str) -> list[Record]:
        """All that a topic ever held."""
        return [sent.record for sent in self.journal.get(topic, [])]
