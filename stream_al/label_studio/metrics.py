"""The metrics of the bridge, in a registry of their own. Ids and annotators are never labels of a metric."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.process_collector import ProcessCollector

__all__ = ["BridgeMetrics"]


class BridgeMetrics:
    """The metrics of one process. All begin at 0."""

    def __init__(self) -> None:
        self.registry = r = CollectorRegistry()
        ProcessCollector(registry=r)
        p = "stream_al_label_studio_"
        self.pending = Gauge(p + "pending_queries", "Queries that wait for a label.", registry=r)
        self.waiting = Gauge(p + "waiting_tasks", "Tasks that nobody has labelled or skipped.", registry=r)
        self.ready = Gauge(
            p + "ready", "1 while the last look at Label Studio succeeded, else 0.", registry=r
        )
        self.imported = Counter(p + "imported_tasks", "Tasks that were imported.", registry=r)
        self.withdrawn = Counter(
            p + "withdrawn_tasks",
            "Tasks that were deleted, by reason (closed, duplicate).",
            ["reason"],
            registry=r,
        )
        self.labels = Counter(
            p + "labels",
            "Labels that were sent, by kind (label, skip, changed, corrected).",
            ["kind"],
            registry=r,
        )
        self.corrections = Gauge(
            p + "waiting_corrections", "Changed annotations that the service has not taken yet.", registry=r
        )
        self.age = Gauge(
            p + "step_age_seconds", "Time since the last look at Label Studio that succeeded.", registry=r
        )
        self.unusable = Counter(
            p + "unusable_annotations", "Annotations that mean no label, by reason.", ["reason"], registry=r
        )
        self.deleted = Counter(
            p + "deleted_annotations", "Annotations that were deleted after their label was sent.", registry=r
        )
        self.refused = Counter(
            p + "refused_queries", "Queries that Label Studio does not take as a task.", registry=r
        )
        self.requests = Gauge(
            p + "requests", "Requests to Label Studio so far, by outcome.", ["outcome"], registry=r
        )
        self.webhooks = Counter(
            p + "webhooks", "Webhooks received, by outcome (accepted, refused).", ["outcome"], registry=r
        )
        for counter, names in (
            (self.withdrawn, ("closed", "duplicate")),
            (self.labels, ("label", "skip", "changed", "corrected")),
            (self.unusable, ("no_class", "several_classes")),
            (self.webhooks, ("accepted", "refused")),
        ):
            for name in names:
                counter.labels(name)
