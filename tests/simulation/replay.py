"""O5: the pure engine over the dumped topics, in no service, must decide and learn the same.

Every committed batch of samples is decided again: by the account that its partition had at the batch's
first offset, with the model of as many examples as its predictions are stamped with. Utility, threshold,
propensity and reason must be the ones in `predictions`, and in the query (O1); the account after the
batch must be the one in the commit's metadata. Examples are folded by the plainest of rules: the first
example of an id is learned, nothing else.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec

from stream_al.engine.budgets import Situation
from stream_al.engine.model import Label as LabelValue
from stream_al.engine.model import Model, prediction
from stream_al.engine.sample import read_sample
from stream_al.engine.strategies import Arrival
from stream_al.engine.table import Sample
from stream_al.errors import BadMessage
from stream_al.messages import Example, decode, decode_json, label_text
from stream_al.service.learn import fresh_learner
from stream_al.service.log import Record
from stream_al.service.select import input_rules, selector
from stream_al.settings import Settings
from tests.simulation.broker import Commit, SimBroker

__all__ = ["Failed", "Replay", "require"]

MAX_BYTES = 10_000_000
SAME = ("utility", "threshold", "propensity", "reason")


class Failed(AssertionError):
    """An oracle says no."""


def require(condition: bool, what: str) -> None:
    """Fail unless something is so."""
    if not condition:
        raise Failed(what)


@dataclass(slots=True)
class Told:
    """What was sent about one sample: its prediction, and its sight by the model (from the replay)."""

    sample: Sample
    said: dict[str, Any]
    asked: dict[str, Any] | None
    came_ms: int
    arrival: Arrival | None = None
    ready: bool = False


@dataclass(slots=True)
class Part:
    """One partition's part in a committed batch."""

    partition: int
    first: int
    offset: int
    metadata: str
    told: list[Told] = field(default_factory=list)


class Replay:
    """The logs of an application, replayed.

    Attributes:
        offset: The end of the examples.
        learned: How many of them are learned.
        conflicts: How many ids have contradicting labels.
        digest: Of the model.
        selected: Ids that were selected in a committed batch.
        calls: The calls of sending that committed batches were sent with.
        arrivals: Samples by partition that the accounts have to have counted.
    """

    def __init__(self, settings: Settings, broker: SimBroker) -> None:
        self.settings = settings
        self.broker = broker
        self.selected: set[str] = set()
        self.calls: set[int] = set()
        self._selector = selector(settings)
        self._partitions = len(broker.topics[settings.topics.samples])
        self._samples: dict[int, list[Record]] = defaultdict(list)
        for record in broker.history(settings.topics.samples):
            self._samples[record.partition].append(record)
        self._said = self._by_call(str(settings.topics.predictions))
        self._asked = self._by_call(settings.topics.queries)
        parts = [
            part
            for commit in broker.commits
            if commit.topic == settings.topics.samples
            for part in self._parts(commit)
        ]
        self._fold(parts)
        self._decide(parts)

    def _by_call(self, topic: str) -> dict[str, dict[int, list[dict[str, Any]]]]:
        """What each process sent to a topic, call by call."""
        found: dict[str, dict[int, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
        for sent in self.broker.journal.get(topic, []):
            if sent.record.value is not None:
                found[sent.sender][sent.call].append(msgspec.json.decode(sent.record.value))
        return found

    def _parts(self, commit: Commit) -> list[Part]:
        """The samples of a commit, each with what was sent about it."""
        parts, samples = [], []
        for partition, batch in commit.batches.items():
            position = batch.position
            parts.append(Part(partition, batch.first, position.offset, position.metadata))
            samples.append(self._readable(partition, batch.first, position.offset))
        expected = [sample.id for part in samples for sample, _ in part]
        if not expected:
            return parts
        calls = [call for call in self._said[commit.sender] if call <= commit.calls]
        require(bool(calls), f"O2: {commit} was sent nothing about")
        said = self._said[commit.sender][max(calls)]
        told = [message["id"] for message in said]
        require(told == expected, f"O2: {commit} stands for {expected}, and was sent {told}")
        self.calls.add(max(calls))
        asked: dict[str, list[dict[str, Any]]] = defaultdict(list)  # a batch may hold a sample twice
        for query in self._asked[commit.sender][max(calls)]:
            asked[query["id"]].append(query)
        messages = iter(said)
        for part, read in zip(parts, samples, strict=True):
            for sample, came_ms in read:
                message = next(messages)
                queries = asked[sample.id] if message["queried"] else []
                part.told.append(Told(sample, message, queries.pop(0) if queries else None, came_ms))
        return parts

    def _readable(self, partition: int, first: int, offset: int) -> list[tuple[Sample, int]]:
        """The samples between two offsets, each with its timestamp."""
        found, rules = [], input_rules(self.settings)
        for record in self._samples[partition][first:offset]:
            with suppress(BadMessage):
                given = decode_json(record.value, max_bytes=self.settings.input.max_bytes)
                sample = read_sample(given, rules, key=record.key, position=_position(record))
                found.append((sample, record.timestamp_ms))
        return found

    def _fold(self, parts: list[Part]) -> None:
        """Learn the examples, and look at every sample with the model that it was seen with."""
        waiting: dict[int, list[Told]] = defaultdict(list)
        for part in parts:
            for told in part.told:
                waiting[told.said["model"]["examples"]].append(told)
        conflicts = set[str]()
        labels: dict[str, LabelValue] = {}
        model = fresh_learner(self.settings).model
        self._look(model, waiting)
        history = self.broker.history(self.settings.topics.examples)
        for record in history:
            example = decode(Example, record.value, max_bytes=MAX_BYTES)
            if example.id in labels:
                conflicts |= {example.id} if labels[example.id] != example.label else set()
            elif example.features is not None:
                labels[example.id] = example.label
                with suppress(BadMessage):  # refused, and known all the same
                    model.learn(example.features, example.label)
                self._look(model, waiting)
        require(not waiting, f"O5: nobody can have seen a model of {sorted(waiting)} examples")
        self.offset, self.learned, self.conflicts = len(history), model.examples, len(conflicts)
        self.digest = model.digest()

    def _look(self, model: Model, waiting: dict[int, list[Told]]) -> None:
        for told in waiting.pop(model.examples, []):
            told.arrival = self._selector.look(model, told.sample.id, told.sample.features, told.came_ms)
            told.ready = model.ready

    def _decide(self, parts: list[Part]) -> None:
        """Decide again, batch by batch, each on the account as it stood at its first offset."""
        states: dict[tuple[int, int], Any] = {}
        begun: set[int] = set()
        for part in parts:
            place = (part.partition, part.first)
            require(
                place in states or part.partition not in begun, f"O5: no account was committed at {place}"
            )
            state = states.get(place, self._selector.start())
            begun.add(part.partition)
            for told in part.told:
                state = self._again(told, state, part.partition)
            expected = self._selector.encode(state)
            where = f"{place} to {part.offset}"
            require(part.metadata == expected, f"O5: account of {where}: {part.metadata}, not {expected}")
            states[part.partition, part.offset] = state
        ends = {p: s for (p, o), s in states.items() if o == len(self._samples[p])}
        self.arrivals = {p: s.account.arrivals for p, s in ends.items()}

    def _again(self, told: Told, state: Any, partition: int) -> Any:
        assert told.arrival is not None
        said, arrival = told.said, told.arrival
        room = 1 if said["propensity"] > 0 else 0  # a propensity of zero says that the cap was reached
        situation = Situation(told.ready, room, said["pending"], partition, self._partitions)
        (made,), state = self._selector.decide(state, [arrival], situation)
        again = {name: getattr(made, name) for name in SAME}
        was = {name: said[name] for name in SAME}
        require(again == was, f"O5: {said['id']} was {was}, and is {again}")
        probabilities = {label_text(label): p for label, p in arrival.probabilities.items()}
        require(
            (said["label"], said["probabilities"]) == (prediction(arrival.probabilities), probabilities),
            f"O5: the prediction for {said['id']} was {said}, and is {probabilities}",
        )
        require(made.selected == said["queried"], f"O5: {said['id']} is selected only once")
        if made.selected:
            asked = told.asked
            require(asked is not None, f"O1: {said['id']} was selected and not asked for")
            require(asked is not None and {n: asked[n] for n in SAME} == was, f"O1: {asked} is not {was}")
            self.selected.add(made.id)
        return state


def _position(record: Record) -> str:
    return f"{record.topic}-{record.partition}-{record.offset}"
