"""What metrics, log and status say of a learner: examples, classes, accuracy, drift, annotators, refusals."""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b
from math import nan

import structlog
from prometheus_client import Gauge

from stream_al.engine.labels.class_figures import ClassFigures
from stream_al.engine.labels.evaluation import Accuracy
from stream_al.engine.labels.learner import Learner, Outcome
from stream_al.engine.trust.annotators import Share
from stream_al.messages import ClassLabel, Example, class_names, label_text
from stream_al.service.telemetry.metrics import Metrics
from stream_al.service.telemetry.problems import Kind, Problems

__all__ = ["MOST_ANNOTATORS", "OTHERS", "LearnerReport", "series_name"]

log = structlog.get_logger(__name__)

OTHERS = "(others)"  # what the series of all further classes has in the place of a class
MOST_CHARACTERS = 60
MOST_ANNOTATORS = 20  # with series of their own; `GET /v1/quality` has more


class LearnerReport:
    """Reports a learner.

    Args:
        metrics: Where it is shown.
        problems: Where refused labels are reported.
    """

    def __init__(self, metrics: Metrics, problems: Problems) -> None:
        self.metrics = metrics
        self.problems = problems

    def start(self, learner: Learner) -> None:
        """Report a learner that was loaded or rebuilt; its examples and drifts were reported before."""
        # What the learner before this one knew, this one may not know.
        for gauge in (self.metrics.accuracy, *self._of_classes(), *self._of_annotators()):
            gauge.clear()
        self.learned(learner, Counter())
        self._trust(learner)
        self._last_drift(learner)

    def learned(self, learner: Learner, outcomes: Counter[Outcome]) -> None:
        """Report what became of examples, and the learner after them."""
        metrics = self.metrics
        for outcome, number in outcomes.items():
            metrics.examples.labels(outcome.value).inc(number)
        if Outcome.SECOND in outcomes:
            self._trust(learner)
        metrics.model_examples.set(learner.model.examples)
        metrics.model_classes.set(len(learner.model.classes))
        metrics.corrected.set(len(learner.ledger.corrected))
        for member, standing in learner.model.member_report().items():
            metrics.member_weight.labels(member).set(standing["weight"])
            metrics.member_loss.labels(member).set(standing["loss"])
        current, previous = learner.evaluation.current, learner.evaluation.previous
        for span, accuracy in (("all", current.overall), ("recent", current.recent)):
            _show(metrics.accuracy, span, accuracy)
        metrics.predicted.set(nan if current.predicted is None else current.predicted)
        if previous is not None:
            _show(metrics.accuracy, "previous", previous.overall)
        classes = current.per_class.classes
        for name, figures in zip(class_names(*classes), classes.values(), strict=True):
            self._of_class(series_name(name), figures)
        self._of_class(OTHERS, current.per_class.others)

    def drifted(self, learner: Learner, drifts: int) -> None:
        """Report drifts that were found just now, if any were."""
        self._last_drift(learner)
        if drifts:
            self.metrics.drift.inc(drifts)
            log.warning("drift: the model makes more errors than before", example=learner.drift.last)

    def folded(self, learner: Learner, example: Example, outcome: Outcome) -> None:
        """Report the last example if its label was lost; intake has reported a conflict that it knew of."""
        refusal = learner.refusals.last
        if outcome is Outcome.REFUSED and refusal is not None:
            self.problems.report(Kind.LABEL_REFUSED, refusal.reason, refusal.message, sample=example.id)
        if outcome is Outcome.CONFLICT and example.features is not None:
            why = f"the sample has another label, which counts, than {example.label!r:.100}"
            self.problems.report(Kind.LABEL_REFUSED, outcome.value, why, sample=example.id)

        if outcome is Outcome.UNCORRECTED:
            why = (
                "a correction has no effect: its sample has no label that is remembered (labels.remember), "
                "or too many labels are corrected"
            )
            self.problems.report(Kind.LABEL_REFUSED, outcome.value, why, sample=example.id)

    def _trust(self, learner: Learner) -> None:
        trust, metrics = learner.trust, self.metrics
        _show_share(metrics.second_agreement, (), Share.of(trust.agreeing, trust.second_labels))
        known = [one for one in trust.tally.annotators if one.annotator is not None]
        for one in known[:MOST_ANNOTATORS]:
            _show_share(metrics.annotator_agreement, (series_name(one.annotator or ""),), one.agreement)
        metrics.contradicting.set(sum(one.contradicts for one in known))

    def _of_annotators(self) -> tuple[Gauge, ...]:
        return self.metrics.second_agreement, self.metrics.annotator_agreement

    def _of_class(self, name: str, figures: ClassFigures) -> None:
        _show(self.metrics.class_recall, name, figures.recall)
        _show(self.metrics.class_precision, name, figures.precision)
        if figures.labels:
            self.metrics.class_labels.labels(name).set(figures.labels)

    def _of_classes(self) -> tuple[Gauge, ...]:
        return self.metrics.class_recall, self.metrics.class_precision, self.metrics.class_labels

    def _last_drift(self, learner: Learner) -> None:
        last = learner.drift.last
        self.metrics.drift_example.set(0 if last is None else last + 1)


def series_name(label: ClassLabel) -> str:
    r"""A class or an annotator as the label of a series: short, one line, and another one for another text.

    >>> series_name("spam"), series_name("two\nlines"), series_name("(others)")
    ('spam', 'two?lines #9744aefe', '(others) #a82a2487')
    """
    text = label_text(label)
    plain = "".join(letter if letter.isprintable() else "?" for letter in text[:MOST_CHARACTERS])
    if plain == text != OTHERS:
        return text
    return f"{plain} #{blake2b(text.encode('utf-8', 'surrogatepass'), digest_size=4).hexdigest()}"


def _show(gauge: Gauge, name: str, accuracy: Accuracy) -> None:
    if estimate := accuracy.estimate():
        gauge.labels(name, "estimate").set(estimate.accuracy)
        gauge.labels(name, "low").set(estimate.low)
        gauge.labels(name, "high").set(estimate.high)


def _show_share(gauge: Gauge, names: tuple[str, ...], found: Share) -> None:
    for bound, value in (("estimate", found.share), ("low", found.low), ("high", found.high)):
        if value is not None:
            gauge.labels(*names, bound).set(value)
