"""The learner: the model as a fold over examples.

    state after n examples = fold(fold(... fold(start, example 1) ...), example n)

The log of examples has one order. So every replica that has folded the same n examples holds the same model,
and a lost model is rebuilt by folding again.

- The first example of an id is learned; the others are duplicates or conflicts (`engine.labels.judge`).
- An example that the model cannot learn is refused: a third class for a binary model, or features that River
  fails on. Its id counts as known, so that a repetition is not tried again. `refusals` says why.
- An excluded example (`engine.labels.exclusions`) is passed over, and its id does not become known by it.

*What becomes of an example*, and where it shows beside the counts in the status and the metric by outcome:

    learned       the model has learned it
    duplicate     nothing: a repetition of a label
    conflict      a problem: the sample has another label, which counts
    refused       a problem, `refusals`, and if there are many the condition `LabelsRefused`
    forgotten     nothing more: intake has reported the conflict
    voided        the ranges of excluded examples in the status

The model is changed in place, as River's models are. A snapshot copies the whole learner.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial

from stream_al.checks import check_depth
from stream_al.engine.labels.drift import Drift
from stream_al.engine.labels.exclusions import Exclusions
from stream_al.engine.labels.figures import Evaluation
from stream_al.engine.labels.judge import KnownLabels
from stream_al.engine.labels.lifecycle import Event
from stream_al.engine.labels.refusals import Refusals
from stream_al.engine.model.digest import digest
from stream_al.engine.model.importance import RecentFeatures
from stream_al.engine.model.model import Model
from stream_al.engine.model.objective import ACCURACY, Rule
from stream_al.errors import BadMessage
from stream_al.identity import own_id, version_of
from stream_al.messages import MAX_DEPTH, Example

__all__ = ["Learner", "Outcome"]

VERSION_CHARACTERS = 12
SMALLEST = 1e-12  # of propensities; the squared weight of a smaller one could overflow the sums


class Outcome(StrEnum):
    """What became of an example."""

    LEARNED = "learned"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    REFUSED = "refused"
    FORGOTTEN = "forgotten"
    """It contradicts a label that is no longer remembered, and carries no features to learn."""
    EXCLUDED = "voided"
    """An operator excluded it."""


@dataclass(slots=True)
class Learner:
    """The state of the fold.

    Args:
        model: The model before the first example.
        known: The first labels by id, before the first example; it bounds how many are remembered.

    Attributes:
        offset: The offset of the next example to fold.
        counts: Examples by outcome.
        rule: Says which label to serve.
        evaluation: How good the predictions of this model were, and those of the model before it.
        drift: Whether this model's error has changed.
        recent_features: The features of the last examples learned, by which the importance of each feature is
            measured.
        refusals: Why examples were refused.
        excluded: The examples that are passed over. A caller that sets it must make sure that it says the
            same as before about the offsets folded already (`is_consistent_with`).
    """

    model: Model
    known: KnownLabels
    offset: int = 0
    counts: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(Outcome, 0))
    rule: Rule = field(default_factory=Rule)
    evaluation: Evaluation = field(default_factory=Evaluation)
    drift: Drift = field(default_factory=Drift)
    recent_features: RecentFeatures = field(default_factory=RecentFeatures)
    refusals: Refusals = field(default_factory=Refusals)
    excluded: Exclusions = field(default_factory=Exclusions)

    def __post_init__(self) -> None:
        self.evaluation.current.version = self.version

    @property
    def version(self) -> str:
        """The fingerprint as messages and people see it."""
        return self.fingerprint[:VERSION_CHARACTERS]

    @property
    def fingerprint(self) -> str:
        """Equal for two learners that make the same of the same examples, whatever was excluded or forgotten.

        A snapshot serves only a learner of its own fingerprint.
        """
        if self.rule.objective == ACCURACY:
            return self.model.fingerprint
        return digest((self.model.fingerprint, self.rule.objective))

    def is_consistent_with(self, excluded: Exclusions) -> bool:
        """Whether folding under these exclusions would have led to this learner."""
        return self.excluded.below(self.offset) == excluded.below(self.offset)

    def fold(self, example: Example, offset: int) -> Outcome:
        """Fold the example at `offset`, and say what became of it."""
        outcome = Outcome.EXCLUDED if offset in self.excluded else self._take(example, offset)
        self.counts[outcome] += 1
        self.offset = offset + 1
        return outcome

    def skip(self, offset: int) -> None:
        """Pass over a record that is no example."""
        self.offset = offset + 1

    def _take(self, example: Example, offset: int) -> Outcome:
        features = example.features
        if features is not None:
            # The door of messages has checked this. But what is nested too deep here would end every replica,
            # for good, in the code that walks it.
            try:
                check_depth(features, MAX_DEPTH)
            except BadMessage as error:
                self.refusals.refused(example.id, {}, error)
                return Outcome.REFUSED
        version = example.version if features is None else version_of(features)
        sample_id = own_id(example.id, version, self.known.version) if version else example.id
        if features is None and sample_id not in self.known:
            return Outcome.FORGOTTEN
        event = self.known.add(sample_id, example.label, version or "")
        if event is Event.LABEL:
            return self._learn(example, offset)
        return Outcome.DUPLICATE if event is Event.SAME_LABEL else Outcome.CONFLICT

    def _learn(self, example: Example, offset: int) -> Outcome:
        self._evaluate(example, offset)
        model, features, label = self.model, example.features or {}, example.label
        try:
            model.learn(features, label)
        except BadMessage as error:
            self.refusals.refused(example.id, features, error, partial(model.explain, features, label, error))
            return Outcome.REFUSED
        self.refusals.accepted()
        self.recent_features.keep(features)
        return Outcome.LEARNED

    def _evaluate(self, example: Example, offset: int) -> None:
        # Only labels that the service bought say anything about the stream, and the service writes no
        # propensity outside these bounds.
        propensity = example.propensity
        if example.prediction is None or propensity is None or not SMALLEST <= propensity <= 1.0:
            return
        predicted = example.prediction.label
        self.rule.learn(example.prediction.probabilities, example.label, propensity=propensity)
        figures = self.evaluation.of(example.model.version if example.model else None)
        correct = figures.update(example.label, predicted, propensity=propensity)
        # The errors of another model are no drift, nor are those of a model that knows no class or one alone.
        knows_two = predicted is not None and len(example.prediction.probabilities) != 1
        if knows_two and figures is self.evaluation.current:
            self.drift.update(correct=correct, offset=offset)
