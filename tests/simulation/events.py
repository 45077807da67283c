"""The events of a simulation, one method for each name in the plan."""

from __future__ import annotations

import random
import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from stream_al.errors import StateLost
from stream_al.messages import Example, encode
from stream_al.service.broker.protocols import Record
from stream_al.service.broker.topics import query_life_ms
from stream_al.service.engine_settings import fresh_learner
from stream_al.service.http.operators import changes
from stream_al.service.model.snapshots import Anchor, Snapshots
from tests.simulation.client import NetworkFaults
from tests.simulation.clock import Identity
from tests.simulation.plan import POINTS, bad_sample, good_sample
from tests.simulation.process import Process
from tests.support.memory_client import MemoryClient

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

__all__ = ["Events"]

MOST_PROCESSES = 3


class Events:
    """Makes events happen in a simulation."""

    def __init__(self, world: Simulation) -> None:
        self.world = world
        self.draw: random.Random = world.draw
        self.made = 0
        self.foreign: set[str] = set()
        self._launched = 0

    async def happen(self, event: str) -> None:
        """Let one event happen."""
        if not self.world.alive:
            self.start()
        if self.world.alive:
            getattr(self, event)()

    def expected(self, process: Process, error: BaseException) -> bool:
        """Whether a process had to end: it found snapshots of another application on its disk."""
        if isinstance(error, StateLost) and process.disk in self.foreign:
            shutil.rmtree(self.disk(process.disk), ignore_errors=True)
            self.foreign.discard(process.disk)
            process.stopped = True
            self.world.trace(f"{process.name} refused a foreign snapshot")
            return True
        return process.stopped and isinstance(error, StateLost)

    def disk(self, name: str) -> Path:
        """The snapshot directory of a process."""
        return self.world.directory / name

    def launch(self, disk: str) -> Process:
        """Start a process on a disk."""
        self._launched += 1
        identity = Identity(f"p{self._launched}", skew=self.draw.choice([0.0, 0.0, -90_000.0, 90_000.0]))
        own = self.world.settings.snapshots.model_copy(update={"directory": str(self.disk(disk))})
        settings = self.world.settings.model_copy(update={"snapshots": own})
        process = Process(settings, self.world.broker, self.draw, identity, disk)
        self.world.processes.append(process)
        self.world.trace(f"starts {identity.name} on {disk}")
        return process

    def supervise(self) -> None:
        """Start the processes again that their watchdog has ended."""
        for process in self.world.processes:
            if process.task.done() and not process.stopped and not process.identity.dead:
                process.stopped = True
                self.launch(process.disk)

    # The events.

    def wait(self) -> None:
        """Nothing happens."""

    def send_samples(self) -> None:
        """Samples arrive; some of them arrive again, and some ids come with other features."""
        for _ in range(self.draw.randrange(1, 16)):
            self.made += 1
            number = self.draw.randrange(self.made) if self.draw.random() < 0.05 else self.made
            given = good_sample(random.Random(number), f"s{number}")  # noqa: S311 - the same again
            if self.draw.random() < 0.1:
                given["id"] = f"s{self.draw.randrange(self.made)}"
            self.world.put(self.world.settings.topics.samples, given, given["id"].encode())

    def send_bad_samples(self) -> None:
        """Records arrive that cannot be used as samples."""
        for _ in range(self.draw.choice([1, 1, 3, 12])):
            self.made += 1
            value = bad_sample(self.draw, f"bad{self.made}")
            self.world.put(self.world.settings.topics.samples, value, self.draw.choice([None, b"key"]))

    def send_unsolicited_labels(self) -> None:
        """Labels arrive that nobody asked for."""
        self.made += 1
        unasked = f"u{self.draw.randrange(self.made)}"
        value = self.draw.choice(
            [
                None,
                b"{",
                b'{"id": ""}',
                b'{"id": "unknown", "label": "up"}',
                b'{"id": "unknown", "skipped": true}',
                b'{"id": "s1"}',
                b'{"id": "%s", "label": "up", "features": {"x": 0.9, "y": 0.5}}' % unasked.encode(),
                b'{"id": "%s", "label": "down", "features": {"x": 0.1, "y": 0.5}}' % unasked.encode(),
            ]
        )
        self.world.put(self.world.settings.topics.labels, value, self.draw.choice([None, b"key"]))

    def start(self) -> None:
        """A process starts, on a disk that may hold snapshots."""
        used = {process.disk for process in self.world.processes if not process.task.done()}
        free = [disk for disk in ("a", "b", "c", "d") if disk not in used]
        if len(self.world.alive) < MOST_PROCESSES and free:
            disk = self.draw.choice(free[:2])
            if self.draw.random() < 0.3:
                shutil.rmtree(self.disk(disk), ignore_errors=True)
            self.launch(disk)

    def stop(self) -> None:
        """A process stops in order."""
        self.draw.choice(self.world.alive).stop()

    def kill(self) -> None:
        """A process dies."""
        self.draw.choice(self.world.alive).kill()

    def plan_crash(self) -> None:
        """A process will die at a point."""
        process = self.draw.choice(self.world.alive)
        process.crash_at(self.draw.choice(POINTS), self.draw.choice([1, 1, 2, 3, 8]))

    def rebalance(self) -> None:
        """Partitions move and may come back at once."""
        broker, settings = self.world.broker, self.world.settings
        for (name, topic), state in broker.groups.items():
            other = MemoryClient(broker).group(name, topic, settings.input.start)
            state.move(joins=other)
            if self.draw.random() < 0.5:
                state.move(leaves=other)
            else:
                leave = partial(state.move, leaves=other)
                self.world.loop.call_later(self.draw.choice([0.01, 1.0]), leave)
        broker.wake()

    def freeze(self) -> None:
        """A process makes no progress for longer than its session."""
        process, loop = self.draw.choice(self.world.alive), self.world.loop
        seconds = self.draw.choice([1.0, 7.0, 20.0])
        process.broker.frozen_until = loop.now + seconds
        process.broker.expire()
        loop.call_later(seconds + self.draw.choice([0.0, 0.05, 1.0]), process.broker.rejoin)

    def disturb_network(self) -> None:
        """The network has faults for a while, for one process or for all."""
        until = self.world.loop.now + self.draw.choice([1.0, 5.0, 30.0])
        fails = self.draw.choice([0.0, 0.02, 0.1, 0.5, 1.0])
        slow = self.draw.choice([0.0, 0.2, 3.0, 12.0])
        late = self.draw.choice([0.0, 0.0, 0.3])
        chosen = self.world.alive if self.draw.random() < 0.3 else [self.draw.choice(self.world.alive)]
        for process in chosen:
            process.broker.network = NetworkFaults(until, fails, slow, late)

    def compact(self) -> None:
        """The broker compacts the queries; tombstones stay until every process could read them."""
        topic = self.world.settings.topics.queries
        read = all(process.read_queries for process in self.world.processes if not process.task.done())
        self.world.broker.compact(topic, tombstones=not read or self.draw.random() < 0.7)
        self.world.broker.compact(self.world.settings.topics.control)

    def end_transaction(self) -> None:
        """Another producer's transaction ends in some partitions: its marker takes an offset."""
        topics = self.world.settings.topics
        topic = self.draw.choice([topics.samples, topics.labels])
        for partition in range(len(self.world.broker.topics[topic])):
            if self.draw.random() < 0.7:
                self.world.trace(f"marker in {topic}-{partition}")
                self.world.broker.mark(topic, partition)

    def send_odd_timestamps(self) -> None:
        """A producer stamps its samples years ahead; not where the hours of the budget may matter."""
        plan = self.world.plan
        if plan.settings.budget.per_hour is None and "change_budget" not in plan.events:
            self.world.broker.producer_ahead_ms = self.draw.choice([10**9, 10**12, 10**15])
            self.send_samples()
            self.world.broker.producer_ahead_ms = None

    def pass_log_time(self) -> None:
        """Log time passes, at most two lives of a query."""
        life_ms = query_life_ms(self.world.settings.queries)
        self.world.broker.now_ms += int(life_ms * self.draw.choice([0.3, 0.6, 1.1, 2.0]))

    def pause_or_resume(self) -> None:
        """An operator pauses a process, or resumes it."""
        app = self.draw.choice(self.world.alive).app
        self.draw.choice([app.resume, app.pause])()

    def change_budget(self) -> None:
        """An operator changes the budget, or takes a change back."""
        process, draw = self.draw.choice(self.world.alive), self.draw
        members = {
            "share": draw.choice([0.1, 0.2, 0.5, 1.0, None]),
            "exploration": draw.choice([0.0, 0.5, None]),
            "pending": draw.choice([2, 1000, None]),
            "per_hour": draw.choice([2, None]),
            "total": draw.choice([9, None]),
        }
        chosen = draw.sample(sorted(members), draw.randrange(1, 4))
        request = {"budget": {name: members[name] for name in chosen}}
        self.world.trace(f"{process.name} is asked for {request}")
        process.request(changes.change_settings(process.app, request, "operator"))

    def roll_back(self) -> None:
        """An operator excludes examples, or lets excluded ones count again."""
        process = self.draw.choice(self.world.alive)
        end = self.world.broker.topics[self.world.settings.topics.examples][0].end
        begin, upto = sorted((self.draw.randrange(end + 1), self.draw.randrange(end + 1)))
        back = self.draw.random() < 0.6
        self.world.trace(f"{process.name} is asked to {'exclude' if back else 'include'} {begin} to {upto}")
        work = changes.roll_back if back else partial(changes.restore, end=upto)
        process.request(work(process.app, begin, by=None))

    def damage_snapshots(self) -> None:
        """The snapshots of a free disk are torn, get a wrong bit, or are replaced by foreign ones."""
        used = {process.disk for process in self.world.processes if not process.task.done()}
        free = [disk for disk in ("a", "b", "c", "d") if disk not in used]
        if not free:
            return
        disk = self.draw.choice(free[:2])
        manner = self.draw.choice(["tear", "flip", "replace"])
        if manner == "replace":
            self._replace(disk)
            return
        for path in sorted(self.disk(disk).glob("*.snapshot")):
            content = bytearray(path.read_bytes())
            place = self.draw.randrange(max(1, len(content)))
            if content and manner == "flip":
                content[place] ^= 1 << self.draw.randrange(8)
            else:
                del content[place:]
            path.write_bytes(content)

    def _replace(self, disk: str) -> None:
        """Put a snapshot of another application there, of a topic that was as long as ours."""
        length = self.world.broker.topics[self.world.settings.topics.examples][0].end
        if not length:
            return
        learner = fresh_learner(self.world.settings)
        for offset in range(length):
            example = Example(
                id=f"foreign{offset}", label=offset % 3 == 0, features={"x": 0.5 + offset, "y": 1.0}
            )
            learner.fold(example, offset)
        last = Record("elsewhere", 0, length - 1, 1_600_000_000_000, b"foreign", encode(example))
        own = self.world.settings.snapshots.model_copy(update={"directory": str(self.disk(disk))})
        settings = self.world.settings.model_copy(update={"snapshots": own})
        shutil.rmtree(self.disk(disk), ignore_errors=True)
        snapshots = Snapshots(settings, learner.model.fingerprint)
        self.world.trace(f"a foreign snapshot of {length} examples on {disk}")
        self.world.loop.create_task(_save(snapshots, learner, Anchor.of(last)))
        self.foreign.add(disk)


async def _save(snapshots: Snapshots, learner: object, anchor: Anchor) -> None:
    await snapshots.save(learner, anchor)  # type: ignore[arg-type]
