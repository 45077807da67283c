"""Figures: what this process did over the last hour, a point every few seconds, for the page Watch.

A point holds what is in memory: counters since the start, of which a reader takes differences, and the state
of now. Nothing is computed for it that takes longer with more samples, labels or queries.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from prometheus_client import Counter, Histogram

from stream_al.engine.labels.evaluation import Accuracy
from stream_al.messages import encode, iso
from stream_al.service.loops.asked import Asked
from stream_al.service.model.local_model import LocalModel
from stream_al.service.telemetry.metrics import DELAYS, SHARES, Metrics
from stream_al.service.timing.clock import Clock
from stream_al.settings import BudgetSettings

__all__ = ["Figures"]

SECONDS = 3600.0  # that are kept
MAX_POINT_BYTES = 16_384
MOST_SERIES = 64  # partitions, or members, of a point


class Figures:
    """The figures of the last hour.

    Args:
        metrics: Where they are counted.
        local_model: The model.
        asked: The samples that people have asked for.
        budget: Returns the budget in force.
        clock: Says when a point is taken, and how often.
    """

    def __init__(
        self,
        metrics: Metrics,
        local_model: LocalModel,
        asked: Asked,
        budget: Callable[[], BudgetSettings],
        clock: Clock,
    ) -> None:
        self._metrics = metrics
        self._local_model = local_model
        self._asked = asked
        self._budget = budget
        self._clock = clock
        self.seconds = clock.pace.watch_seconds
        self._points: deque[bytes] = deque(maxlen=max(1, int(SECONDS / self.seconds)))
        self._next = 0
        self._run = iso(clock.wall_ms())

    def take(self) -> None:
        """Take a point."""
        point = encode(self._point())
        if len(point) <= MAX_POINT_BYTES:
            self._points.append(point)
            self._next += 1

    def since(self, number: int, run: str | None = None) -> bytes:
        """The points after the one of a number, as JSON.

        Args:
            number: The number of the last point that the reader has; -1 for none.
            run: The run that it was of; all points are new to a reader that has those of another run.
        """
        first = self._next - len(self._points)
        begin = first if run not in (None, self._run) else max(first, number + 1)
        head = {
            "run": self._run,
            "first": begin,
            "next": self._next,
            "every_seconds": self.seconds,
            "delay_bounds": DELAYS,
            "utility_bounds": SHARES,
        }
        points = list(self._points)[max(0, begin - first) :]
        return encode(head)[:-1] + b',"points":[' + b",".join(points) + b"]}"

    def _point(self) -> dict[str, Any]:
        metrics, learner, budget = self._metrics, self._local_model.learner, self._budget()
        current = learner.evaluation.current
        delays, delay_sum = _buckets(metrics.label_delay)
        members = list(learner.model.member_report().items())[:MOST_SERIES]
        thresholds = _by_label(metrics.threshold, "partition")[:MOST_SERIES]
        return {
            "seq": self._next,
            "at": iso(self._clock.wall_ms()),
            "samples": sum(metrics.utility.counts),
            "queries": _total(metrics.queries),
            "manual": _total(metrics.manual_queries),
            "allowed": round(_total(metrics.budget_asked), 3),
            "labels": sum(delays),
            "expired": _total(metrics.expired),
            "share": budget.share,
            "pending_cap": budget.pending,
            "thresholds": {name: round(value, 4) for name, value in thresholds},
            "utility": metrics.utility.counts,
            "accuracy": {"recent": _estimate(current.recent), "all": _estimate(current.overall)},
            "predicted": current.predicted,
            "delays": delays,
            "delay_seconds": round(delay_sum, 1),
            "drifts": learner.drift.found,
            "drift_example": learner.drift.last,
            "examples": learner.model.examples,
            "classes": len(learner.model.classes),
            "members": {name: round(standing["weight"], 4) for name, standing in members},
            "pending": int(_value(metrics.pending)),
            "asked": len(self._asked),
            "lag": int(sum(value for _, value in _by_label(metrics.consumer_lag, "topic"))),
            "paused": bool(_value(metrics.paused)),
        }


def _estimate(accuracy: Accuracy) -> dict[str, float] | None:
    found = accuracy.estimate()
    return None if found is None else {name: round(value, 5) for name, value in asdict(found).items()}


def _total(counter: Counter) -> float:
    """The value of a counter, over all its series."""
    return sum(s.value for metric in counter.collect() for s in metric.samples if s.name.endswith("_total"))


def _value(gauge: Any) -> float:
    """The value of a gauge without labels."""
    return next((float(s.value) for metric in gauge.collect() for s in metric.samples), 0.0)


def _by_label(gauge: Any, label: str) -> list[tuple[str, float]]:
    """The series of a gauge by one of its labels."""
    return [(s.labels[label], float(s.value)) for metric in gauge.collect() for s in metric.samples]


def _buckets(histogram: Histogram) -> tuple[list[int], float]:
    """How many values each bucket of a histogram has had, and the sum of all."""
    samples = [s for metric in histogram.collect() for s in metric.samples]
    upto = [int(s.value) for s in samples if s.name.endswith("_bucket")]
    counts = [one - before for one, before in zip(upto, [0, *upto], strict=False)]
    return counts, next((s.value for s in samples if s.name.endswith("_sum")), 0.0)
