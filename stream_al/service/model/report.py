"""What the metrics and the log say of a learner: examples, classes, accuracy and drift."""

from __future__ import annotations

from collections import Counter

import structlog

from stream_al.engine.labels.learner import Learner, Outcome
from stream_al.service.telemetry.metrics import Metrics

__all__ = ["LearnerReport"]

log = structlog.get_logger(__name__)


class LearnerReport:
    """Reports a learner.

    Args:
        metrics: Where it is shown.
    """

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics

    def start(self, learner: Learner) -> None:
        """Report a learner that was loaded or rebuilt; its examples and drifts were reported before."""
        self.metrics.accuracy.clear()  # the accuracy of this learner may be unknown
        self.learned(learner, Counter())
        self._last_drift(learner)

    def learned(self, learner: Learner, outcomes: Counter[Outcome]) -> None:
        """Report what became of examples, and the learner after them."""
        metrics = self.metrics
        for outcome, number in outcomes.items():
            metrics.examples.labels(outcome.value).inc(number)
        metrics.model_examples.set(learner.model.examples)
        metrics.model_classes.set(len(learner.model.classes))
        for member, standing in learner.model.standings().items():
            metrics.member_weight.labels(member).set(standing["weight"])
            metrics.member_loss.labels(member).set(standing["loss"])
        for span, accuracy in (("all", learner.overall), ("recent", learner.recent)):
            if estimate := accuracy.estimate():
                metrics.accuracy.labels(span, "estimate").set(estimate.accuracy)
                metrics.accuracy.labels(span, "low").set(estimate.low)
                metrics.accuracy.labels(span, "high").set(estimate.high)

    def drifted(self, learner: Learner, drifts: int) -> None:
        """Report drifts that were found just now, if any were."""
        self._last_drift(learner)
        if drifts:
            self.metrics.drift.inc(drifts)
            log.warning("drift: the model makes more errors than before", example=learner.drift.last)

    def _last_drift(self, learner: Learner) -> None:
        last = learner.drift.last
        self.metrics.drift_example.set(0 if last is None else last + 1)
