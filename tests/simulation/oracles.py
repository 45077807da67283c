"""The oracles: what must hold at every moment, and what must hold at rest.

At every commit
    O2  whatever lies before the committed offset has its effects in the log: a sample its prediction (and
        its query, if it was selected) or its dead letter; a label its example, tombstone or dead letter
At every record
        no query is closed before it can be (its example is in the log, it was skipped, or its life is over)
        no answer to what has an example is called unknown
At rest
    O1  every selection that was committed is in `queries`, as it was decided
    O3  each id is learned at most once per replica
    O4  equal model digests at equal examples offset on all replicas
    O5  the pure engine over the dumped topics decides the same and learns the same (`replay`)
        the budget is overspent by at most one batch for each that was decided in vain
        what operators changed last is in force everywhere
        pending queries stay below their cap, the highest there was, for every replica at work
        the first label in the log wins, and one that came in time is never lost
        a label that contradicts it is recorded
        what cannot be used lies in the dead letters as it was
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec

from stream_al.service.broker.dead_letters import origin
from stream_al.service.broker.protocols import Record
from stream_al.settings import Settings
from tests.simulation.broker import Commit, Sent, SimBroker
from tests.simulation.changes import budgets, exclusions
from tests.simulation.process import Process
from tests.simulation.replay import Failed, Replay, require

__all__ = ["Failed", "Oracles"]

MOST_PROCESSES = 5  # at a time


class Oracles:
    """Watches one application."""

    def __init__(self, settings: Settings, broker: SimBroker) -> None:
        self.settings = settings
        self.broker = broker
        self.topics = settings.topics
        self.open: set[str] = set()
        self._predicted: set[str] = set()
        self._asked: dict[str, list[Record]] = defaultdict(list)
        self._examples: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._closed: set[str] = set()
        self._waiting: set[str] = set()
        self._most_waiting = 0
        self._now = 0  # the number of records so far
        self._came_at: dict[tuple[str, int, int], int] = {}
        self._learned_at: dict[str, int] = {}
        self._ids: list[str] = []  # of the examples, by offset
        self._voided: set[str] = set()
        self._buried: dict[tuple[str, int, int], Record] = {}
        self._checked: dict[tuple[str, int], int] = defaultdict(int)
        self._records: dict[tuple[str, int], list[Record]] = defaultdict(list)

    def on_record(self, sent: Sent) -> None:
        """Take note of a record, and check what must hold at once."""
        record, topics = sent.record, self.topics
        self._now += 1
        self._came_at[record.topic, record.partition, record.offset] = self._now
        self._records[record.topic, record.partition].append(record)
        key = (record.key or b"").decode("utf-8", "replace")
        if record.topic == topics.predictions:
            self._predicted.add(key)
        elif record.topic == topics.control:
            self._void()
        elif record.topic == topics.examples:
            self._learned_at.setdefault(key, self._now)
            self._waiting.discard(key)
            self._examples[key].append(msgspec.json.decode(record.value or b""))
            self._ids.append(key)
            self._void()
        elif record.topic.endswith(topics.dead_letter_suffix):
            facts, _ = origin(record)
            place = facts["topic"], int(facts["partition"])
            self._buried[*place, int(facts["offset"])] = record
            if facts["exception"] == "unknown_id":
                self._unknown(self._records[place][int(facts["offset"])])
        elif record.topic == topics.queries:
            self._queried(key, record)

    def _void(self) -> None:
        """Take note of ids of which an example does not count, or did not once: they are free again."""
        for excluded in exclusions(self.settings, self.broker):
            self._voided |= {key for offset, key in enumerate(self._ids) if offset in excluded}

    def _queried(self, key: str, record: Record) -> None:
        if record.value is None:
            self._closed.add(key)
            self.open.discard(key)
            self._waiting.discard(key)
            known = key in self._examples or self._skipped(key)
            require(known or self._over(key, record.timestamp_ms), f"{key} was closed before its time")
            require(key in self._asked, f"{key} was closed, and never asked for")
            return
        self._asked[key].append(record)
        if key not in self._examples:
            self._waiting.add(key)
            self._most_waiting = max(self._most_waiting, len(self._waiting))
        if self.settings.queries.tombstones:
            self.open.add(key)

    def _unknown(self, label: Record) -> None:
        """An answer that was found to be unknown must have been so when it came."""
        sample_id = msgspec.json.decode(label.value or b"")["id"]
        came = self._came_at[label.topic, label.partition, label.offset]
        known = self._learned_at.get(sample_id, came) < came and sample_id not in self._voided
        require(not known, f"an answer to {sample_id} was called unknown, and its example is in the log")

    def on_commit(self, commit: Commit) -> None:
        """O2."""
        for partition, batch in commit.batches.items():
            place = (commit.topic, partition)
            records = self._records[place]
            while self._checked[place] < batch.position.offset:
                record = records[self._checked[place]]
                require(
                    (*place, record.offset) in self._buried or self._effective(record),
                    f"O2: the commit of {place} at {batch.position.offset} passes {record}",
                )
                self._checked[place] += 1

    def _effective(self, record: Record) -> bool:
        """Whether a sample or label has its effects in the log."""
        try:
            value = msgspec.json.decode(record.value or b"")
            sample_id = str(value["id"])
        except (msgspec.DecodeError, KeyError, TypeError, RecursionError):
            return False
        if record.topic == self.topics.samples:
            return sample_id in self._predicted
        learned = self._examples.get(sample_id, [])
        if value.get("skipped"):
            return bool(learned) or sample_id in self._closed or not self.settings.queries.tombstones
        said = any(example["label"] == value["label"] for example in learned)
        return said or self._over(sample_id, record.timestamp_ms)

    def _over(self, sample_id: str, now_ms: int) -> bool:
        """Whether the life of one of an id's queries is over by log time."""
        life_ms = int(self.settings.queries.life_hours * 3_600_000)
        return any(now_ms > record.timestamp_ms + life_ms for record in self._asked.get(sample_id, []))

    def _skipped(self, sample_id: str) -> bool:
        return any(label.get("skipped") for _, label in self._labels().get(sample_id, []))

    def _labels(self) -> dict[str, list[tuple[Record, dict[str, Any]]]]:
        """The answers to each id, in the order in which they came."""
        found: dict[str, list[tuple[Record, dict[str, Any]]]] = defaultdict(list)
        for sent in self.broker.journal.get(self.topics.labels, []):
            if sent.sender == "annotator":
                label = msgspec.json.decode(sent.record.value or b"")
                found[label["id"]].append((sent.record, label))
        return found

    def at_rest(self, processes: Sequence[Process], faults: int) -> None:
        """O1, O3, O4, O5 and the rest of the table."""
        replay = Replay(self.settings, self.broker)
        require(bool(processes), "nobody is left")
        for process in processes:
            self._check_model(process, replay)
        self._check_budget(replay, faults)
        self._check_labels()
        self._check_letters()
        require(not self.open, f"queries are left open: {sorted(self.open)[:5]}")

    def _check_model(self, process: Process, replay: Replay) -> None:
        app, learner = process.app, process.app.local_model.learner
        budget = budgets(self.settings, self.broker)[-1]
        require(
            app.control.budget == app.selection.settings.budget == budget,
            f"{process.name} goes by {app.selection.settings.budget}, not {budget}",
        )
        require(
            learner.offset == replay.offset, f"{process.name} is at {learner.offset}, not {replay.offset}"
        )
        learned = learner.model.examples
        require(
            learned == replay.learned == sum(learner.model.classes.values()),
            f"O3: {process.name} learned {learned} examples of {replay.learned} ids",
        )
        require(process.digest == replay.digest, f"O4: {process.name} has another model than the replay")
        require(
            len(learner.known.conflicted) == replay.conflicts,
            f"{process.name} knows {len(learner.known.conflicted)} conflicts of {replay.conflicts}",
        )

    def _check_budget(self, replay: Replay, faults: int) -> None:
        extra = {sample_id for sample_id in self._asked if sample_id not in replay.selected}
        vain = {sent.call for sent in self.broker.journal.get(self.topics.queries, []) if sent.record.value}
        vain -= replay.calls
        require(
            len(vain) <= faults, f"{len(vain)} batches were decided in vain, and {faults} faults happened"
        )
        of_vain = {
            (sent.record.key or b"").decode()
            for sent in self.broker.journal.get(self.topics.queries, [])
            if sent.call in vain
        }
        if self.settings.queries.tombstones:  # else nobody can tell which of them are over
            # Replicas may fill the last room at once, and what was sent in vain comes on top.
            highest = max(budget.pending for budget in budgets(self.settings, self.broker))
            most = MOST_PROCESSES * highest + len(of_vain)
            require(self._most_waiting <= most, f"{self._most_waiting} queries waited, {most} may")
        require(extra <= of_vain, f"nobody decided to ask for {sorted(extra - of_vain)[:5]}")

    def _check_labels(self) -> None:
        life_ms = int(self.settings.queries.life_hours * 3_600_000)
        often = [
            k
            for k, asked in self._asked.items()
            if len({msgspec.json.decode(r.value or b"")["sampled_at"] for r in asked}) > 1
        ]
        for sample_id, labels in self._labels().items():
            examples = [e for e in self._examples.get(sample_id, []) if e.get("features")]
            learned = examples[0]["label"] if examples else None
            given = [label["label"] for _, label in labels if not label.get("skipped")]
            require(learned is None or learned in given, f"{sample_id} was learned as {learned!r}")
            first, label = labels[0]
            orderly = len({record.partition for record, _ in labels}) == 1
            in_time = first.timestamp_ms <= self._asked[sample_id][0].timestamp_ms + life_ms
            if not orderly or not in_time or sample_id in often or sample_id in self._voided:
                continue
            if label.get("skipped"):
                # Without tombstones a skip is known to those alone who were there.
                told = self.settings.queries.tombstones and len(self._asked[sample_id]) == 1
                require(learned is None or not told, f"{sample_id} was skipped, and learned")
                continue
            require(learned is not None, f"the label of {sample_id} came in time and is lost")
            require(learned == label["label"], f"{sample_id}: the first label does not win")

    def _check_letters(self) -> None:
        for topic, partition, offset in self._buried:
            letter, was = self._buried[topic, partition, offset], self._records[topic, partition][offset]
            _, headers = origin(letter)
            same = (letter.key, letter.value, headers) == (was.key, was.value, was.headers)
            require(same, f"the dead letter of {was} is {letter}")
