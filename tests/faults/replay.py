"""The replay: the pure engine over the topics of a world, compared with what the service did.

Every prediction says how many examples the model had learned when it was made. So the replay learns
`examples` from the first to the last and stops at each of these numbers. There the model scores the samples
that the service scored with it. Then the selector decides, partition by partition and sample by sample, and
each decision is compared with the log.

A crash may cut a batch off. Then the service decides about the batch again, perhaps with another model, and
only one of the two decisions becomes the partition's state. So a sample may have several predictions. The
replay follows the log. A record that continues the one before it continues its state. Any other record begins
an attempt, which may start from any state that the partition can have at that sample. Every record must
follow from such a state, and the state committed last must be a possible one at its offset.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from stream_al.engine.budgets import Context
from stream_al.engine.labels.learner import Learner
from stream_al.engine.samples.sample import position_id, read_sample
from stream_al.engine.samples.table import Sample, at_position
from stream_al.engine.strategies import ScoredSample
from stream_al.errors import BadMessage
from stream_al.messages import Example, PredictionRecord, decode, decode_json
from stream_al.service.broker.protocols import Position, Record
from stream_al.service.engine_settings import fresh_learner, input_rules, selector
from stream_al.settings import Settings
from tests.faults.admin import committed_samples
from tests.support.world import World

__all__ = ["Replay"]

MAX_BYTES = 10**9
MOST_STATES = 500

Decided = tuple[float, float, float, bool, str]
"""Utility, threshold, propensity, whether it is queried, and the reason."""

Scored = tuple[ScoredSample, Context]


@dataclass
class Replay:
    """A replay of one world's topics."""

    world: World
    samples: list[Record]
    examples: list[Record]
    predictions: list[PredictionRecord]
    committed: Mapping[int, Position]
    learner: Learner = field(init=False)

    @classmethod
    async def of(cls, world: World) -> Replay:
        """Read the topics."""
        topics, said = world.topics, await world.records(str(world.topics.predictions))
        return cls(
            world,
            await world.records(topics.samples),
            await world.records(topics.examples),
            [msgspec.json.decode(record.value or b"", type=PredictionRecord) for record in said],
            await committed_samples(world),
        )

    def compare(self) -> int:
        """Decide about every sample again; how many predictions were compared.

        Raises:
            AssertionError: The engine decides otherwise.
        """
        partitions: dict[int, list[Sample]] = defaultdict(list)
        ends: dict[int, int] = {}  # how many samples lie before the committed offset
        for record in sorted(self.samples, key=lambda r: (r.partition, r.offset)):
            if sample := self._sample(record):
                position = self.committed.get(record.partition)
                if position and record.offset < position.offset:
                    ends[record.partition] = len(partitions[record.partition]) + 1
                partitions[record.partition].append(sample)
        scored = self._score([sample for samples in partitions.values() for sample in samples])
        for partition, samples in partitions.items():
            session = _Session(self.world.settings, samples)
            for said in self.predictions:
                if said.id in session.place:
                    session.step(said, *scored[said.id, said.model.examples])
            if partition in ends:
                session.end(ends[partition], self.committed[partition].metadata)
        return len(self.predictions)

    def digest(self) -> str:
        """The digest of the model after all examples. Call `compare` first."""
        return self.learner.model.digest()

    def _sample(self, record: Record) -> Sample | None:
        """The sample in a record; None if the record is not a sample."""
        settings = self.world.settings
        try:
            given = decode_json(record.value, max_bytes=settings.input.max_bytes)
            position = position_id(record.topic, record.partition, record.offset)
            sample = read_sample(given, input_rules(settings), key=record.key, position=position)
        except BadMessage:
            return None
        return at_position(sample, record.partition, record.offset)

    def _score(self, samples: list[Sample]) -> dict[tuple[str, int], Scored]:
        """The scores of each sample, by every model that the service scored it with."""
        self.learner = fresh_learner(self.world.settings)
        known = {sample.id: sample for sample in samples}
        due = defaultdict[int, set[str]](set)
        for said in self.predictions:
            due[said.model.examples].add(said.id)
        arrivals: dict[tuple[str, int], Scored] = {}
        engine = selector(self.world.settings)

        def score() -> None:
            model = self.learner.model
            for sample_id in due.pop(model.examples, ()):
                (arrival,) = engine.score_many(model, [known[sample_id]], [0])
                arrivals[sample_id, model.examples] = (
                    arrival,
                    Context(ready=model.ready, known=model.examples, partitions=self.world.topics.partitions),
                )

        score()
        for record in self.examples:
            example = decode(Example, record.value, max_bytes=MAX_BYTES)
            self.learner.fold(example, record.offset)
            score()
        assert not due, f"predictions by models of {sorted(due)[:5]} examples, which the log never had"
        return arrivals


class _Session:
    """The replay of one partition: which states are possible before each of its samples."""

    def __init__(self, settings: Settings, samples: list[Sample]) -> None:
        self.engine = selector(settings)
        self.place = {sample.id: number for number, sample in enumerate(samples)}
        self._possible = defaultdict[int, dict[str, Any]](dict)
        start = self.engine.start()
        self._possible[0] = {self.engine.encode(start): start}
        self._before: tuple[int, int] | None = None  # the next sample, and the model of this attempt
        self._states: dict[str, Any] = {}

    def step(self, said: PredictionRecord, arrival: ScoredSample, context: Context) -> None:
        """Follow one record of the log.

        Raises:
            AssertionError: No possible state leads to this record.
        """
        place = self.place[said.id]
        continues = self._before == (place, said.model.examples)
        after, others = self._follow(
            self._states if continues else self._possible[place], said, arrival, context
        )
        if continues and not after:
            after, others = self._follow(self._possible[place], said, arrival, context)
        assert after, f"{said.id}: the log says {_of(said)}, the engine {others or 'has no state here'}"
        assert len(after) < MOST_STATES, f"{len(after)} possible states"
        self._states, self._before = after, (place + 1, said.model.examples)
        self._possible[place + 1] |= after

    def end(self, place: int, metadata: str) -> None:
        """Check that the state committed last is possible at its sample."""
        known = self.engine.decode(metadata)
        assert known is not None, f"no state was committed with sample {place}"
        assert self.engine.encode(known) in self._possible[place], f"another state at sample {place}"

    def _follow(
        self, states: dict[str, Any], said: PredictionRecord, arrival: ScoredSample, context: Context
    ) -> tuple[dict[str, Any], set[Decided]]:
        """The states after a record, from the states that explain it; and what the others would decide."""
        after: dict[str, Any] = {}
        others: set[Decided] = set()
        for state in states.values():
            known = replace(context, pending=said.pending)
            (made,), then = self.engine.decide(state, [arrival], known)
            decided = made.utility, made.threshold, made.propensity, made.selected, made.reason.value
            if decided == _of(said):
                after[self.engine.encode(then)] = then
            else:
                others.add(decided)
        return after, others


def _of(said: PredictionRecord) -> Decided:
    return said.utility, said.threshold, said.propensity, said.queried, said.reason
