"""The learner: the model as a fold over examples.

    state after n examples = fold(fold(... fold(start, example 1) ...), example n)

The log of examples has one order. So every replica that has folded the same n examples holds the same model,
and a lost model is rebuilt by folding again.

- The first example of an id is learned; the others are duplicates or conflicts (`engine.labels.ledger`).
- A corrected example is learned at its own place with the corrected label (`engine.labels.corrections`).
- An example that the model cannot learn is refused: a third class for a binary model, or features that River
  fails on. Its id counts as known, so that a repetition is not tried again. `refusals` says why.
- A second label of a sample (`second_of`) is not learned. It tells about labels and annotators
  (`engine.trust`).
- An excluded example (`engine.labels.exclusions`) is passed over, and its id does not become known by it.

*What becomes of an example*, and where it shows beside the counts in the status and the metric by outcome:

    learned       the model has learned it
    duplicate     nothing: a repetition of a label
    conflict      a problem: the sample has another label, which counts
    second        `GET /v1/quality`
    refused       a problem, `refusals`, and if there are many the condition `LabelsRefused`
    forgotten     nothing more: intake has reported the conflict
    voided        nothing: an operator excluded it. The status has the ranges (`voided`)
    corrected     the number of corrections in the status; the model is rebuilt
    uncorrected   a problem: a correction without effect

The model is changed in place, as River's models are. A snapshot copies the whole learner.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from stream_al.checks import check_depth
from stream_al.engine.labels.corrections import Corrections
from stream_al.engine.labels.drift import Drift
from stream_al.engine.labels.exclusions import Exclusions
from stream_al.engine.labels.figures import Evaluation
from stream_al.engine.labels.judge import KnownLabels
from stream_al.engine.labels.ledger import Ledger, Outcome
from stream_al.engine.labels.refusals import Refusals
from stream_al.engine.model.digest import digest
from stream_al.engine.model.importance import RecentFeatures
from stream_al.engine.model.model import Model
from stream_al.engine.model.objective import ACCURACY, Rule
from stream_al.engine.trust.trust import Trust
from stream_al.errors import BadMessage
from stream_al.json_records import MAX_DEPTH
from stream_al.messages import ClassLabel, Example

__all__ = ["Learner", "Outcome"]

VERSION_CHARACTERS = 12
SMALLEST = 1e-12  # of propensities; the squared weight of a smaller one could overflow the sums


@dataclass(slots=True)
class Learner:
    """The state of the fold.

    Args:
        model: The model before the first example.
        known: The labels that count, by id, before the first example; it bounds how many are remembered.

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
        ledger: What the examples say of labels.
        trust: What is known about labels and annotators. It takes the labels as they were given, so it does
            not depend on when the model was rebuilt after a correction.
        corrections: The labels that corrected examples are learned with; `correct` sets it.
        overdue: The offsets of examples that the model has learned with a label that was corrected since.
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
    ledger: Ledger = field(init=False)
    trust: Trust = field(default_factory=Trust)
    corrections: Corrections = field(default_factory=Corrections)
    overdue: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.known)
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

    def is_corrected_by(self, corrections: Corrections) -> bool:
        """Whether folding with these corrections would have led to this model."""
        return self.corrections.below(self.offset) == corrections.below(self.offset)

    def correct(self, corrections: Corrections) -> None:
        """Fold on with corrections that say the same of the examples folded already (`is_corrected_by`)."""
        self.corrections = corrections
        self.overdue.clear()

    def fold(self, example: Example, offset: int) -> Outcome:
        """Fold the example at `offset`, and say what became of it."""
        outcome = self._take(example, offset)
        self.counts[outcome] += 1
        self.offset = offset + 1
        return outcome

    def skip(self, offset: int) -> None:
        """Pass over a record that is no example."""
        self.offset = offset + 1

    def _take(self, example: Example, offset: int) -> Outcome:
        if offset in self.excluded:
            return self.ledger.pass_over(example)
        if example.features is not None:
            # The door of messages has checked this. But what is nested too deep here would end every replica,
            # for good, in the code that walks it.
            try:
                check_depth(example.features, MAX_DEPTH)
            except BadMessage as error:
                self.refusals.refused(example.id, {}, error)
                return Outcome.REFUSED
        former = self.known.get(self.ledger.sample_of(example)[0]) if example.corrects else None
        outcome = self.ledger.enter(example, offset)
        self._trust(example, outcome, offset, former)
        if outcome is Outcome.LEARNED:
            return self._learn(example, self.corrections.label(offset, example.label), offset)
        if outcome is Outcome.CORRECTED and offset >= self.corrections.end:
            self._compare(self.ledger.target(example))
        return outcome

    def _trust(self, example: Example, outcome: Outcome, offset: int, former: ClassLabel | None) -> None:
        """Note what an example says about labels, before the model learns it.

        Args:
            example: The example.
            outcome: What the ledger makes of it.
            offset: Its offset.
            former: The label that it corrects.
        """
        trust, (sample_id, version) = self.trust, self.ledger.sample
        if outcome is Outcome.LEARNED:
            trust.first(example, sample_id, version, offset, bought=_is_bought(example))
        elif outcome is Outcome.SECOND:
            trust.second(example, self.known.get(example.second_of or ""))
        elif outcome is Outcome.CONFLICT and example.second_of is None:
            trust.conflict(example, self.known[sample_id], offset)
        elif outcome is Outcome.CORRECTED and self.known.offset(sample_id) is None:
            if former is not None:
                trust.correct_second(sample_id, former, example.label)
        elif outcome is Outcome.CORRECTED:
            trust.settle(sample_id)

    def _compare(self, first: int | None) -> None:
        """Note whether the example at an offset was learned with the label that counts now."""
        if first is None or first not in self.ledger.corrected:  # the label was confirmed, not changed
            return
        if self.corrections.get(first) == self.ledger.corrected[first].label:
            self.overdue.discard(first)
        else:
            self.overdue.add(first)

    def _learn(self, example: Example, label: ClassLabel, offset: int) -> Outcome:
        if _is_bought(example):
            self._evaluate(example, label, offset)
        model, features = self.model, example.features or {}
        try:
            model.learn(features, label)
        except BadMessage as error:
            self.refusals.refused(example.id, features, error, partial(model.explain, features, label, error))
            return Outcome.REFUSED
        self.refusals.accepted()
        self.recent_features.keep(features)
        return Outcome.LEARNED

    def _evaluate(self, example: Example, label: ClassLabel, offset: int) -> None:
        propensity = example.propensity
        if example.prediction is None or propensity is None:
            return
        predicted = example.prediction.label
        self.rule.learn(example.prediction.probabilities, label, propensity=propensity)
        figures = self.evaluation.of(example.model.version if example.model else None)
        correct = figures.update(label, predicted, propensity=propensity)
        # The errors of another model are no drift, nor are those of a model that knows no class or one alone.
        knows_two = predicted is not None and len(example.prediction.probabilities) != 1
        if knows_two and figures is self.evaluation.current:
            self.drift.update(correct=correct, offset=offset)


def _is_bought(example: Example) -> bool:
    """Whether the service has asked for a label: only such labels say anything about the stream.

    The service writes no propensity outside these bounds.
    """
    propensity = example.propensity
    return example.prediction is not None and propensity is not None and SMALLEST <= propensity <= 1.0
