"""O5: the pure engine over the journal, without any service, must decide and learn the same.

*Samples.* Every committed batch is decided again: by the account that its partition had at the first offset
of the batch, with the model after as many examples as its predictions say. Utility, threshold, propensity and
reason must be those in `predictions`, and those in the query (O1). The account after the batch must be the
one that was committed.

*Examples.* They are folded by the simplest rule: the first example of an id and its features is learned, and
nothing else.

*Changes.* Operators may have changed the budget, or the examples that count. Then a batch must be what one of
the budgets gives, with one of the models that have learned so many examples.
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
from stream_al.engine.samples.table import Sample, at_position
from stream_al.engine.selector import Selector
from stream_al.engine.strategies import ScoredSample
from stream_al.errors import BadMessage
from stream_al.identity import version_of
from stream_al.messages import ClassLabel, Example, decode, decode_json, label_text
from stream_al.service.broker.protocols import Record
from stream_al.service.engine_settings import fresh_learner, input_rules, selector
from stream_al.settings import Settings
from tests.simulation.broker import Commit, SimBroker
from tests.simulation.changes import budgets, exclusions

__all__ = ["Failed", "Replay", "require", "stream_id"]

MAX_BYTES = 10_000_000
SAME = ("utility", "threshold", "propensity", "reason")


class Failed(AssertionError):
    """A promise does not hold."""


def require(condition: bool, what: str) -> None:
    """Fail unless a condition holds."""
    if not condition:
        raise Failed(what)


def stream_id(query_id: str) -> str:
    """The id in the stream of a sample, by the id of its query or example."""
    return query_id.partition("#")[0]


@dataclass(slots=True)
class DecidedSample:
    """A sample that was decided about, and what was sent about it.

    Attributes:
        sample: The sample.
        prediction: Its prediction.
        query: Its query, if there is one.
        timestamp_ms: The timestamp of its record.
        scores: Its score by each model that may have decided about it, and whether that model was ready; by
            the exclusions of the model.
    """

    sample: Sample
    prediction: dict[str, Any]
    query: dict[str, Any] | None
    timestamp_ms: int
    scores: dict[Exclusions, tuple[ScoredSample, bool]] = field(default_factory=dict)


@dataclass(slots=True)
class Part:
    """The part of a committed batch that belongs to one partition."""

    partition: int
    first: int
    offset: int
    metadata: str
    decided: list[DecidedSample] = field(default_factory=list)


class Replay:
    """The topics of an application, replayed.

    Attributes:
        offset: The end of the examples.
        learned: The number of examples that are learned.
        conflicts: The number of ids with contradicting labels.
        digest: The digest of the model.
        selected: The ids that were selected in a committed batch.
        calls: The sending calls of committed batches.
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
        self._predictions = self._by_call(str(settings.topics.predictions))
        self._queries = self._by_call(settings.topics.queries)
        parts = [
            part
            for commit in broker.commits
            if commit.topic == settings.topics.samples
            for part in self._parts(commit)
        ]
        self._replay(parts)
        self._decide(parts)

    def _by_call(self, topic: str) -> dict[str, dict[int, list[dict[str, Any]]]]:
        """The messages that each process has sent to a topic, call by call."""
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
        calls = [call for call in self._predictions[commit.sender] if call <= commit.calls]
        require(bool(calls), f"O2: nothing was sent about {commit}")
        predictions = self._predictions[commit.sender][max(calls)]
        sent = [message["id"] for message in predictions]
        require(sent == expected, f"O2: {commit} stands for {expected}, and {sent} was sent")
        self.calls.add(max(calls))
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)  # a batch may hold a sample twice
        for query in self._queries[commit.sender][max(calls)]:
            found[query.get("sample_id", query["id"])].append(query)
        messages = iter(predictions)
        for part, read in zip(parts, samples, strict=True):
            for sample, timestamp_ms in read:
                message = next(messages)
                queries = found[sample.id] if message["queried"] else []
                part.decided.append(
                    DecidedSample(sample, message, queries.pop(0) if queries else None, timestamp_ms)
                )
        return parts

    def _readable(self, partition: int, first: int, offset: int) -> list[tuple[Sample, int]]:
        """The samples between two offsets, each with its timestamp."""
        found, rules = [], input_rules(self.settings)
        for record in self._samples[partition]:
            if not first <= record.offset < offset:
                continue
            with suppress(BadMessage):
                given = decode_json(record.value, max_bytes=self.settings.input.max_bytes)
                sample = read_sample(given, rules, key=record.key, position=_position(record))
                found.append((at_position(sample, partition, record.offset), record.timestamp_ms))
        return found

    def _replay(self, parts: list[Part]) -> None:
        """Learn the examples, and score every sample with each model that may have decided about it."""
        by_examples: dict[int, list[DecidedSample]] = defaultdict(list)
        for part in parts:
            for decided in part.decided:
                by_examples[decided.prediction["model"]["examples"]].append(decided)
        found = exclusions(self.settings, self.broker)
        history = self.broker.history(self.settings.topics.examples)
        for excluded in {*found} - {found[-1]}:
            self._learn(excluded, history, by_examples)
        model, self.conflicts = self._learn(found[-1], history, by_examples)
        unscored = {one.prediction["id"] for part in parts for one in part.decided if not one.scores}
        require(not unscored, f"O5: no process can have had the model that has scored {sorted(unscored)}")
        self.offset, self.learned, self.digest = len(history), model.examples, model.digest()

    def _learn(
        self, excluded: Exclusions, history: list[Record], by_examples: dict[int, list[DecidedSample]]
    ) -> tuple[Model, int]:
        """The model of the examples that count, and the number of conflicts; it scores samples on its way."""
        conflicts = set[tuple[str, str | None]]()
        labels: dict[tuple[str, str | None], ClassLabel] = {}
        model = fresh_learner(self.settings).model
        self._score(excluded, model, by_examples)
        for offset, record in enumerate(history):
            example = decode(Example, record.value, max_bytes=MAX_BYTES)
            if offset in excluded:
                continue
            version = example.version if example.features is None else version_of(example.features)
            sample = stream_id(example.id), version
            if sample in labels:
                conflicts |= {sample} if labels[sample] != example.label else set()
            elif example.features is not None:
                labels[sample] = example.label
                before = model.examples
                with suppress(BadMessage):  # refused; its id is known all the same
                    model.learn(example.features, example.label)
                if model.examples > before:
                    self._score(excluded, model, by_examples)
        return model, len(conflicts)

    def _score(self, excluded: Exclusions, model: Model, by_examples: dict[int, list[DecidedSample]]) -> None:
        for decided in by_examples.get(model.examples, []):
            (arrival,) = self._selectors[0].score_many(model, [decided.sample], [decided.timestamp_ms])
            decided.scores[excluded] = arrival, model.ready

    def _decide(self, parts: list[Part]) -> None:
        """Decide again, batch by batch, each from the account at its first offset."""
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
        """The account after a part of a batch, by one of the budgets and one of the models."""
        failures: list[Failed] = []
        models = [set(decided.scores) for decided in part.decided] or [{Exclusions()}]
        for one, excluded in product(self._selectors, set.intersection(*models)):
            state = one.start() if before is None else before
            if not state.account.arrivals:  # two processes may have begun it, each by its own budget
                state = replace(state, account=replace(state.account, share=one.manager.share))
            try:
                return self._part(part, one, excluded, state)
            except Failed as failure:
                failures.append(failure)
        require(bool(failures), f"O5: no process can have had one model for all of {part}")
        raise failures[-1]

    def _part(self, part: Part, one: Selector, excluded: Exclusions, state: Any) -> Any:
        if not part.decided:  # only bad records: a new budget begins with them all the same
            _, state = one.decide(state, [], Context())
        for decided in part.decided:
            state = self._decide_again(decided, one, excluded, state, part.partition)
        expected = one.encode(state)
        where = f"{part.partition}, {part.first} to {part.offset}"
        require(part.metadata == expected, f"O5: account of {where}: {part.metadata}, not {expected}")
        self.selected |= {decided.sample.id for decided in part.decided if decided.prediction["queried"]}
        return state

    def _decide_again(
        self, decided: DecidedSample, one: Selector, excluded: Exclusions, state: Any, partition: int
    ) -> Any:
        arrival, ready = decided.scores[excluded]
        sent = decided.prediction
        context = Context(
            ready=ready,
            room=1 if sent["propensity"] > 0 else 0,  # a propensity of zero says that the cap was reached
            pending=sent["pending"],
            known=sent["model"]["examples"],
            partition=partition,
            partitions=self._partitions,
        )
        (made,), state = one.decide(state, [arrival], context)
        again = {name: getattr(made, name) for name in SAME}
        was = {name: sent[name] for name in SAME}
        require(again == was, f"O5: {sent['id']} was {was}, and is {again}")
        probabilities = {label_text(label): p for label, p in arrival.probabilities.items()}
        require(
            (sent["label"], sent["probabilities"]) == (likeliest_label(arrival.probabilities), probabilities),
            f"O5: the prediction for {sent['id']} was {sent}, and is {probabilities}",
        )
        require(made.selected == sent["queried"], f"O5: {sent['id']} is selected only once")
        if made.selected:
            query = decided.query
            require(query is not None, f"O1: {sent['id']} was selected, and there is no query")
            require(query is not None and {n: query[n] for n in SAME} == was, f"O1: {query} is not {was}")
        return state


def _position(record: Record) -> str:
    return f"{record.topic}-{record.partition}-{record.offset}"
