"""Every metric of the service: one line each, with its meaning and unit.

Each process has its own counters. A query in Prometheus sums them over the replicas of an application.
Sample ids and annotators never become labels of a metric, because their number has no bound. Classes do: the
first `class_figures.MOST` of a stream have series of their own, and one more has all others.

The metrics do not name the application and the replica. Prometheus adds both as labels when it scrapes: `job`
is the application, `instance` the replica (deploy/prometheus/prometheus.yml). `stream_al_build_info` also
names the application, as the settings do.

If the labels of a series are known at the start, the series begins at 0. If it began with its first event, a
rate in Prometheus would not show that event.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.metrics_core import Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from river.__version__ import __version__ as river_version

from stream_al import __version__
from stream_al.engine.conditions import Type
from stream_al.engine.labels import join, learner
from stream_al.service.telemetry.histogram import BatchHistogram

__all__ = ["Metrics"]

SELECTED = ("uncertain", "explore", "warmup")
NOT_SELECTED = ("below", "spent", "capped")
REFUSED = {
    "select": (
        *("too_large", "too_deep", "not_json", "not_an_object", "no_features", "bad_features"),
        *("too_many_features", "text_too_long", "not_finite", "no_id", "bad_id", "query_too_large"),
        *("name_too_long", "too_many_objects"),
    ),
    "intake": (
        *("too_large", "too_deep", "not_json", "bad_fields", "no_label", "label_too_long"),
        *("unknown_id", "unknown_version", "ambiguous_id", "unknown_class", "too_many_objects"),
    ),
    "learn": (
        *("null_value", "too_large", "too_deep", "not_json", "bad_fields", "no_label", "label_too_long"),
        "too_many_objects",
    ),
    "control": ("too_large", "too_deep", "too_many_objects", "not_json", "bad_fields", "unknown_key"),
}
"""By stage: the reasons for which a record becomes a dead letter."""

SKIPPED = {"select": ("tombstone", "deleted"), "intake": ("tombstone",)}
"""By stage: the reasons for which a record is skipped, since it rightly holds no sample or label."""

PROBLEMS = {
    "label_refused": ("binary_model", "too_many_classes", "model_error", "too_late", "conflict"),
    "no_opinion": ("model_error",),
    "dead_letter": tuple(dict.fromkeys((*REFUSED["select"], *REFUSED["intake"]))),
    "skipped": (*REFUSED["learn"], "no_room"),
    "clock": ("timestamp_ahead",),
    "identity": ("clash", "repeated_id"),
}
"""By kind: the reasons of problems that are known."""

SHARES = tuple(tenth / 10 for tenth in range(1, 11))
WORK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
DELAYS = (1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 12 * 3600, 86400, 3 * 86400, 7 * 86400, 30 * 86400)


class _Registry(CollectorRegistry):
    """A registry without the `_created` series, which would double the size of a scrape."""

    def collect(self) -> Iterator[Metric]:
        for metric in super().collect():
            metric.samples = [s for s in metric.samples if not s.name.endswith("_created")]
            yield metric


class Metrics:
    """The metrics of one process, in a registry of their own."""

    def __init__(self, application: str) -> None:
        self.registry = _Registry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        p, r = "stream_al_", self.registry
        # fmt: off
        # Selecting
        self.samples = Counter(p + "samples", "Samples decided about, by decision and reason.", ["decision", "reason"], registry=r)
        self.utility = BatchHistogram(p + "utility", "Utility of the label of each sample, 0 to 1.", SHARES, r)
        self.threshold = Gauge(p + "threshold", "Threshold of the budget manager now: it selects samples of at least this utility, 0 to 1.", ["partition"], registry=r)
        self.budget_asked = Counter(p + "budget_asked_labels", "Labels that the budget has allowed so far.", registry=r)
        self.budget_spent = Counter(p + "budget_spent_labels", "Labels asked for that count against the budget.", registry=r)
        self.budget_share = Gauge(p + "budget_share_ratio", "Share of the samples that may be queried, as the settings say, 0 to 1.", registry=r)
        self.queries = Counter(p + "queries", "Queries that the broker has confirmed.", registry=r)
        # Labels
        self.labels = Counter(p + "labels", "Labels received, by outcome.", ["outcome"], registry=r)
        self.label_delay = Histogram(p + "label_delay_seconds", "Log time from a query to its label, in seconds.", buckets=DELAYS, registry=r)
        self.pending = Gauge(p + "pending_queries", "Queries that wait for their label.", registry=r)
        self.pending_cap = Gauge(p + "pending_queries_limit", "Number of pending queries at which selection pauses.", registry=r)
        self.pending_oldest = Gauge(p + "pending_oldest_seconds", "Log time for which the oldest pending query has waited, in seconds.", registry=r)
        self.expired = Counter(p + "expired_queries", "Queries that were closed because they had expired.", registry=r)
        # Learning
        self.examples = Counter(p + "examples", "Examples that the model has read, by outcome.", ["outcome"], registry=r)
        self.update_seconds = Histogram(p + "model_update_duration_seconds", "Time to learn the examples of one poll, in seconds.", buckets=WORK, registry=r)
        self.model_examples = Gauge(p + "model_examples", "Examples that the model has learned.", registry=r)
        self.model_classes = Gauge(p + "model_classes", "Classes that the model knows.", registry=r)
        self.member_weight = Gauge(p + "model_member_weight_ratio", "Weight of each member of the model `auto`, from 0 to 1.", ["member"], registry=r)
        self.member_loss = Gauge(p + "model_member_loss_ratio", "Recent loss of each member of the model `auto`: 0 when always right and certain, 1 when always wrong and certain.", ["member"], registry=r)
        self.model_offset_lag = Gauge(p + "model_offset_lag", "Examples in the topic that the model has not read yet.", registry=r)
        self.accuracy = Gauge(p + "accuracy_ratio", "Accuracy over all samples, estimated from the labels received, 0 to 1; the span `previous` is that of the model before.", ["span", "bound"], registry=r)
        self.class_recall = Gauge(p + "class_recall_ratio", "Recall of a class over all samples, estimated from the labels received, 0 to 1.", ["class", "bound"], registry=r)
        self.class_precision = Gauge(p + "class_precision_ratio", "Precision of a class over all samples, estimated from the labels received, 0 to 1.", ["class", "bound"], registry=r)
        self.class_labels = Gauge(p + "class_labels", "Labels of a class that were bought and read by the model.", ["class"], registry=r)
        self.drift = Counter(p + "drift", "Drifts detected since the start: the model began to err more than before.", registry=r)
        self.drift_example = Gauge(p + "drift_last_example", "Number of the example at which the last drift was detected; 0 before the first drift.", registry=r)
        self.snapshots = Counter(p + "snapshots", "Snapshots, by outcome (written, failed).", ["outcome"], registry=r)
        # The loops
        self.consumer_lag = Gauge(p + "consumer_lag", "Records that were not read yet.", ["topic", "partition"], registry=r)
        self.batch_seconds = Histogram(p + "batch_duration_seconds", "Time from reading a batch to its commit, in seconds.", ["stage"], buckets=WORK, registry=r)
        self.problems = Counter(p + "problems", "What cost a label or lost a sample, by kind and reason.", ["kind", "reason"], registry=r)
        self.condition = Gauge(p + "condition", "1 while a condition holds, 0 while all is well in this respect; by type.", ["type"], registry=r)
        self.dead_letters = Counter(p + "dead_letters", "Records that were sent to the dead letters, by stage and reason.", ["stage", "reason"], registry=r)
        self.skipped = Counter(p + "skipped_records", "Records that hold no sample or label and were skipped, by stage and reason (tombstone, deleted).", ["stage", "reason"], registry=r)
        self.assignments = Counter(p + "assignment_changes", "Changes of the assigned partitions, by stage.", ["stage"], registry=r)
        self.stopped = Gauge(p + "stopped_partitions", "Partitions that were stopped by a run of bad records.", ["stage"], registry=r)
        self.paused = Gauge(p + "paused", "1 while an operator has paused selection, else 0.", registry=r)
        self.ready = Gauge(p + "ready", "1 while the service is ready, else 0.", registry=r)
        # fmt: on
        self._begin_at_zero()
        Info(p + "build", "Versions of the service, River and Python.", registry=r).info(
            {
                "version": __version__,
                "river": river_version,
                "python": platform.python_version(),
                "application": application,
            }
        )

    def _begin_at_zero(self) -> None:
        for decision, reasons in (("query", SELECTED), ("pass", NOT_SELECTED)):
            for reason in reasons:
                self.samples.labels(decision, reason)
        for condition in Type:
            self.condition.labels(condition.value)
        for received in join.Outcome:
            self.labels.labels(received.value)
        for learned in learner.Outcome:
            self.examples.labels(learned.value)
        for outcome in ("written", "failed"):
            self.snapshots.labels(outcome)
        by_reason = ((self.dead_letters, REFUSED), (self.skipped, SKIPPED), (self.problems, PROBLEMS))
        for counter, known in by_reason:
            for name, why in known.items():
                for reason in why:
                    counter.labels(name, reason)
