"""Items: what the page Explore shows of a sample, be it one of the last ones or an older pending query.

A sample of the last ones has the number that `RecentSamples` gave it. A pending query that is older, or that
another process decided about, has a negative one, for as long as it is pending and shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stream_al.engine.budgets import Decision, Reason
from stream_al.engine.explore.filter import Row
from stream_al.engine.model.predictions import likeliest_label
from stream_al.engine.samples.table import Sample, sample_of
from stream_al.identity import own_id, version_of
from stream_al.messages import ClassLabel, Query, class_names, label_text
from stream_al.service.desk.recent_samples import Kept, RecentSamples
from stream_al.service.loops.asked import has_query
from stream_al.service.loops.pending import PendingQueries
from stream_al.service.loops.taken_ids import TakenIds
from stream_al.service.model.local_model import LocalModel
from stream_al.times import moment

__all__ = ["STATES", "Item", "Items"]

STATES = ("none", "pending", "labelled", "asked")
"""What has become of a sample: nothing, its query waits, it has a label, it waits to be paid for."""


@dataclass(frozen=True, slots=True)
class Item:
    """A sample with what was decided about it.

    Attributes:
        number: Its number.
        id: The id of the sample.
        decision: What was decided.
        probabilities: What the model said of it.
        at_ms: The timestamp that the log gave it.
        examples: How many examples the model had learned.
        failure: Why the model failed on it; None if it did not.
        source: Where the sample is read from again.
        query_id: The id of its query, where it is one.
    """

    number: int
    id: str
    decision: Decision
    probabilities: Mapping[ClassLabel, float]
    at_ms: int
    examples: int
    failure: str | None
    source: Kept | Query
    query_id: str | None = None

    @classmethod
    def of_kept(cls, kept: Kept) -> Item:
        """One of the last samples."""
        arrival = kept.arrival
        failure = arrival.failure.message if arrival.failure else None
        at_ms = kept.record.timestamp_ms
        said = arrival.id, kept.decision, arrival.probabilities
        return cls(kept.number, *said, at_ms, kept.examples, failure, kept)

    @classmethod
    def of_query(cls, number: int, query: Query) -> Item:
        """A pending query."""
        reason = Reason(query.reason) if query.reason in set(Reason) else Reason.UNCERTAIN
        sample_id = query.sample_id or query.id
        propensity = query.propensity or 0.0
        decision = Decision(sample_id, True, query.utility, query.threshold, propensity, reason)
        at_ms = int(moment(query.sampled_at).timestamp() * 1000)
        found: dict[ClassLabel, float] = {name: p for name, p in query.prediction.probabilities.items()}  # noqa: C416 - of a wider type
        return cls(number, sample_id, decision, found, at_ms, query.model.examples, None, query, query.id)

    @property
    def predicted(self) -> str | None:
        """The most probable class, as text; None without a prediction."""
        best = likeliest_label(self.probabilities)
        return None if best is None else label_text(best)

    def named_probabilities(self) -> dict[str, float]:
        """The probabilities by class, each class as text."""
        found = self.probabilities
        return dict(zip(class_names(*found), found.values(), strict=True))


class Items:
    """Reads items, and says what has become of them.

    Args:
        recent: The last samples.
        pending: The queries that wait.
        local_model: Knows the labels.
        asked: Whether a sample, by its number, waits for a place in the budget.
    """

    def __init__(
        self, recent: RecentSamples, pending: PendingQueries, local_model: LocalModel, asked: Any
    ) -> None:
        self.recent = recent
        self.pending = pending
        self.local_model = local_model
        self.asked = asked
        self._taken = TakenIds(local_model, pending)

    def sample(self, item: Item) -> Sample | None:
        """The sample of an item; None if it can no longer be read."""
        if isinstance(item.source, Query):
            return sample_of(item.source.id, item.source.features, item.source.payload)
        found = self.recent.read(item.source.record)
        return found if isinstance(found, Sample) else None

    def fate(self, item: Item, sample: Sample) -> tuple[str, ClassLabel | None]:
        """What has become of a sample, a word of `STATES`, and its label if it has one."""
        sample_id, known = item.id, self.local_model.learner.known
        if item.number in self.asked:
            return "asked", None
        taken = self._taken
        if item.query_id is None and taken.version(sample_id) is None and "#" not in sample_id:
            return "none", None  # by far the most; a version costs more than a look
        version = version_of(sample.features)
        own = item.query_id or own_id(sample_id, version, taken.version)
        if own in known and known.version(own) in (None, "", version):
            return "labelled", known[own]
        if own in self.pending and self.pending.version(own) == version:
            return "pending", None
        return "none", None

    def has_query(self, sample: Sample) -> bool:
        """Whether a sample has, or had lately, a query or a label."""
        return has_query(sample.id, version_of(sample.features), self._taken.version)

    def row(self, item: Item, sample: Sample, state: str, label: ClassLabel | None, now_ms: int) -> Row:
        """An item as a filter reads it."""
        decision = item.decision
        return {
            **sample.features,
            "@id": item.id,
            "@utility": round(decision.utility, 6),
            "@threshold": round(decision.threshold, 6),
            "@reason": decision.reason.value,
            "@class": item.predicted,
            "@label": None if label is None else label_text(label),
            "@state": state,
            "@age": max(0.0, (now_ms - item.at_ms) / 1000),
        }
