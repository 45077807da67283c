"""Buyers: the rules that decide in a simulation which labels to buy.

`SelectorBuyer` decides with the engine's selector, as the service does. `FixedBuyer` buys at positions that
were fixed before the stream began: it serves the baselines.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from stream_al.engine.budgets import Context, Decision
from stream_al.engine.model.model import Model
from stream_al.engine.samples.table import Sample
from stream_al.engine.selector import Selector
from stream_al.engine.strategies import Failure, ScoredSample
from stream_al.errors import BadMessage
from stream_al.messages import ClassLabel

__all__ = ["Buyer", "Classifier", "FixedBuyer", "SelectorBuyer"]


class Classifier(Protocol):
    """A model that predicts and learns: the engine's own, or a simple one to compare it with."""

    @property
    def ready(self) -> bool:
        """Whether it has learned enough for its probabilities to mean something."""

    @property
    def examples(self) -> int:
        """The number of examples that it has learned."""

    def probabilities(self, features: Mapping[str, object]) -> dict[ClassLabel, float]:
        """The probability of each class. May raise BadMessage."""

    def learn(self, features: Mapping[str, object], label: ClassLabel) -> None:
        """Learn one example. May raise BadMessage."""


class Buyer(Protocol):
    """A rule that decides which labels to buy."""

    def score(self, classifier: Any, samples: Sequence[Sample]) -> Sequence[ScoredSample]:
        """Score samples."""

    def decide(self, arrivals: Sequence[ScoredSample], context: Context) -> tuple[Sequence[float], Any]:
        """Decide about samples in their order.

        Returns:
            The propensity of each sample whose label is to be bought (True is 1) and 0 for the others, and
            the state after them.
        """

    def keep(self, state: Any) -> None:
        """Take over the state of the last decision."""


class SelectorBuyer:
    """Decides with the engine's selector, and keeps its state of one partition.

    Args:
        selector: The selector.
        clock: The time of each sample in seconds, for a cap on labels per hour; None if it is unknown.

    Attributes:
        state: The state of the partition.
        decisions: What was decided last.
    """

    def __init__(self, selector: Selector, clock: Sequence[float] | None = None) -> None:
        self.selector = selector
        self.clock = clock
        self.state = selector.start()
        self.decisions: Sequence[Decision] = ()

    def score(self, classifier: Any, samples: Sequence[Sample]) -> Sequence[ScoredSample]:
        """Score samples with the selector's query strategy."""
        times = [0] * len(samples)
        if self.clock is not None:
            times = [int(1000 * self.clock[int(sample.id) - 1]) for sample in samples]
        return self.selector.score_many(classifier, samples, times)

    def decide(self, arrivals: Sequence[ScoredSample], context: Context) -> tuple[Sequence[float], Any]:
        """Decide as the selector does."""
        self.decisions, after = self.selector.decide(self.state, arrivals, context)
        return [one.propensity if one.selected else 0.0 for one in self.decisions], after

    def keep(self, state: Any) -> None:
        """Take over the selector's state."""
        self.state = state

    @property
    def second_bought(self) -> int:
        """The second labels bought so far."""
        return self.state.credit.bought

    def second_due(self, first: int) -> int:
        """The second labels that can be bought with so many more first ones."""
        return self.selector.second_due(self.state, first)


class FixedBuyer:
    """Buys the labels at positions that were fixed before the stream began.

    Args:
        positions: The positions of the samples whose labels are bought, counted from 0.
    """

    def __init__(self, positions: Collection[int]) -> None:
        self.positions = positions

    def score(self, classifier: Any, samples: Sequence[Sample]) -> Sequence[ScoredSample]:
        """Predict the samples, a model all at once. Their utility is 0, because it does not matter here."""
        if not isinstance(classifier, Model):
            return [self._score(classifier, sample) for sample in samples]
        predictions = classifier.predict_proba_many(samples)
        return [
            ScoredSample(sample.id, {}, utility=0.0, failure=Failure.of(predictions.failed[place]))
            if place in predictions.failed
            else ScoredSample(sample.id, row, utility=0.0)
            for place, (sample, row) in enumerate(zip(samples, predictions.rows(), strict=True))
        ]

    def _score(self, classifier: Any, sample: Sample) -> ScoredSample:
        try:
            return ScoredSample(sample.id, classifier.probabilities(sample.features), utility=0.0)
        except BadMessage as error:
            return ScoredSample(sample.id, {}, utility=0.0, failure=Failure.of(error))

    def decide(self, arrivals: Sequence[ScoredSample], context: Context) -> tuple[Sequence[float], Any]:
        """Whether each sample is at one of the positions. All propensities count as equal."""
        return [int(arrival.id) - 1 in self.positions for arrival in arrivals], None

    def keep(self, state: Any) -> None:
        """Do nothing: there is no state."""
