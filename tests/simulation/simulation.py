"""One simulation: a seed gives a plan, the plan happens, everything comes to rest, and oracles judge it.

    plan      settings and events are drawn from the seed (`plan`)
    events    they happen, one after the other, with time between them; what must hold at every moment is
              checked at every record and commit (`oracles`)
    recovery  the network works again, dead processes are replaced, annotators label every open query, and
              log time passes the life of every query
    rest      nothing changes any more, and every oracle is asked

The same seed gives the same trace, in any process on any machine.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import structlog

from stream_al.engine.labels.exclusions import Exclusions
from stream_al.errors import StreamAlError
from stream_al.service.broker.protocols import Outgoing
from stream_al.service.broker.topics import query_life_ms, required_topics
from tests.simulation.broker import Commit, Sent, SimBroker
from tests.simulation.changes import exclusions
from tests.simulation.clock import VirtualLoop
from tests.simulation.events import Events
from tests.simulation.oracles import Failed, Oracles, shown_to
from tests.simulation.plan import annotation, good_sample, plan
from tests.simulation.process import Process
from tests.simulation.trace import Trace
from tests.support.memory_broker import GroupState
from tests.support.memory_client import MemoryClient

__all__ = ["Result", "simulate"]

REST_SECONDS = 900.0  # of virtual time; what is not at rest by then never will be
RAM = Path("/dev/shm")  # noqa: S108 - snapshots are written with fsync, which is slow on a disk


@dataclass(slots=True)
class Result:
    """The result of a seed.

    Attributes:
        seed: The seed.
        failure: What did not hold; None if everything did.
        trace: The digest of the trace.
        figures: How often things happened.
    """

    seed: int
    failure: str | None
    trace: str
    figures: dict[str, int] = field(default_factory=dict)


def simulate(seed: int, *, verbose: bool = False) -> Result:
    """Run one seed."""
    loop = VirtualLoop()
    trace = Trace(loop, verbose=verbose)
    draw = random.Random(seed)  # noqa: S311 - a failing seed has to fail again
    parent = RAM if RAM.is_dir() else None
    with tempfile.TemporaryDirectory(dir=parent) as directory, _logs(trace):
        simulation = Simulation(draw, loop, trace, Path(directory))
        failure = None
        try:
            loop.run_until_complete(simulation.run())
        except (Failed, StreamAlError) as error:
            failure = f"{type(error).__name__}: {error}"
            trace(failure)
        finally:
            digest = trace.digest  # from here on tasks are cancelled together, and end in any order
            _close(loop)
    return Result(seed, failure, digest, simulation.figures())


@contextmanager
def _logs(trace: Trace) -> Iterator[None]:
    """Let the log of the service go into the trace."""

    def written(logger: Any, method: str, event: MutableMapping[str, Any]) -> Any:
        trace(f"[{method}] {event.pop('event')} {event}")
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(processors=[written], cache_logger_on_first_use=False)
    try:
        yield
    finally:
        structlog.configure(**before)


def _close(loop: VirtualLoop) -> None:
    async def end() -> None:
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    loop.run_until_complete(end())
    loop.close()


class Simulation:
    """The application of one seed, and everything around it.

    Attributes:
        diligent: Whether annotators label every query, at once and right.
        labels_under_way: Labels that will be sent.
    """

    def __init__(self, draw: random.Random, loop: VirtualLoop, trace: Trace, directory: Path) -> None:
        self.draw = draw
        self.loop = loop
        self.trace = trace
        self.directory = directory
        self.plan = plan(draw, directory)
        self.settings = self.plan.settings
        self.broker = SimBroker(loop, trace)
        self.processes: list[Process] = []
        self.diligent = False
        self.labels_under_way = 0
        self._labelled: set[str] = set()
        self.events = Events(self)
        self.oracles = Oracles(self.settings, self.broker)
        self.broker.on_record = self._on_record
        self.broker.on_commit = self._on_commit
        self._failed: Failed | None = None

    @property
    def alive(self) -> list[Process]:
        """The processes that run and do not have to stop."""
        return [process for process in self.processes if process.alive]

    async def run(self) -> None:
        """Run the whole simulation."""
        client = MemoryClient(self.broker)
        await client.create_topics(required_topics(self.settings))
        self.trace(f"settings {self.settings.model_dump(mode='json', exclude={'snapshots'})}")
        for event in self.plan.events:
            self.trace(f"event {event}")
            await self.events.happen(event)
            await asyncio.sleep(self.draw.choice([0.0, 0.0, 0.01, 0.1, 1.0, 5.0]))
            self.check_processes()
        await self._recover()
        self.check_processes()
        self.trace("rest")
        self.oracles.at_rest(self.alive, self.faults())

    def check_processes(self) -> None:
        """Fail if an oracle has failed, or if a process has ended by itself."""
        if self._failed:
            raise self._failed
        for process in self.processes:
            error = process.ending()
            if error is not None and not self.events.expected(process, error):
                raise Failed(f"process {process.name} ended: {type(error).__name__}: {error}") from error

    def faults(self) -> int:
        """How many batches may have been decided and dropped."""
        return sum(
            p.broker.faults + p.identity.dead + p.stopped + p.app.select.group.generation
            for p in self.processes
        )

    def figures(self) -> dict[str, int]:
        """How often things have happened."""
        topics = self.settings.topics
        journal = self.broker.journal
        counted = {
            name: len(journal.get(name, [])) for name in (topics.samples, topics.labels, topics.examples)
        }
        return {
            **counted,
            "changes": len(journal.get(topics.control, [])),
            "queries": sum(sent.record.value is not None for sent in journal.get(topics.queries, [])),
            "processes": len(self.processes),
            "kills": sum(process.identity.dead for process in self.processes),
            "faults": sum(process.broker.faults for process in self.processes),
            "commits": len(self.broker.commits),
            "trace": self.trace.lines,
        }

    def excluded(self) -> Exclusions:
        """The examples that do not count."""
        return exclusions(self.settings, self.broker)[-1]

    def put(self, topic: str, value: Any, key: bytes | None, sender: str = "world") -> None:
        """Put a record onto a topic, from outside of the service."""
        raw = value if isinstance(value, bytes | None) else msgspec.json.encode(value)
        self.broker.take(Outgoing(topic, key, raw, (("h", b"1"),)), sender, self.broker.next_call())

    def _on_commit(self, commit: Commit) -> None:
        try:
            self.oracles.on_commit(commit)
        except Failed as failure:  # for `check_processes`, not for the process that has committed
            self._failed = self._failed or failure

    def _on_record(self, sent: Sent) -> None:
        try:
            self.oracles.on_record(sent)
        except Failed as failure:
            self._failed = self._failed or failure
        record = sent.record
        if record.topic == self.settings.topics.queries and record.value is not None:
            self._annotate(msgspec.json.decode(record.value))

    def _annotate(self, query: dict[str, Any]) -> None:
        """Let the annotators read a query."""
        truth = "up" if query["features"].get("x", 0) > 0.5 else "down"
        labels = [(0.01, {"label": truth})] if self.diligent else annotation(self.draw, query["features"])
        if query["id"] in self._labelled and self.draw.random() < 0.5:
            return  # not again
        self._labelled.add(query["id"])
        brings_version = self.draw.random() < 0.5
        for delay, label in labels:
            self.labels_under_way += 1
            annotator = f"{label.get('annotator', '')} shown {shown_to(query['features'])}"
            given = {"id": query["id"], **label, "annotator": annotator}
            if brings_version:
                given["version"] = query["version"]
            self.loop.call_later(delay, self._send_label, given)

    def _send_label(self, label: dict[str, Any]) -> None:
        self.labels_under_way -= 1
        orderly = self.plan.orderly or self.diligent
        self.put(self.settings.topics.labels, label, label["id"].encode() if orderly else None, "annotator")

    async def _recover(self) -> None:
        """Let everything come to rest."""
        self.trace("recovery")
        self.diligent = True
        for process in self.processes:
            process.broker.network.until = 0.0
            process.broker.crash_point = None
        await asyncio.sleep(100.0)
        for disk in ("new", "other"):
            self.events.launch(disk)
        await self._until(lambda: all(p.app.ready for p in self.alive), "all processes are ready")
        await self._until(self._read, "all is read")
        self.broker.now_ms += query_life_ms(self.settings.queries) + 1000
        topics = self.settings.topics
        for number in range(6):  # every partition shows the new time; records without keys take turns
            self.put(topics.samples, good_sample(self.draw, f"tick{number}"), None)
        for number in range(6):
            self.put(topics.labels, {"id": f"tick{number}-", "label": "up"}, None)
        await self._until(self._at_rest, "all is at rest")

    def _read(self) -> bool:
        if self.labels_under_way:
            return False
        for name, topic in (
            ("select", self.settings.topics.samples),
            ("intake", self.settings.topics.labels),
        ):
            group = self.broker.groups.get((f"app.{name}", topic), GroupState())
            for number, partition in enumerate(self.broker.topics[topic]):
                if partition.end and (
                    number not in group.committed or group.committed[number].offset < partition.end
                ):
                    return False
        end, excluded = self.broker.topics[self.settings.topics.examples][0].end, self.excluded()
        return all((process.offset, process.excluded) == (end, excluded) for process in self.alive)

    def _at_rest(self) -> bool:
        if not self._read() or self.oracles.open:
            return False
        # Without tombstones, a replica without a partition reads no record, and so no log time.
        tombstones = self.settings.queries.tombstones
        return not any(
            len(p.app.pending)
            for p in self.alive
            if tombstones or any(c.group.assignment() for c in p.app.consumers)
        )

    async def _until(self, condition: Any, what: str) -> None:
        end = self.loop.now + REST_SECONDS
        while not condition():
            self.check_processes()
            for process in self.alive:
                process.app.resume()
            self.events.supervise()
            if self.loop.now > end:
                raise Failed(f"not within {REST_SECONDS:.0f} s: {what}; {self._state()}")
            await asyncio.sleep(1.0)

    def _state(self) -> str:
        groups = {
            name[0]: {p: c.offset for p, c in g.committed.items()} for name, g in self.broker.groups.items()
        }
        pending = {p.name: (p.offset, p.excluded.ranges, len(p.app.pending)) for p in self.alive}
        ends = {name: [p.end for p in kept] for name, kept in self.broker.topics.items()}
        return f"{groups=} {pending=} {ends=} open={sorted(self.oracles.open)[:5]}"
