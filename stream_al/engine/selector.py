"""The selector: which samples of one partition are worth a label?

    sample --score: model, strategy--> scored sample --decide: history, budget manager--> decision

It works in two steps. `score` does everything that needs the model, as samples are read. `decide` takes the
partition's state and a batch of scored samples, and returns the decisions and the state after them.

The selector is pure: it applies nothing. The service first makes the decisions durable, then commits offset
and state in one write, and only then keeps the state. So a crash at any point repeats decisions and forgets
none.

**Utilities without an opinion of the model.** Two laws hold for all strategies and are therefore kept here.

    no prediction, or one class alone    1: whoever knows fewer than two classes cannot be certain of anything
    the model fails on the sample        0: it most likely fails to learn from it, too

(The entropy of one class is 0, and a strategy that used it would never ask for the first label.) A sample
that the model fails on is decided about like any other: it counts in the budget, exploration selects it with
the same probability as any other, and where the model fails on all samples their utilities are tied, so the
budget is spent as usual. With 1 in the place of 0, a tenth of samples that a model can neither predict nor
learn would take all labels of a budget of 5%.

The lowest cap binds. The manager is told how much room is left, and samples of different hours are decided
about separately, since the room changes with the hour.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import numpy as np

from stream_al.engine import partition_state, strategies
from stream_al.engine.budgets import MANAGERS, BudgetManager, Context, Decision
from stream_al.engine.budgets.caps import UNBOUNDED, Caps, hour_of
from stream_al.engine.budgets.second_labels import DIGITS
from stream_al.engine.encoding import rounded, rounded_all
from stream_al.engine.model.model import Model
from stream_al.engine.model.predictions import Predictions
from stream_al.engine.model.sketch import COMPONENTS, Point, points
from stream_al.engine.partition_state import State
from stream_al.engine.samples.table import Sample, sample_of
from stream_al.engine.strategies import Candidates, Failure, ScoredSample
from stream_al.engine.strategies.history.history import History, split
from stream_al.errors import BadMessage

__all__ = ["Selector"]

# Samples whose history factors are computed at once. A purchase makes the rest of them invalid, and under a
# budget of 5% one comes every 20 samples.
CHUNK = 32
_NO_SKETCH: Point = bytes(COMPONENTS)


class Selector:
    """A query strategy and a budget manager, named as in the settings.

    Args:
        strategy: Factors of `STRATEGIES`, joined by `*`.
        manager: A name in `MANAGERS`.
        share: The share of the samples whose label may be bought, in (0, 1].
        exploration: The share of the purchases drawn at random, in [0, 1].
        seed: The application's seed.
        target: Class, as text, to the share that the labels should have of it; None for equal shares.
        caps: On the number of labels, first and second; None for none.
        extra: How many second labels to buy for every first one (`engine.budgets.second_labels`). The share
            counts both.

    Attributes:
        strategy: The strategy; `strategy.model` makes the model that it needs.
        strategy_name: Its text in normal form.

    Raises:
        Misconfigured: The strategy cannot be understood.

    >>> selector = Selector("margin", "stratified", share=0.5, exploration=0.0, seed=0)
    >>> model = selector.strategy.model("GaussianNB()", seed=0)
    >>> for x, label in [(0.0, "ham"), (0.2, "ham"), (0.8, "spam"), (1.0, "spam")]:
    ...     model.learn({"x": x}, label)
    >>> scored = [selector.score(model, str(x), {"x": x}) for x in (0.1, 0.6, 0.51, 0.9)]
    >>> decisions, after = selector.decide(selector.start(), scored, Context())
    >>> [d.id for d in decisions if d.selected]
    ['0.1', '0.51']
    """

    def __init__(  # noqa: PLR0913 - what the settings say of the selection
        self,
        strategy: str,
        manager: str,
        *,
        share: float,
        exploration: float,
        seed: int,
        target: Mapping[str, float] | None = None,
        caps: Caps | None = None,
        extra: float = 0.0,
    ) -> None:
        self.strategy = strategies.strategy(strategy)
        self.strategy_name = self.strategy.text
        self.manager_name = manager
        self.seed = seed
        self.target = target
        self.caps = caps or Caps()
        self.extra = round(extra, DIGITS)
        first = share / (1.0 + self.extra) if self.extra else share
        self.manager: BudgetManager = MANAGERS[manager](first, exploration, seed)

    def start(self) -> State:
        """The state of a partition before its first sample."""
        return State(self.manager.start(), history=History() if self.strategy.uses_history else None)

    def encode(self, state: State) -> str:
        """The state as text for an offset commit; see `partition_state.encode`."""
        return partition_state.encode(state, self.manager_name, self.manager)

    def decode(self, text: str) -> State | None:
        """The state that `encode` was given; see `partition_state.decode`."""
        uses_history = self.strategy.uses_history
        return partition_state.decode(text, self.manager_name, self.manager, uses_history=uses_history)

    def score(
        self, model: Model, sample_id: str, features: Mapping[str, object], timestamp_ms: int = 0
    ) -> ScoredSample:
        """Score one sample by the model as it is now; the model does not change.

        Args:
            model: One that `strategy.model` made.
            sample_id: The sample's id.
            features: The sample's features.
            timestamp_ms: The timestamp that the log gave it, in milliseconds.
        """
        (scored,) = self.score_many(model, [sample_of(sample_id, features)], [timestamp_ms])
        return scored

    def score_many(
        self, model: Model, samples: Sequence[Sample], timestamps_ms: Sequence[int]
    ) -> list[ScoredSample]:
        """Score many samples at once; the result for each is the same as for it alone.

        Args:
            model: One that `strategy.model` made.
            samples: The samples.
            timestamps_ms: The timestamps that the log gave them, in milliseconds.
        """
        predictions = model.predict_proba_many(samples)
        known: list[int] = np.flatnonzero(predictions.known).tolist() if model.ready else []
        if known and len(known) == len(samples):
            return self._scored(model, samples, timestamps_ms, predictions)
        scored = [
            ScoredSample(sample.id, probabilities, 1.0, None, at_ms, None, sample.draw)
            for sample, probabilities, at_ms in zip(samples, predictions.rows(), timestamps_ms, strict=True)
        ]
        _note(predictions.failed, scored)
        if known:
            some, times = [samples[place] for place in known], [timestamps_ms[place] for place in known]
            with_prediction = self._scored(model, some, times, predictions.some(known))
            for place, one in zip(known, with_prediction, strict=True):
                scored[place] = one
        return scored

    def _scored(
        self, model: Model, samples: Sequence[Sample], timestamps_ms: Sequence[int], predictions: Predictions
    ) -> list[ScoredSample]:
        """The scores of samples that the model has a prediction for."""
        candidates = Candidates(
            samples, predictions.labels, predictions.probabilities, model, self.seed, self.target
        )
        utilities = self.strategy.utilities(candidates).tolist()
        sketches: Sequence[Point | None] = [None] * len(samples)
        if self.strategy.uses_history:
            sketches = split(model.references().sketches(samples).tobytes())
        scored = [
            ScoredSample(sample.id, probabilities, utility, sketch, at_ms, None, sample.draw)
            for sample, probabilities, utility, sketch, at_ms in zip(
                samples, predictions.rows(), utilities, sketches, timestamps_ms, strict=True
            )
        ]
        _note(candidates.failed, scored)
        return scored

    def decide(
        self, state: State, scored: Sequence[ScoredSample], context: Context
    ) -> tuple[list[Decision], State]:
        """Decide about samples in their order.

        Args:
            state: The partition's state before the first of them; it is not changed.
            scored: The samples as `score` returned them.
            context: What else is known before the first of them. Its room is that of the pending queries;
                the other caps are taken into account here.

        Returns:
            One decision a sample, and the state after the last of them. `credit.bought` of the state has
            grown by the number of samples to ask about again.
        """
        decisions: list[Decision] = []
        for hour, part in self._by_hour(scored):
            room, _ = self.caps.room(state.spent, hour, context.partition, context.partitions)
            room = min(context.room, room)
            now = replace(context, room=state.credit.first_within(room, self.extra, context.again))
            if state.history is None:
                utilities, ids = [sample.utility for sample in part], [_draw(sample) for sample in part]
                made, account = self.manager.decide(state.account, utilities, ids, now)
                history = None
            else:
                made, account, history = self._decide_one_by_one(state.account, state.history, part, now)
            bought = sum(decision.selected for decision in made)
            credit = state.credit.after(bought, self.extra, min(context.again, room - bought))
            again = credit.bought - state.credit.bought
            state = State(account, state.spent.spend(hour, bought + again), history, credit)
            context = replace(context.after(bought + again), again=context.again - again)
            decisions += made
        return decisions, state

    def second_due(self, state: State, samples: int) -> int:
        """The most second labels that a partition can buy while it decides about so many samples."""
        return state.credit.due(samples, self.extra, UNBOUNDED)

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

    def _by_hour(self, scored: Sequence[ScoredSample]) -> Iterator[tuple[int, Sequence[ScoredSample]]]:
        """The samples in runs of one hour; all of them at once where hours do not matter."""
        if self.caps.per_hour is None:
            yield 0, scored
            return
        for hour, part in groupby(scored, key=lambda sample: hour_of(sample.timestamp_ms)):
            yield hour, list(part)

    def _decide_one_by_one(
        self, account: Any, history: History, scored: Sequence[ScoredSample], context: Context
    ) -> tuple[list[Decision], Any, History]:
        """Decide where the history matters: each decision enters it before the next sample is decided about.

        The history factors are computed for some samples at once, and again after each purchase.
        """
        decisions = []
        session, cursor, strategy = self.manager.session(account, context), history.cursor(), self.strategy
        pending, partitions = context.pending, context.partitions
        sketches = points(b"".join([sample.sketch or _NO_SKETCH for sample in scored]))
        chunk, begin = 1 if strategy.uses_samples else CHUNK, 0
        by_history: list[tuple[float, ...]] = []
        utilities = rounded_all([sample.utility for sample in scored])
        for place, (utility, sample) in enumerate(zip(utilities, scored, strict=True)):
            sketch = sample.sketch
            if sketch is not None:
                if place - begin >= len(by_history):
                    begin, rows = place, sketches[place : place + chunk]
                    by_history = strategy.history_utilities(rows, cursor, -(-pending // partitions))
                ranks = cursor.percentile_ranks((utility, *by_history[place - begin]))
                utility = rounded(strategy.utility_of_ranks(ranks))  # noqa: PLW2901
            decision = session.step(utility, _draw(sample))
            if sketch is not None:
                cursor.remember(sketch, selected=decision.selected)
            if decision.selected:
                pending += 1
                by_history = []
            decisions.append(decision)
        return decisions, session.state(), cursor.history()


def _draw(sample: ScoredSample) -> str:
    return sample.draw or sample.id


def _note(failed: Mapping[int, BadMessage], scored: list[ScoredSample]) -> None:
    """Note on which samples, by their place, the model fails. What it predicted before that is kept."""
    for place, error in failed.items():
        one = scored[place]
        scored[place] = ScoredSample(
            one.id, one.probabilities, 0.0, None, one.timestamp_ms, Failure.of(error), one.draw
        )
