"""The messages about a decision: the query, and the prediction of every sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from stream_al.engine.budgets import Decision, Reason
from stream_al.engine.model.objective import Rule
from stream_al.engine.samples.table import Sample
from stream_al.engine.strategies import ScoredSample
from stream_al.engine.trust.again import Candidate, second_query
from stream_al.messages import ModelStamp, Prediction, PredictionRecord, Query, class_names, iso

__all__ = ["DecisionMessages", "Name"]


class Name(NamedTuple):
    """What a query is known by: its id, and the version of its sample (`stream_al.identity`)."""

    id: str
    version: str


@dataclass(frozen=True, slots=True)
class DecisionMessages:
    """Writes the messages about the decisions of one chunk.

    Attributes:
        model: The model that has scored the samples.
        rule: Says which label to serve.
        strategy: The name of the query strategy.
        now_ms: Wall time, in milliseconds.
        life_ms: How long a query waits for its label.
    """

    model: ModelStamp
    rule: Rule
    strategy: str
    now_ms: int
    life_ms: int

    def query(
        self,
        sample: Sample,
        name: Name,
        sampled_ms: int,
        arrival: ScoredSample,
        decision: Decision,
        pending: int,
    ) -> Query:
        """The query for a sample.

        Args:
            sample: The sample.
            name: The id of the query, and the version of the sample.
            sampled_ms: The timestamp of its record.
            arrival: What the model says of it.
            decision: The decision.
            pending: The number of queries that were pending before this one.
        """
        return Query(
            id=name.id,
            features=sample.features,
            payload=sample.payload,
            prediction=Prediction(self.rule.label(arrival.probabilities), _probabilities(arrival)),
            utility=decision.utility,
            threshold=decision.threshold,
            propensity=None if decision.reason is Reason.MANUAL else decision.propensity,
            reason=decision.reason.value,
            strategy=self.strategy,
            model=self.model,
            sampled_at=iso(sampled_ms),
            queried_at=iso(self.now_ms),
            expires_at=iso(self.now_ms + self.life_ms),
            pending=pending,
            version=name.version,
            sample_id=None if name.id == sample.id else sample.id,
        )

    def second_query(self, candidate: Candidate, pending: int, bought: tuple[int, int] | None) -> Query:
        """The query that asks about a sample again; see `engine.trust.again`."""
        return second_query(
            candidate,
            model=self.model,
            now_ms=self.now_ms,
            life_ms=self.life_ms,
            pending=pending,
            bought=bought,
        )

    def prediction(self, arrival: ScoredSample, decision: Decision, pending: int) -> PredictionRecord:
        """What was predicted and decided, for the topic of predictions."""
        return PredictionRecord(
            id=arrival.id,
            label=self.rule.label(arrival.probabilities),
            probabilities=_probabilities(arrival),
            utility=decision.utility,
            threshold=decision.threshold,
            propensity=decision.propensity,
            queried=decision.selected,
            reason=decision.reason.value,
            model=self.model,
            pending=pending,
        )


def _probabilities(arrival: ScoredSample) -> dict[str, float]:
    """The probabilities by label, each label as text."""
    found = arrival.probabilities
    return dict(zip(class_names(*found), found.values(), strict=True))
