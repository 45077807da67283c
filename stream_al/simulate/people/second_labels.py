"""Second labels in a simulation: another annotator is asked about a sample, and wrong labels are corrected.

The rules are those of the engine, and the steps those of the service:

    1. A first label becomes an example, which the learner folds (`engine.labels.learner`).
    2. For every first label the selector's account says how many second ones are due, and
       `engine.trust.again` about which samples. Another annotator labels them, blind.
    3. A second label becomes an example too. It is recorded and not learned.
    4. Where the labels of a sample contradict its first one, `engine.labels.consensus` corrects it: one more
       record in the log, and the model is folded anew. All corrections that are due at one time are taken
       together.

A query that no annotator is left to label is paid for in vain.

*Folding anew* begins with the newest copy of the learner that no correction contradicts. The service does so
with its snapshots. It changes the time of a run and not its result.
"""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from stream_al.engine.budgets import Decision
from stream_al.engine.labels.consensus import correction_of
from stream_al.engine.labels.corrections import Corrections
from stream_al.engine.labels.join import Pending, join
from stream_al.engine.labels.judge import same_label
from stream_al.engine.labels.learner import Learner
from stream_al.engine.labels.ledger import Outcome
from stream_al.engine.samples.table import Sample
from stream_al.engine.strategies import ScoredSample
from stream_al.engine.trust.again import Candidate, Wanted, candidates, chosen, second_query, urgency
from stream_al.identity import version_of
from stream_al.messages import ClassLabel, Example, Label, ModelStamp, Prediction, Query, class_names

__all__ = ["Audit", "SecondLabels", "audit"]

EVERY = 100  # examples between two copies
COPIES = 20
NO_MODEL = ModelStamp("", "", 0)
LIFE_MS = 2**40  # no query of a simulation expires


@dataclass(frozen=True, slots=True)
class Audit:
    """What became of wrong labels.

    Attributes:
        first: First labels that were bought.
        second: Second labels that were bought.
        unlabelled: Of these, those that no annotator was left to give.
        wrong: First labels that are wrong.
        contradicted: First labels that a second label contradicts.
        found: Of these, wrong ones.
        corrected_right: Labels that were corrected to the truth.
        corrected_wrong: Labels that were corrected to something else.
        wrong_left: Wrong labels that the model has learned in the end.
    """

    first: int = 0
    second: int = 0
    unlabelled: int = 0
    wrong: int = 0
    contradicted: int = 0
    found: int = 0
    corrected_right: int = 0
    corrected_wrong: int = 0
    wrong_left: int = 0


@dataclass
class SecondLabels:
    """The log of examples of a run, the learner that folds it, and who is asked again.

    Args:
        start: Makes the learner before the first example.
        wanted: How many labels are wanted of a sample.
        seed: The application's seed.
        order: As of `candidates`.
        accepted: Whether somebody accepts at once what the model tips (`engine.labels.consensus`).

    Attributes:
        learner: The learner in force.
        log: All examples.
        queried: How many first labels were asked for.
        asked: The second queries, in order.
        unlabelled: How many of them nobody could label.
    """

    start: Callable[[], Learner]
    wanted: Wanted
    seed: int
    order: Callable[[Candidate], tuple[Any, ...]] = urgency
    accepted: bool = False
    learner: Learner = field(init=False)
    log: list[Example] = field(default_factory=list)
    queried: int = 0
    asked: list[str] = field(default_factory=list)
    unlabelled: int = 0
    _pending: dict[str, Pending] = field(default_factory=dict)
    _seen: int = 0
    _copies: deque[tuple[int, bytes]] = field(default_factory=lambda: deque(maxlen=COPIES))

    def __post_init__(self) -> None:
        self.learner = self.start()

    # --- queries ---

    def query(self, sample: Sample, scored: ScoredSample, decision: Decision) -> None:
        """Ask for the first label of a sample."""
        said = dict(zip(class_names(*scored.probabilities), scored.probabilities.values(), strict=True))
        prediction = Prediction(self.learner.rule.label(scored.probabilities), said)
        asked = Query(
            sample.id,
            dict(sample.features),
            prediction,
            utility=decision.utility,
            threshold=decision.threshold,
            propensity=decision.propensity,
            reason=decision.reason.value,
            strategy="",
            model=NO_MODEL,
            sampled_at="",
            queried_at="",
            expires_at="",
            version=version_of(sample.features),
        )
        self.queried += 1
        self._pending[sample.id] = Pending(asked, 0, LIFE_MS, asked.version)

    def candidates(self, most: int) -> list[Candidate]:
        """The samples to ask about again, `most` of them at most."""
        if most <= 0:
            return []
        ranked = candidates(self.learner.trust, self.wanted, self.order)
        return chosen(ranked, most, self._is_taken, seed=self.seed)

    def query_again(self, candidate: Candidate) -> Query:
        """Ask about a sample again."""
        number = len(self.asked) + 1
        asked = second_query(
            candidate, model=NO_MODEL, now_ms=0, life_ms=LIFE_MS // 2**10, pending=0, bought=(0, number)
        )
        self._pending[asked.id] = Pending(asked, 0, LIFE_MS, asked.version)
        self.asked.append(asked.id)
        return asked

    def _is_taken(self, query_id: str) -> bool:
        return query_id in self._pending or query_id in self.learner.known

    # --- labels ---

    def take(self, query_id: str, label: ClassLabel, annotator: str | None) -> str | None:
        """Take a label that has come; return why the model refuses it, if it does."""
        given = Label(query_id, label, annotator=annotator)
        joined = join(given, at_ms=0, pending=self._pending.pop(query_id), known=None)
        assert joined.example is not None  # noqa: S101 - its query was pending
        refused = self._append(joined.example) is Outcome.REFUSED
        return f"the label of {query_id} was refused" if refused else None

    def correct(self) -> None:
        """Write the corrections that are due, and let the model follow them."""
        trust = self.learner.trust
        if trust.second_labels == self._seen:
            return
        self._seen, weights = trust.second_labels, trust.tally.weights()
        found = [
            correction_of(item, weights, self.learner.ledger, accepted=self.accepted)
            for item in trust.items.several.values()
        ]
        for one in found:
            if one is not None:
                self._append(one)
        if self.learner.overdue:
            self._fold_anew()

    def _append(self, example: Example) -> Outcome:
        self.log.append(example)
        return self._fold()

    def _fold(self) -> Outcome:
        """Fold the next example of the log."""
        offset = self.learner.offset
        outcome = self.learner.fold(self.log[offset], offset)
        if self.wanted.extra and self.learner.offset % EVERY == 0:
            self._copies.append((self.learner.offset, pickle.dumps(self.learner)))
        return outcome

    def _fold_anew(self) -> None:
        corrections = Corrections(self.learner.ledger.labels(), len(self.log))
        self.learner = self._before(corrections)
        self.learner.correct(corrections)
        while self.learner.offset < len(self.log):
            self._fold()

    def _before(self, corrections: Corrections) -> Learner:
        """The newest learner that these corrections do not contradict."""
        while self._copies:
            copy: Learner = pickle.loads(self._copies[-1][1])  # noqa: S301 - this object has pickled it
            if copy.is_corrected_by(corrections):
                return copy
            self._copies.pop()
        return self.start()


def audit(played: SecondLabels, truth: Callable[[str], ClassLabel]) -> Audit:
    """What became of the wrong labels of a run.

    Args:
        played: The run.
        truth: The true label of a sample, by its id.
    """
    first = {one.id: one.label for one in played.log if one.second_of is None and not one.corrects}
    wrong = {name for name, label in first.items() if not same_label(label, truth(name))}
    contradicted = {
        str(one.second_of)
        for one in played.log
        if one.second_of is not None and not same_label(one.label, first[str(one.second_of)])
    }
    corrected: Mapping[str, ClassLabel] = {
        played.log[offset].id: one.label for offset, one in played.learner.ledger.corrected.items()
    }
    right = {name for name, label in corrected.items() if same_label(label, truth(name))}
    return Audit(
        first=played.queried,
        second=len(played.asked),
        unlabelled=played.unlabelled,
        wrong=len(wrong),
        contradicted=len(contradicted),
        found=len(wrong & contradicted),
        corrected_right=len(right),
        corrected_wrong=len(corrected) - len(right),
        wrong_left=len((wrong | set(corrected)) - right),
    )
