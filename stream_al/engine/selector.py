"""The selector: which samples of one partition are worth a label?

    sample --look: model, factors--> arrival --decide: memory, budget manager--> decision

It works in two steps. `score` does all that needs the model, sample by sample as they are read, where a
sample that the model fails on can still be set aside. `decide` takes the partition's state and a batch
of arrivals and returns the decisions and the state after them.

The selector is pure: nothing is applied. The service first makes the decisions durable, then commits
offset and encoded state in one write, and only then keeps the state, so that a crash at any point
repeats decisions and never forgets one.

The state of a partition is the budget manager's account, what was bought so far (for the caps on numbers
of labels) and, for a strategy that remembers, the memory of its last samples and queries. The lowest cap
binds: the manager is told how much room is left, and arrivals of different hours are decided apart, since
the room changes with the hour. The encoding is versioned and JSON, since it lives in the
metadata of Kafka's offset commits, where an operator may look at it and where a later version of this
program must still read it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

import numpy as np
from msgspec import Struct

from stream_al.engine import strategies
from stream_al.engine.budgets import MANAGERS, BudgetManager, Context, Reason
from stream_al.engine.budgets.caps import Account, Caps, hour_of
from stream_al.engine.encoding import rounded
from stream_al.engine.model.model import Model
from stream_al.engine.model.predictions import Predictions
from stream_al.engine.model.sketch import COMPONENTS, Point, points
from stream_al.engine.samples.table import Sample, sample_of
from stream_al.engine.strategies import Arrival, Candidates
from stream_al.engine.strategies.history import History, cut
from stream_al.errors import BadMessage

__all__ = ["Decision", "Selector", "State"]

STATE_VERSION = 1
STATE_LIMIT_BYTES = 4096  # Kafka's offset.metadata.max.bytes, as brokers have it by default
AHEAD = 32  # samples; under a budget of 5% a purchase comes every 20
_NOWHERE: Point = bytes(COMPONENTS)


class Decision(Struct, frozen=True, gc=False):
    """What was decided about one sample, and why.

    Attributes:
        id: The sample's id.
        selected: Whether its label is asked for.
        utility: How informative the label would be, in [0, 1].
        threshold: The utility at which the answer would have been yes.
        propensity: The probability with which the sample is selected; in (0, 1] for every selected one.
        reason: Why.
    """

    id: str
    selected: bool
    utility: float
    threshold: float
    propensity: float
    reason: Reason


@dataclass(frozen=True, slots=True)
class State:
    """The state of a partition.

    Attributes:
        account: The budget manager's state.
        spent: The labels bought, for the caps.
        history: Of the last samples and queries; None for a strategy that does without.
    """

    account: Any
    spent: Account = field(default_factory=Account)
    history: History | None = None


class Selector:
    """A query strategy and a budget manager, named as in the settings.

    Args:
        strategy: Factors out of `STRATEGIES`, joined by `*`.
        manager: A name in `MANAGERS`.
        share: The share of the arrivals whose label may be bought, in (0, 1].
        exploration: The share of the purchases drawn at random, in [0, 1].
        seed: The application's seed.
        target: Class, as text, to the share that the labels should have of it; None for equal shares.
        caps: On the number of labels; None for none.

    Attributes:
        strategy: The strategy; `strategy.model` makes the model that it can look through.
        strategy_name: Its text in normal form.

    Raises:
        Misconfigured: The strategy cannot be understood.

    >>> selector = Selector("margin", "stratified", share=0.5, exploration=0.0, seed=0)
    >>> model = selector.strategy.model("GaussianNB()", seed=0)
    >>> for x, label in [(0.0, "ham"), (0.2, "ham"), (0.8, "spam"), (1.0, "spam")]:
    ...     model.learn({"x": x}, label)
    >>> arrivals = [selector.score(model, str(x), {"x": x}) for x in (0.1, 0.6, 0.51, 0.9)]
    >>> decisions, after = selector.decide(selector.start(), arrivals, Context())
    >>> [d.id for d in decisions if d.selected]
    ['0.1', '0.51']
    """

    def __init__(
        self,
        strategy: str,
        manager: str,
        *,
        share: float,
        exploration: float,
        seed: int,
        target: Mapping[str, float] | None = None,
        caps: Caps | None = None,
    ) -> None:
        self.strategy = strategies.strategy(strategy)
        self.strategy_name = self.strategy.text
        self.manager_name = manager
        self.seed = seed
        self.target = target
        self.caps = caps or Caps()
        self.manager: BudgetManager = MANAGERS[manager](share, exploration, seed)

    def start(self) -> State:
        """The state of a partition before its first sample."""
        return State(self.manager.start(), history=History() if self.strategy.remembers else None)

    def score(
        self, model: Model, sample_id: str, features: Mapping[str, object], timestamp_ms: int = 0
    ) -> Arrival:
        """Look at a sample through the model as it stands; the model is left as it is.

        One law binds all strategies and is therefore kept here, once: a model that knows fewer than two
        classes cannot be certain of anything, so every utility is 1. (River gives such a model an
        entropy of 0, and a strategy that believes it never asks for the first label.)

        Args:
            model: One that `strategy.model` made.
            sample_id: The sample's id.
            features: The sample's features.
            timestamp_ms: When it came, by the log's time.

        Raises:
            BadMessage: River fails on these features (`model_error`).
        """
        (seen,) = self.score_many(model, [sample_of(sample_id, features)], [timestamp_ms])
        if isinstance(seen, BadMessage):
            raise seen
        return seen

    def score_many(
        self, model: Model, samples: Sequence[Sample], timestamps_ms: Sequence[int]
    ) -> list[Arrival | BadMessage]:
        """Look at many samples at once, and see in each what is seen in it alone.

        Args:
            model: One that `strategy.model` made.
            samples: The samples.
            timestamps_ms: When each came, by the log's time.

        Returns:
            For each sample the arrival, or why River fails on it.
        """
        predictions = model.predict_proba_many(samples)
        told: list[int] = np.flatnonzero(predictions.known).tolist()
        seen: list[Arrival | BadMessage] = []
        if len(told) < len(samples):
            came = zip(samples, timestamps_ms, strict=True)
            seen = [Arrival(sample.id, {}, 1.0, None, at) for sample, at in came]
            for place, error in predictions.failed.items():
                seen[place] = error
        if not told:
            return seen
        if not seen:
            return self._arrivals(model, samples, timestamps_ms, predictions)
        some = [samples[place] for place in told], [timestamps_ms[place] for place in told]
        for place, arrival in zip(told, self._arrivals(model, *some, predictions.some(told)), strict=True):
            seen[place] = arrival
        return seen

    def _arrivals(
        self, model: Model, samples: Sequence[Sample], timestamps_ms: Sequence[int], predictions: Predictions
    ) -> list[Arrival | BadMessage]:
        """The arrivals of samples that the model has an opinion about."""
        candidates = Candidates(
            samples, predictions.labels, predictions.probabilities, model, self.seed, self.target
        )
        utilities = self.strategy.utilities(candidates).tolist()
        sketches: Sequence[Point | None] = [None] * len(samples)
        if self.strategy.remembers:
            sketches = cut(model.sketches(samples).tobytes())
        seen: list[Arrival | BadMessage] = [
            Arrival(sample.id, said, utility, sketch, at)
            for sample, said, utility, sketch, at in zip(
                samples, predictions.rows(), utilities, sketches, timestamps_ms, strict=True
            )
        ]
        for place, error in candidates.failed.items():
            seen[place] = error
        return seen

    def decide(
        self, state: State, arrivals: Sequence[Arrival], context: Context
    ) -> tuple[list[Decision], State]:
        """Decide about arrivals in their order.

        Args:
            state: The partition's state before the first of them; it is left as it is.
            arrivals: The samples as `score` saw them.
            context: What else is known before the first of them; its room is that of the pending
                queries, the other caps are reckoned in here.

        Returns:
            One decision an arrival, and the state after the last of them.
        """
        decisions: list[Decision] = []
        for hour, part in self._by_hour(arrivals):
            room, _ = self.caps.room(state.spent, hour, context.partition, context.partitions)
            now = replace(context, room=min(context.room, room))
            if state.history is None:
                made, account, history = *self._decide_at_once(state.account, part, now), None
            else:
                made, account, history = self._decide_one_by_one(state.account, state.history, part, now)
            bought = sum(decision.selected for decision in made)
            state = State(account, state.spent.spend(hour, bought), history)
            context = context.after(bought)
            decisions += made
        return decisions, state

    def binding(self, state: State, context: Context) -> str:
        """The cap that binds a partition now: `share`, or the one that leaves no room.

        >>> selector = Selector("margin", "stratified", share=0.5, exploration=0.1, seed=0)
        >>> [selector.binding(selector.start(), Context(room=room)) for room in (9, 0)]
        ['share', 'pending']
        """
        if context.room <= 0:
            return "pending"
        room, cap = self.caps.room(state.spent, state.spent.hour, context.partition, context.partitions)
        return cap if cap is not None and room <= 0 else "share"

    def _by_hour(self, arrivals: Sequence[Arrival]) -> Iterator[tuple[int, Sequence[Arrival]]]:
        """Arrivals in stretches of one hour; all of them at once where hours do not count."""
        if self.caps.per_hour is None:
            yield 0, arrivals
            return
        for hour, part in groupby(arrivals, key=lambda arrival: hour_of(arrival.timestamp_ms)):
            yield hour, list(part)

    def _decide_at_once(
        self, account: Any, arrivals: Sequence[Arrival], context: Context
    ) -> tuple[list[Decision], Any]:
        scores = _rounded(arrivals)
        verdicts, account = self.manager.decide(account, scores, [a.id for a in arrivals], context)
        decisions = [
            Decision(a.id, v.selected, u, v.threshold, v.propensity, v.reason)
            for a, u, v in zip(arrivals, scores, verdicts, strict=True)
        ]
        return decisions, account

    def _decide_one_by_one(
        self, account: Any, history: History, arrivals: Sequence[Arrival], context: Context
    ) -> tuple[list[Decision], Any, History]:
        """What is decided about a sample is remembered when the next one is judged.

        What the factors by memory say is reckoned for some samples ahead, and anew after each purchase.
        """
        decisions = []
        session, cursor, strategy = self.manager.session(account, context), history.cursor(), self.strategy
        pending, partitions = context.pending, context.partitions
        sketches = points(b"".join([arrival.sketch or _NOWHERE for arrival in arrivals]))
        far, begin = 1 if strategy.by_samples else AHEAD, 0
        judged: list[tuple[float, ...]] = []
        for place, (utility, arrival) in enumerate(zip(_rounded(arrivals), arrivals, strict=True)):
            sketch, score = arrival.sketch, utility
            if sketch is not None:
                if place - begin >= len(judged):
                    begin, rows = place, sketches[place : place + far]
                    judged = strategy.ahead(rows, cursor, -(-pending // partitions))
                score = rounded(strategy.ranked(cursor.rank((utility, *judged[place - begin]))))
            v = session.step(score, arrival.id)
            if sketch is not None:
                cursor.remember(sketch, selected=v.selected)
            if v.selected:
                pending += 1
                judged = []
            decisions.append(Decision(arrival.id, v.selected, score, v.threshold, v.propensity, v.reason))
        return decisions, session.state(), cursor.history()

    def encode(self, state: State) -> str:
        """The state as text of at most `STATE_LIMIT_BYTES` bytes of ASCII."""
        values: dict[str, Any] = {
            "v": STATE_VERSION,
            "manager": self.manager_name,
            "state": self.manager.encode(state.account),
            "spent": state.spent.encode(),
        }
        if state.history is not None:
            values["memory"] = state.history.encode()
        text = json.dumps(values, separators=(",", ":"))
        if len(text) > STATE_LIMIT_BYTES:
            raise ValueError(f"the state of {self.manager_name} takes {len(text)} bytes")
        return text

    def decode(self, text: str) -> State | None:
        """The state that `encode` was given.

        A text without a memory, of a strategy that had none, gives an empty one; a memory that the
        strategy has no use for is left out.

        Returns:
            None if the text is of another version, of another manager or not ours at all: the
            partition then starts a fresh account, which no budget is hurt by.
        """
        try:
            values = json.loads(text)
            if values["v"] != STATE_VERSION or values["manager"] != self.manager_name:
                return None
            account = self.manager.decode(values["state"])
            spent = Account.decode(values["spent"]) if "spent" in values else Account()
            history = History.decode(values["memory"]) if "memory" in values else History()
        except (KeyError, TypeError, ValueError, RecursionError):
            return None
        return State(account, spent, history if self.strategy.remembers else None)


def _rounded(arrivals: Sequence[Arrival]) -> list[float]:
    """The utilities as managers remember them, in float32: what is explained is what was compared."""
    utilities: list[float] = np.asarray([arrival.utility for arrival in arrivals], dtype="<f4").tolist()
    return utilities
