"""The ledger: what the log of examples says of labels, apart from what the model learns by it.

    example         what is known of its sample   outcome        what follows
    with features   nothing                       LEARNED        the model learns it, or refuses it
    any             the same label                DUPLICATE      nothing
    any             another label                 CONFLICT       nothing
    no features     nothing                       FORGOTTEN      nothing
    a second label  a label                       SECOND         `engine.trust` notes it
    a correction    a label                       CORRECTED      its label counts from here on
    a correction    a second label                CORRECTED      `engine.trust` takes it instead
    a correction    nothing                       UNCORRECTED    nothing; also if there are too many
    by consensus    a correction                  DUPLICATE      nothing: its writer did not know of that
    any             an operator excluded it       EXCLUDED       nothing

A ledger reads no features and asks no model, so it passes over a log many times faster than a learner does.
What it holds depends on the examples and the exclusions alone, never on when the model was rebuilt.

*Corrections.* The ledger notes for each corrected sample the offset of its first example, with the label that
counts (`engine.labels.corrections` says what the model makes of it). The last correction in the log wins.
`MOST` samples can be corrected: each costs some hundred bytes in memory and in a snapshot, and a label of 512
characters at most, so all of them stay below 100 MB. A correction of one more has no effect; that is
reported, and the service refuses to write it.

*Excluded ids.* The ids of the examples passed over last are kept, only to say why a label is not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from sys import intern
from typing import NamedTuple

from stream_al.engine.labels.judge import KnownLabels, same_label
from stream_al.engine.labels.lifecycle import Event
from stream_al.identity import own_id, version_of
from stream_al.messages import ClassLabel, Example

__all__ = ["CONSENSUS", "MOST", "Corrected", "Ledger", "Outcome"]

CONSENSUS = "consensus"
"""The reason of a correction that no person has decided on."""
MOST = 50_000
"""The samples that can be corrected."""
MOST_EXCLUDED = 10_000


class Outcome(StrEnum):
    """What became of an example."""

    LEARNED = "learned"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    REFUSED = "refused"
    FORGOTTEN = "forgotten"
    """It contradicts a label that is no longer remembered, and carries no features to learn."""
    SECOND = "second"
    """It is a further label of a sample that has one, from another annotator."""
    EXCLUDED = "voided"
    """An operator excluded it."""
    CORRECTED = "corrected"
    """It is a correction: its label counts instead of the one before."""
    UNCORRECTED = "uncorrected"
    """It is a correction without effect: its sample has no label that is known, or too many are corrected."""


class Corrected(NamedTuple):
    """The label that counts for a corrected sample.

    Attributes:
        label: The label.
        offset: The offset of the correction.
    """

    label: ClassLabel
    offset: int


@dataclass(slots=True)
class Ledger:
    """What the examples read so far say of labels.

    Args:
        known: The label that counts, by sample; it bounds how many are remembered.

    Attributes:
        corrected: The corrected samples, by the offset of their first example.
        excluded_ids: The ids of examples passed over last, oldest first.
        sample: The id and the version of the sample of the example that was entered last.

    >>> ledger = Ledger(KnownLabels(remember=10))
    >>> ledger.enter(Example("a", "spam", {"x": 1.0}), 0)
    <Outcome.LEARNED: 'learned'>
    >>> ledger.enter(Example("a", "ham", corrects=True), 1), ledger.known["a"], ledger.corrected
    (<Outcome.CORRECTED: 'corrected'>, 'ham', {0: Corrected(label='ham', offset=1)})
    >>> ledger.enter(Example("b", "ham", corrects=True), 2)
    <Outcome.UNCORRECTED: 'uncorrected'>
    """

    known: KnownLabels
    corrected: dict[int, Corrected] = field(default_factory=dict)
    excluded_ids: dict[str, None] = field(default_factory=dict)
    sample: tuple[str, str] = "", ""

    def enter(self, example: Example, offset: int) -> Outcome:
        """Take the example at `offset`; `LEARNED` means that the model is to learn it."""
        if example.second_of is not None and not example.corrects:
            return self._second(example, example.second_of, offset)
        self.sample = sample_id, version = self.sample_of(example)
        if example.corrects:
            return self._correct(sample_id, example, offset)
        if example.features is None and sample_id not in self.known:
            return Outcome.FORGOTTEN
        event = self.known.add(sample_id, example.label, version, offset)
        if event is Event.LABEL:
            return Outcome.LEARNED
        return Outcome.DUPLICATE if event is Event.SAME_LABEL else Outcome.CONFLICT

    def pass_over(self, example: Example) -> Outcome:
        """Take an example that an operator has excluded."""
        self.excluded_ids.pop(example.id, None)
        self.excluded_ids[example.id] = None
        if len(self.excluded_ids) > MOST_EXCLUDED:
            del self.excluded_ids[next(iter(self.excluded_ids))]
        return Outcome.EXCLUDED

    def copy(self) -> Ledger:
        """The same ledger, to read on with."""
        return Ledger(self.known.copy(), self.corrected.copy(), self.excluded_ids.copy())

    def sample_of(self, example: Example) -> tuple[str, str]:
        """The id of the sample of an example, and the sample's version; empty if it is not known."""
        features = example.features
        version = example.version if features is None or example.corrects else version_of(features)
        return own_id(example.id, version, self.known.version) if version else example.id, version or ""

    def target(self, correction: Example) -> int | None:
        """The offset of the first example of the sample that is corrected; None if it is not known."""
        return self.known.offset(self.sample_of(correction)[0])

    def decided_at(self, sample_id: str) -> int | None:
        """The offset of the record that gave the label that counts; None if it is not known."""
        first = self.known.offset(sample_id)
        if first is None:
            return self.known.further_offset(sample_id)
        return self.corrected.get(first, (None, first))[1]

    def labels(self) -> Mapping[int, ClassLabel]:
        """The label that counts for each corrected sample, by the offset of its first example."""
        return {offset: one.label for offset, one in self.corrected.items()}

    def _second(self, example: Example, second_of: str, offset: int) -> Outcome:
        """Take a second label, if it is the first one of its query, and its sample is remembered."""
        known, version = self.known.get(second_of), example.version or ""
        if known is None or self.known.version(second_of) != version:
            return Outcome.FORGOTTEN
        event = self.known.add(example.id, example.label, version, offset, further=True)
        if event is Event.LABEL:
            return Outcome.SECOND
        return Outcome.DUPLICATE if event is Event.SAME_LABEL else Outcome.CONFLICT

    def _correct(self, sample_id: str, example: Example, offset: int) -> Outcome:
        first, label = self.known.offset(sample_id), example.label
        if first is None and sample_id in self.known:
            self.known.correct_further(sample_id, intern(label) if isinstance(label, str) else label, offset)
            return Outcome.CORRECTED
        if first is None or (first not in self.corrected and len(self.corrected) >= MOST):
            return Outcome.UNCORRECTED
        if first in self.corrected and example.reason == CONSENSUS:
            return Outcome.DUPLICATE
        if first in self.corrected or not same_label(self.known[sample_id], label):
            kept = intern(label) if isinstance(label, str) else label
            self.corrected[first] = Corrected(kept, offset)
            self.known.correct(sample_id, kept)
        return Outcome.CORRECTED
