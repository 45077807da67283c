"""O5: the pure engine over the dumped topics, in no service, must decide and learn the same.

Every committed batch of samples is decided again: by the account that its partition had at the batch's
first offset, with the model of as many examples as its predictions are stamped with. Utility, threshold,
propensity and reason must be the ones in `predictions`, and in the query (O1); the account after the
batch must be the one in the commit's metadata. Examples are folded by the plainest of rules: the first
example of an id is learned, nothing else.

Where operators changed the budget or the examples that count, a batch must be what one of the budgets made of
it, after all its samples were seen by one of the models that there were with so many examples.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import msgspec

from stream_al.engine.budgets import Context
from stream_al.engine.labels.exclusions import Exclusions
from stream_al.engine.model.model import Model
from stream_al.engine.model.predictions import likeliest_label
from stream_al.engine.samples.sample import read_sample
from stream_al.engine.samples.table import Sample
from stream_al.engine.selector import Selector
from stream_al.engine.strategies import ScoredSample
from stream_al.errors import BadMessage
from stream_al.messages import ClassLabel, Example, decode, decode_json, label_text
from stream_al.service.broker.protocols import Record
from stream_al.service.engine_settings import fresh_learner, input_rules, selector
from stream_al.settings import Settings
from tests.simulation.broker import Commit, SimBroker
from tests.simulation.changes import budgets, exclusions

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
    """What was sent about one sample: its prediction, and its sights by the models that may have been it."""

    sample: Sample
    said: dict[str, Any]
    asked: dict[str, Any] | None
    came_ms: int
    candidates: dict[Exclusions, tuple[ScoredSample, bool]] = field(default_factory=dict)


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
    """

    def __init__(self, settings: Settings, broker: SimBroker) -> None:
        self.settings = settings
        self.broker = broker
        self.selected: set[str] = set()
        self.calls: set[int] = set()
        found = {budget.model_dump_json(): budget for budget in budgets(settings, broker)}
        self._selectors = [
            selector(settings.model_copy(update={"budget": budget})) for budget in found.values()
        ]
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
        self._replay(parts)
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

    def _replay(self, parts: list[Part]) -> None:
        """Learn the examples, and look at every sample with the models that it may have been seen with."""
        waiting: dict[int, list[Told]] = defaultdict(list)
        for part in parts:
            for told in part.told:
                waiting[told.said["model"]["examples"]].append(told)
        found = exclusions(self.settings, self.broker)
        history = self.broker.history(self.settings.topics.examples)
        for excluded in {*found} - {found[-1]}:
            self._learn(excluded, history, waiting)
        model, self.conflicts = self._learn(found[-1], history, waiting)
        unseen = {told.said["id"] for part in parts for told in part.told if not told.candidates}
        require(not unseen, f"O5: nobody can have had the model that {sorted(unseen)} were seen with")
        self.offset, self.learned, self.digest = len(history), model.examples, model.digest()

    def _learn(
        self, excluded: Exclusions, history: list[Record], waiting: dict[int, list[Told]]
    ) -> tuple[Model, int]:
        """The model of all examples but some, and the number of contradictions; look with it on the way."""
        conflicts = set[str]()
        labels: dict[str, ClassLabel] = {}
        model = fresh_learner(self.settings).model
        self._look(excluded, model, waiting)
        for offset, record in enumerate(history):
            example = decode(Example, record.value, max_bytes=MAX_BYTES)
            if offset in excluded:
                continue
            if example.id in labels:
                conflicts |= {example.id} if labels[example.id] != example.label else set()
            elif example.features is not None:
                labels[example.id] = example.label
                before = model.examples
                with suppress(BadMessage):  # refused, and known all the same
                    model.learn(example.features, example.label)
                if model.examples > before:
                    self._look(excluded, model, waiting)
        return model, len(conflicts)

    def _look(self, excluded: Exclusions, model: Model, waiting: dict[int, list[Told]]) -> None:
        for told in waiting.get(model.examples, []):
            arrival = self._selectors[0].score(model, told.sample.id, told.sample.features, told.came_ms)
            told.candidates[excluded] = arrival, model.ready

    def _decide(self, parts: list[Part]) -> None:
        """Decide again, batch by batch, each on the account as it stood at its first offset."""
        states: dict[tuple[int, int], Any] = {}
        begun: set[int] = set()
        for part in parts:
            place = (part.partition, part.first)
            require(
                place in states or part.partition not in begun, f"O5: no account was committed at {place}"
            )
            begun.add(part.partition)
            states[part.partition, part.offset] = self._decided(part, states.get(place))

    def _decided(self, part: Part, before: Any) -> Any:
        """The account after one partition of a batch, by one of the budgets, of one of the models."""
        failures: list[Failed] = []
        seen = [set(told.candidates) for told in part.told] or [{Exclusions()}]
        for one, excluded in product(self._selectors, set.intersection(*seen)):
            state = one.start() if before is None else before
            if not state.account.arrivals:  # two may have begun it at once, each by its own budget
                state = replace(state, account=replace(state.account, share=one.manager.share))
            try:
                return self._part(part, one, excluded, state)
            except Failed as failure:
                failures.append(failure)
        require(bool(failures), f"O5: nobody can have had one model for all of {part}")
        raise failures[-1]

    def _part(self, part: Part, one: Selector, excluded: Exclusions, state: Any) -> Any:
        if not part.told:  # nothing but bad records: another budget begins with them all the same
            _, state = one.decide(state, [], Context())
        for told in part.told:
            state = self._again(told, one, excluded, state, part.partition)
        expected = one.encode(state)
        where = f"{part.partition}, {part.first} to {part.offset}"
        require(part.metadata == expected, f"O5: account of {where}: {part.metadata}, not {expected}")
        self.selected |= {told.sample.id for told in part.told if told.said["queried"]}
        return state

    def _again(self, told: Told, one: Selector, excluded: Exclusions, state: Any, partition: int) -> Any:
        arrival, ready = told.candidates[excluded]
        said = told.said
        context = Context(
            ready=ready,
            room=1 if said["propensity"] > 0 else 0,  # a propensity of zero says that the cap was reached
            pending=said["pending"],
            known=said["model"]["examples"],
            partition=partition,
            partitions=self._partitions,
        )
        (made,), state = one.decide(state, [arrival], context)
        again = {name: getattr(made, name) for name in SAME}
        was = {name: said[name] for name in SAME}
        require(again == was, f"O5: {said['id']} was {was}, and is {again}")
        probabilities = {label_text(label): p for label, p in arrival.probabilities.items()}
        require(
            (said["label"], said["probabilities"]) == (likeliest_label(arrival.probabilities), probabilities),
            f"O5: the prediction for {said['id']} was {said}, and is {probabilities}",
        )
        require(made.selected == said["queried"], f"O5: {said['id']} is selected only once")
        if made.selected:
            asked = told.asked
            require(asked is not None, f"O1: {said['id']} was selected and not asked for")
            require(asked is not None and {n: asked[n] for n in SAME} == was, f"O1: {asked} is not {was}")
        return state


def _position(record: Record) -> str:
    return f"{record.topic}-{record.partition}-{record.offset}"
