"""Every metric of the service: one line each, with its meaning and unit.

Each process has its own counters. A query in Prometheus sums them over the replicas of an application.
Sample ids never become labels of a metric, because their number has no bound. Classes do: the first
`class_figures.MOST` of a stream have series of their own, and one more has all others. So do the first
`report.MOST_ANNOTATORS` annotators, and the first reasons of skips (`engine.labels.skips`).

The metrics do not name the application and the replica. Prometheus adds both as labels when it scrapes: `job`
is the application, `instance` the replica (deploy/prometheus/prometheus.yml). `stream_al_build_info` also
names the application, as the settings do.

If the labels of a series are known at the start, the series begins at 0. If it began with its first event, a
rate in Prometheus would not show that event.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.metrics_core import Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from river.__version__ import __version__ as river_version

from stream_al import __version__
from stream_al.engine.conditions import Type
from stream_al.engine.labels import join, learner
from stream_al.engine.labels.skips import NO_REASON, OTHERS
from stream_al.service.telemetry.histogram import BatchHistogram

__all__ = ["Metrics"]

SELECTED = ("uncertain", "explore", "warmup")
NOT_SELECTED = ("below", "spent", "capped", "displaced")
REQUESTED = ("granted", "lost", "refused", "renewed", "released")
REFUSED = {
    "select": (
        *("too_large", "too_deep", "not_json", "not_an_object", "no_features", "bad_features"),
        *("too_many_features", "text_too_long", "not_finite", "no_id", "bad_id", "query_too_large"),
        *("name_too_long", "too_many_objects"),
    ),
    "intake": (
        *("too_large", "too_deep", "not_json", "bad_fields", "no_label", "label_too_long"),
        *("unknown_id", "unknown_version", "ambiguous_id", "unknown_class", "same_annotator"),
        "too_many_objects",
    ),
    "learn": (
        *("null_value", "too_large", "too_deep", "not_json", "bad_fields", "no_label", "label_too_long"),
        "too_many_objects",
    ),
    "control": (
        *("too_large", "too_deep", "too_many_objects", "not_json", "bad_fields", "unknown_key"),
        "too_many_requests",
    ),
}
"""By stage: the reasons for which a record becomes a dead letter."""

SKIPPED = {"select": ("tombstone", "deleted"), "intake": ("tombstone",)}
"""By stage: the reasons for which a record is skipped, since it rightly holds no sample or label."""

PROBLEMS = {
    "label_refused": (
        *("binary_model", "too_many_classes", "model_error", "too_late", "conflict", "uncorrected"),
    ),
    "no_opinion": ("model_error",),
    "dead_letter": tuple(dict.fromkeys((*REFUSED["select"], *REFUSED["intake"]))),
    "skipped": (*REFUSED["learn"], "no_room"),
    "clock": ("timestamp_ahead",),
    "identity": ("clash", "repeated_id", "shared_id"),
    "request": ("sample_gone", "cannot_relabel", "too_many"),
}
"""By kind: the reasons of problems that are known."""

SHARES = tuple(tenth / 10 for tenth in range(1, 11))
WORK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
DELAYS = (1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 12 * 3600, 86400, 3 * 86400, 7 * 86400, 30 * 86400)


P = "stream_al_"  # every name begins with it


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
        self._of_selection()
        self._of_labels()
        self._of_the_model()
        self._of_the_loops()
        self._begin_at_zero()
        Info(P + "build", "Versions of the service, River and Python.", registry=self.registry).info(
            {
                "version": __version__,
                "river": river_version,
                "python": platform.python_version(),
                "application": application,
            }
        )

    # fmt: off
    def _of_selection(self) -> None:
        r = self.registry
        self.samples = Counter(P + "samples", "Samples decided about, by decision and reason.", ["decision", "reason"], registry=r)
        self.utility = BatchHistogram(P + "utility", "Utility of the label of each sample, 0 to 1.", SHARES, r)
        self.threshold = Gauge(P + "threshold", "Threshold of the budget manager now: it selects samples of at least this utility, 0 to 1.", ["partition"], registry=r)
        self.budget_asked = Counter(P + "budget_asked_labels", "Labels that the budget has allowed so far.", registry=r)
        self.budget_spent = Counter(P + "budget_spent_labels", "Labels asked for that count against the budget.", registry=r)
        self.budget_share = Gauge(P + "budget_share_ratio", "Share of the samples that may be queried, as the settings say, 0 to 1.", registry=r)
        self.queries = Counter(P + "queries", "Queries that the broker has confirmed.", registry=r)
        self.manual_queries = Counter(P + "manual_queries", "Queries that the broker has confirmed and that a person asked for, each in the place of another purchase.", registry=r)
        self.second_queries = Counter(P + "second_queries", "Queries, among all, that ask another annotator about a sample that has a label.", registry=r)

    def _of_labels(self) -> None:
        r = self.registry
        self.labels = Counter(P + "labels", "Labels received, by outcome.", ["outcome"], registry=r)
        self.skips = Counter(P + "skipped_labels", "Queries that an annotator skipped, by reason; the first reasons have series of their own.", ["reason"], registry=r)
        self.label_delay = Histogram(P + "label_delay_seconds", "Log time from a query to its label, in seconds.", buckets=DELAYS, registry=r)
        self.pending = Gauge(P + "pending_queries", "Queries that wait for their label.", registry=r)
        self.pending_cap = Gauge(P + "pending_queries_limit", "Number of pending queries at which selection pauses.", registry=r)
        self.pending_oldest = Gauge(P + "pending_oldest_seconds", "Log time for which the oldest pending query has waited, in seconds.", registry=r)
        self.expired = Counter(P + "expired_queries", "Queries that were closed because they had expired.", registry=r)
        self.leases = Gauge(P + "leases", "Queries that are leased now, on all replicas together.", registry=r)
        self.free = Gauge(P + "free_queries", "Pending queries that nobody has leased.", registry=r)
        self.lease_requests = Counter(P + "lease_requests", "Leases that were asked for, by outcome (granted, lost, refused, renewed, released).", ["outcome"], registry=r)
        self.expired_leases = Counter(P + "expired_leases", "Leases that have run out, as each replica has read.", registry=r)

    def _of_the_model(self) -> None:
        r = self.registry
        self.examples = Counter(P + "examples", "Examples that the model has read, by outcome.", ["outcome"], registry=r)
        self.update_seconds = Histogram(P + "model_update_duration_seconds", "Time to learn the examples of one poll, in seconds.", buckets=WORK, registry=r)
        self.model_examples = Gauge(P + "model_examples", "Examples that the model has learned.", registry=r)
        self.model_classes = Gauge(P + "model_classes", "Classes that the model knows.", registry=r)
        self.member_weight = Gauge(P + "model_member_weight_ratio", "Weight of each member of the model `auto`, from 0 to 1.", ["member"], registry=r)
        self.member_loss = Gauge(P + "model_member_loss_ratio", "Recent loss of each member of the model `auto`: 0 when always right and certain, 1 when always wrong and certain.", ["member"], registry=r)
        self.model_offset_lag = Gauge(P + "model_offset_lag", "Examples in the topic that the model has not read yet.", registry=r)
        self.accuracy = Gauge(P + "accuracy_ratio", "Accuracy over all samples for which a class was predicted, estimated from the labels received, 0 to 1; the span `previous` is that of the model before.", ["span", "bound"], registry=r)
        self.predicted = Gauge(P + "predicted_ratio", "Share of all samples for which a class was predicted, estimated from the labels received, 0 to 1; NaN before the first one.", registry=r)
        self.class_recall = Gauge(P + "class_recall_ratio", "Recall of a class over all samples, estimated from the labels received, 0 to 1.", ["class", "bound"], registry=r)
        self.class_precision = Gauge(P + "class_precision_ratio", "Precision of a class over all samples, estimated from the labels received, 0 to 1.", ["class", "bound"], registry=r)
        self.class_labels = Gauge(P + "class_labels", "Labels of a class that were bought and read by the model.", ["class"], registry=r)
        self.second_agreement = Gauge(P + "second_labels_agreement_ratio", "Share of the second labels of a sample that are its first label, 0 to 1.", ["bound"], registry=r)
        self.annotator_agreement = Gauge(P + "annotator_agreement_ratio", "Share of the other annotators of the same samples that an annotator agrees with, 0 to 1.", ["annotator", "bound"], registry=r)
        self.contradicting = Gauge(P + "contradicting_annotators", "Annotators who contradict the rest: their agreement lies below that of all others.", registry=r)
        self.drift = Counter(P + "drift", "Drifts detected since the start: the model began to err more than before.", registry=r)
        self.drift_example = Gauge(P + "drift_last_example", "Number of the example at which the last drift was detected; 0 before the first drift.", registry=r)
        self.corrected = Gauge(P + "corrected_examples", "Examples whose label was corrected.", registry=r)
        self.rebuilding = Gauge(P + "model_rebuilding", "1 while other examples or labels count than the model in force has learned, else 0.", registry=r)
        self.rebuilds = Counter(P + "model_rebuilds", "Rebuilds of the model since the start, after a correction, a rollback or a restore.", registry=r)
        self.snapshots = Counter(P + "snapshots", "Snapshots, by outcome (written, failed).", ["outcome"], registry=r)

    def _of_the_loops(self) -> None:
        r = self.registry
        self.consumer_lag = Gauge(P + "consumer_lag", "Records that were not read yet.", ["topic", "partition"], registry=r)
        self.batch_seconds = Histogram(P + "batch_duration_seconds", "Time from reading a batch to its commit, in seconds.", ["stage"], buckets=WORK, registry=r)
        self.problems = Counter(P + "problems", "What cost a label or lost a sample, by kind and reason.", ["kind", "reason"], registry=r)
        self.condition = Gauge(P + "condition", "1 while a condition holds, 0 while all is well in this respect; by type.", ["type"], registry=r)
        self.dead_letters = Counter(P + "dead_letters", "Records that were sent to the dead letters, by stage and reason.", ["stage", "reason"], registry=r)
        self.skipped = Counter(P + "skipped_records", "Records that hold no sample or label and were skipped, by stage and reason (tombstone, deleted).", ["stage", "reason"], registry=r)
        self.assignments = Counter(P + "assignment_changes", "Changes of the assigned partitions, by stage.", ["stage"], registry=r)
        self.stopped = Gauge(P + "stopped_partitions", "Partitions that were stopped by a run of bad records.", ["stage"], registry=r)
        self.paused = Gauge(P + "paused", "1 while an operator has paused selection, else 0.", registry=r)
        self.ready = Gauge(P + "ready", "1 while the service is ready, else 0.", registry=r)
    # fmt: on

    def _begin_at_zero(self) -> None:
        for decision, reasons in (("query", SELECTED), ("pass", NOT_SELECTED)):
            for reason in reasons:
                self.samples.labels(decision, reason)
        by_name: tuple[tuple[Counter | Gauge, Iterable[str]], ...] = (
            (self.condition, Type),
            (self.labels, join.Outcome),
            (self.examples, learner.Outcome),
            (self.snapshots, ("written", "failed")),
            (self.skips, (NO_REASON, OTHERS)),
            (self.lease_requests, REQUESTED),
        )
        for series, names in by_name:
            for name in names:
                series.labels(str(name))
        by_reason = ((self.dead_letters, REFUSED), (self.skipped, SKIPPED), (self.problems, PROBLEMS))
        for counter, known in by_reason:
            for name, why in known.items():
                for reason in why:
                    counter.labels(name, reason)
