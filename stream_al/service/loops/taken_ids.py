"""Taken ids: which sample an id names already, as far as a replica knows (`stream_al.identity`).

The labels of the batch in work come first, then those that the model remembers, then the pending queries and
those that were closed last.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from stream_al.engine.labels.join import Known
from stream_al.identity import version_of
from stream_al.messages import Example
from stream_al.service.loops.pending import PendingQueries
from stream_al.service.model.local_model import LocalModel

__all__ = ["TakenIds"]


@dataclass(slots=True)
class TakenIds:
    """What is known of ids while a batch is judged.

    Attributes:
        local_model: Knows the labels learned so far.
        pending: The queries that wait, or were closed last.
        batch: The labels of the batch, by id.
    """

    local_model: LocalModel
    pending: PendingQueries
    batch: dict[str, Known] = field(default_factory=dict)

    def known(self, sample_id: str) -> Known | None:
        """The first label of a sample; None if it has none."""
        labels = self.local_model.learner.known
        if sample_id in self.batch or sample_id not in labels:
            return self.batch.get(sample_id)
        return Known(labels[sample_id], labels.version(sample_id) or "")

    def version(self, sample_id: str) -> str | None:
        """The version of the sample that an id names; None if it names none."""
        known = self.known(sample_id)
        return known.version if known is not None else self.pending.version(sample_id)

    def note(self, example: Example) -> None:
        """Note the label of an example for those that follow; the first label of a sample counts."""
        if example.second_of is not None:
            self.batch[example.id] = Known(example.label, example.version or "")
        if example.features is None:
            return
        known, version = self.known(example.id), version_of(example.features)
        if known is None or known.version != version:
            self.batch[example.id] = Known(example.label, version)
