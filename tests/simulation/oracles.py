"""The oracles: what must hold at every moment, and what must hold at rest.

At every commit
    O2  everything before the committed offset has its effects in the topics: a sample its prediction (and its
        query, if it was selected) or its dead letter; a label its example, tombstone or dead letter
At every record
        no query is closed too early: its example is in the topic, it was skipped, or its life is over
        no label of an id that has an example is taken for unknown
        every example has the features of the query that its label was given for
At rest
    O1  every selection that was committed is in `queries`, as it was decided
    O3  each id is learned at most once per replica
    O4  equal model digests at equal examples offset on all replicas
    O5  the pure engine over the journal decides the same and learns the same (`replay`)
        the budget is overspent by at most one batch for each batch that was decided and dropped
        what operators have changed last is in force everywhere
        pending queries stay below the highest cap that was in force, for every replica at work
        the first label in the log wins, and a label that came in time is never lost
        a label that contradicts it is recorded
        a record that cannot be used is in the dead letters as it was
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec

from stream_al.identity import version_of
from stream_al.service.broker.dead_letters import origin
from stream_al.service.broker.protocols import Record
from stream_al.service.broker.topics import query_life_ms
from stream_al.settings import Settings
from tests.simulation.broker import Commit, Sent, SimBroker
from tests.simulation.changes import budgets, exclusions
from tests.simulation.process import Process
from tests.simulation.replay import Failed, Replay, require, stream_id

__all__ = ["Failed", "Oracles", "shown_to"]

MAX_PROCESSES = 5  # at a time


def shown_to(features: dict[str, Any]) -> str:
    """What annotators note of the features that they were shown."""
    return msgspec.json.encode(features, order="sorted").decode()


class Oracles:
    """Watches one application."""

    def __init__(self, settings: Settings, broker: SimBroker) -> None:
        self.settings = settings
        self.broker = broker
        self.topics = settings.topics
        self.open: set[str] = set()
        self._predicted: set[str] = set()
        self._queries_of: dict[str, list[Record]] = defaultdict(list)
        self._examples: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._closed: set[str] = set()
        self._pending: set[str] = set()
        self._most_pending = 0
        self._now = 0  # the number of records so far
        self._arrived_at: dict[tuple[str, int, int], int] = {}
        self._learned_at: dict[str, int] = {}
        self._ids: list[str] = []  # of the examples, by offset
        self._excluded_ids: set[str] = set()
        self._dead_letters: dict[tuple[str, int, int], Record] = {}
        self._checked: dict[tuple[str, int], int] = defaultdict(int)
        self._records: dict[tuple[str, int], dict[int, Record]] = defaultdict(dict)

    def on_record(self, sent: Sent) -> None:
        """Note a record, and check what must hold at once."""
        record, topics = sent.record, self.topics
        self._now += 1
        self._arrived_at[record.topic, record.partition, record.offset] = self._now
        self._records[record.topic, record.partition][record.offset] = record
        key = (record.key or b"").decode("utf-8", "replace")
        if record.topic == topics.predictions:
            self._predicted.add(key)
        elif record.topic == topics.control:
            self._note_exclusions()
        elif record.topic == topics.examples:
            self._learned_at.setdefault(key, self._now)
            self._pending.discard(key)
            example = msgspec.json.decode(record.value or b"")
            self._examples[key].append(example)
            shown = (example.get("annotator") or "").partition("shown ")[2]
            if shown and "features" in example:
                require(
                    shown == shown_to(example["features"]),
                    f"{key} has the label of another sample: {example}",
                )
            self._ids.append(key)
            self._note_exclusions()
        elif record.topic.endswith(topics.dead_letter_suffix):
            facts, _ = origin(record)
            place = facts["topic"], int(facts["partition"])
            self._dead_letters[*place, int(facts["offset"])] = record
            if facts["exception"] == "unknown_id":
                self._unknown(self._records[place][int(facts["offset"])])
        elif record.topic == topics.queries:
            self._queried(key, record)

    def _note_exclusions(self) -> None:
        """Note the ids of which an example does not count, or once did not: they may be labelled again."""
        for excluded in exclusions(self.settings, self.broker):
            self._excluded_ids |= {key for offset, key in enumerate(self._ids) if offset in excluded}

    def _queried(self, key: str, record: Record) -> None:
        if record.value is None:
            self._closed.add(key)
            self.open.discard(key)
            self._pending.discard(key)
            known = key in self._examples or self._skipped(key)
            require(known or self._over(key, record.timestamp_ms), f"{key} was closed before its time")
            require(key in self._queries_of, f"{key} was closed, and there was no query")
            return
        self._queries_of[key].append(record)
        if key not in self._examples:
            self._pending.add(key)
            self._most_pending = max(self._most_pending, len(self._pending))
        if self.settings.queries.tombstones:
            self.open.add(key)

    def _unknown(self, label: Record) -> None:
        """A label that was taken for unknown must have been unknown when it came."""
        sample_id = msgspec.json.decode(label.value or b"")["id"]
        came = self._arrived_at[label.topic, label.partition, label.offset]
        known = self._learned_at.get(sample_id, came) < came and sample_id not in self._excluded_ids
        require(not known, f"a label of {sample_id} was taken for unknown, and its example is in the topic")

    def on_commit(self, commit: Commit) -> None:
        """O2."""
        for partition, batch in commit.batches.items():
            place = (commit.topic, partition)
            records = self._records[place]
            while self._checked[place] < batch.position.offset:
                record = records.get(self._checked[place])  # None: the marker of a transaction
                require(
                    record is None
                    or (*place, record.offset) in self._dead_letters
                    or self._effective(record),
                    f"O2: the commit of {place} at {batch.position.offset} passes {record}",
                )
                self._checked[place] += 1

    def _effective(self, record: Record) -> bool:
        """Whether a sample or label has its effects in the topics; a tombstone has none."""
        if record.value is None:
            return True
        try:
            value = msgspec.json.decode(record.value or b"")
            sample_id = str(value["id"])
        except (msgspec.DecodeError, KeyError, TypeError, RecursionError):
            return False
        if record.topic == self.topics.samples:
            return sample_id in self._predicted
        learned = self._examples.get(sample_id, [])
        if value.get("features"):
            learned = [*learned, *self._examples.get(f"{sample_id}#{version_of(value['features'])}", [])]
        if value.get("skipped"):
            return bool(learned) or sample_id in self._closed or not self.settings.queries.tombstones
        recorded = any(example["label"] == value["label"] for example in learned)
        return recorded or self._over(sample_id, record.timestamp_ms)

    def _over(self, sample_id: str, now_ms: int) -> bool:
        """Whether the life of a query of an id is over, by log time."""
        life_ms = query_life_ms(self.settings.queries)
        return any(now_ms > record.timestamp_ms + life_ms for record in self._queries_of.get(sample_id, []))

    def _skipped(self, sample_id: str) -> bool:
        return any(label.get("skipped") for _, label in self._labels().get(sample_id, []))

    def _labels(self) -> dict[str, list[tuple[Record, dict[str, Any]]]]:
        """The labels of each id, in the order in which they came."""
        found: dict[str, list[tuple[Record, dict[str, Any]]]] = defaultdict(list)
        for sent in self.broker.journal.get(self.topics.labels, []):
            if sent.sender == "annotator":
                label = msgspec.json.decode(sent.record.value or b"")
                found[label["id"]].append((sent.record, label))
        return found

    def at_rest(self, processes: Sequence[Process], faults: int) -> None:
        """O1, O3, O4, O5 and the rest of the table."""
        replay = Replay(self.settings, self.broker)
        require(bool(processes), "no process is left")
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
        extra = {sample_id for sample_id in self._queries_of if stream_id(sample_id) not in replay.selected}
        dropped = {
            sent.call for sent in self.broker.journal.get(self.topics.queries, []) if sent.record.value
        }
        dropped -= replay.calls
        require(
            len(dropped) <= faults,
            f"{len(dropped)} batches were decided and dropped, and {faults} faults happened",
        )
        dropped_ids = {
            (sent.record.key or b"").decode()
            for sent in self.broker.journal.get(self.topics.queries, [])
            if sent.call in dropped
        }
        if self.settings.queries.tombstones:  # without them, it is unknown which queries are over
            # Replicas may fill the last room at once; queries of dropped batches are added.
            highest = max(budget.pending for budget in budgets(self.settings, self.broker))
            most = MAX_PROCESSES * highest + len(dropped_ids)
            require(self._most_pending <= most, f"{self._most_pending} queries were pending, {most} may be")
        require(extra <= dropped_ids, f"no batch has selected {sorted(extra - dropped_ids)[:5]}")

    def _check_labels(self) -> None:
        life_ms = query_life_ms(self.settings.queries)
        often = [
            k
            for k, asked in self._queries_of.items()
            if len({msgspec.json.decode(r.value or b"")["sampled_at"] for r in asked}) > 1
        ]
        for sample_id, labels in self._labels().items():
            examples = [e for e in self._examples.get(sample_id, []) if e.get("features")]
            learned = examples[0]["label"] if examples else None
            given = [label["label"] for _, label in labels if not label.get("skipped")]
            require(learned is None or learned in given, f"{sample_id} was learned as {learned!r}")
            first, label = labels[0]
            orderly = len({record.partition for record, _ in labels}) == 1
            in_time = first.timestamp_ms <= self._queries_of[sample_id][0].timestamp_ms + life_ms
            if not orderly or not in_time or sample_id in often or sample_id in self._excluded_ids:
                continue
            if label.get("skipped"):
                # Without tombstones, only the process that has read a skip knows of it.
                known = self.settings.queries.tombstones and len(self._queries_of[sample_id]) == 1
                require(learned is None or not known, f"{sample_id} was skipped, and learned")
                continue
            require(learned is not None, f"the label of {sample_id} came in time and is lost")
            require(learned == label["label"], f"{sample_id}: the first label does not win")

    def _check_letters(self) -> None:
        for topic, partition, offset in self._dead_letters:
            letter, was = (
                self._dead_letters[topic, partition, offset],
                self._records[topic, partition][offset],
            )
            _, headers = origin(letter)
            same = (letter.key, letter.value, headers) == (was.key, was.value, was.headers)
            require(same, f"the dead letter of {was} is {letter}")
