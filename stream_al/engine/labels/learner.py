"""The learner: the model as a fold over examples.

    state after n examples = fold(fold(... fold(start, example 1) ...), example n)

The log of examples has one order, so every replica that has folded the same n holds the same model,
and a lost one is rebuilt by folding again. That is why every rule about repeated and contradicting
labels lives here and nowhere else: whoever writes to the log may write twice.

- The first example of an id is learned.
- The same label of a known id again is a duplicate and changes nothing.
- Another label of a known id is a conflict: counted and kept in the log, never un-learned.
- An example that the model cannot learn (a third class for a binary model, features it fails on) is
  refused; its id counts as known, so that a repetition is not tried again.
- A voided example (`engine.labels.exclusions`) is passed over: its id is not known by it.

Ids are remembered up to `remember` of them, oldest forgotten first. Memory is thereby bounded, and
the bound is a matter of the log alone, so replicas forget alike.

The model is changed in place, since River's models are; a snapshot copies the whole learner.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from sys import intern

from stream_al.engine.labels.drift import Drift
from stream_al.engine.labels.evaluation import Accuracy
from stream_al.engine.labels.exclusions import Exclusions
from stream_al.engine.labels.lifecycle import Event, Stage, follow
from stream_al.engine.model.model import Model, same_label
from stream_al.errors import BadMessage
from stream_al.messages import ClassLabel, Example

__all__ = ["Learner", "Outcome"]

RECENT = 0.995  # the recent accuracy looks back over some 200 examples
SMALLEST = 1e-12  # the square of the weight of a smaller propensity could overflow the sums


class Outcome(StrEnum):
    """What became of an example."""

    LEARNED = "learned"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    REFUSED = "refused"
    FORGOTTEN = "forgotten"
    """A contradiction of a label that is no longer remembered."""
    EXCLUDED = "voided"
    """Taken back by an operator."""


@dataclass(slots=True)
class Learner:
    """The state of the fold.

    Args:
        model: The model before the first example.
        remember: How many ids to remember.

    Attributes:
        offset: The offset of the next example to fold.
        counts: Examples by outcome.
        known: The ids folded, with the first label of each.
        conflicted: Those of them with a second, different one.
        overall: Accuracy over the whole stream.
        recent: The same, fading.
        drift: Whether the model's error has changed.
        excluded: The examples that count no more. Whoever sets it sees to it that it says the same as before
            of the offsets already folded (`is_consistent_with`).
    """

    model: Model
    remember: int
    offset: int = 0
    counts: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(Outcome, 0))
    known: dict[str, ClassLabel] = field(default_factory=dict)
    conflicted: set[str] = field(default_factory=set)
    # A dictionary's own order would do, but finding its first key passes over all those deleted before it.
    _order: deque[str] = field(default_factory=deque)
    overall: Accuracy = field(default_factory=Accuracy)
    recent: Accuracy = field(default_factory=lambda: Accuracy(decay=RECENT))
    drift: Drift = field(default_factory=Drift)
    excluded: Exclusions = field(default_factory=Exclusions)

    def is_consistent_with(self, excluded: Exclusions) -> bool:
        """Whether this is the learner that folding under these ranges would have led to."""
        return self.excluded.below(self.offset) == excluded.below(self.offset)

    def fold(self, example: Example, offset: int) -> Outcome:
        """Fold the example at `offset`, and say what became of it."""
        outcome = Outcome.EXCLUDED if offset in self.excluded else self._judge(example, offset)
        self.counts[outcome] += 1
        self.offset = offset + 1
        return outcome

    def skip(self, offset: int) -> None:
        """Pass over a record that is no example."""
        self.offset = offset + 1

    def stage(self, sample_id: str) -> Stage:
        """Where the query of an id is in its life, as far as the examples tell."""
        if sample_id in self.conflicted:
            return Stage.CONFLICTED
        return Stage.LABELLED if sample_id in self.known else Stage.PENDING

    def _judge(self, example: Example, offset: int) -> Outcome:
        known = self.known.get(example.id)
        if known is not None:
            same = same_label(known, example.label)
            before = self.stage(example.id)
            if follow(before, Event.SAME_LABEL if same else Event.OTHER_LABEL) is Stage.CONFLICTED:
                self.conflicted.add(example.id)
            return Outcome.DUPLICATE if same else Outcome.CONFLICT
        if example.features is None:
            return Outcome.FORGOTTEN
        return self._learn(example, offset)

    def _learn(self, example: Example, offset: int) -> Outcome:
        # Millions of ids carry a handful of labels: the label is kept once.
        label = example.label
        self.known[example.id] = intern(label) if isinstance(label, str) else label
        self._order.append(example.id)
        while len(self._order) > self.remember:
            oldest = self._order.popleft()
            del self.known[oldest]
            self.conflicted.discard(oldest)
        self._evaluate(example, offset)
        try:
            self.model.learn(example.features or {}, example.label)
        except BadMessage:
            return Outcome.REFUSED
        return Outcome.LEARNED

    def _evaluate(self, example: Example, offset: int) -> None:
        # Only labels that the service bought can speak for the stream; a propensity outside these
        # bounds was not written by it.
        propensity = example.propensity
        if example.prediction is None or propensity is None or not SMALLEST <= propensity <= 1.0:
            return
        said = example.prediction.label
        correct = said is not None and same_label(said, example.label)
        self.overall.update(correct=correct, propensity=propensity)
        self.recent.update(correct=correct, propensity=propensity)
        if said is not None:  # an untrained model cannot have lost anything
            self.drift.update(correct=correct, offset=offset)
