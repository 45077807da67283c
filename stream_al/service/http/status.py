"""The status of a process, as values that are ready for JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from stream_al import __version__
from stream_al.engine.labels.class_figures import ClassFigures, PerClass
from stream_al.engine.labels.evaluation import Accuracy, Estimate
from stream_al.engine.labels.figures import Figures
from stream_al.engine.labels.learner import Learner
from stream_al.engine.labels.refusals import Refusal
from stream_al.service.app import App
from stream_al.service.loops.consumer import Consumer

__all__ = ["describe_model", "interval_of", "model_status", "per_class", "status"]


def status(app: App) -> dict[str, Any]:
    """The status of all parts."""
    settings, budget = app.settings, app.control.budget
    learner = app.local_model.learner
    return {
        "application": settings.application,
        "version": __version__,
        "ready": app.ready,
        "live": app.live(),
        "paused": app.select.paused,
        "select": _consumer(app.select),
        "intake": _consumer(app.intake),
        "budget": {
            "share": budget.share,
            "manager": budget.manager,
            "strategy": settings.strategy,
            "exploration": budget.exploration,
            "pending_cap": budget.pending,
            "per_hour_cap": budget.per_hour,
            "total_cap": budget.total,
            "partitions": _spent(app),
        },
        "pending": len(app.pending),
        "skips": app.skips.counts,
        "leases": app.leasing.describe(),
        "examples": {
            "offset": learner.offset,
            "outcomes": {outcome.value: number for outcome, number in learner.counts.items()},
        },
        "conditions": app.conditions.describe(),
        "problems": app.problems.describe(),
        "model": model_status(app),
        "model_check": app.model_check.describe(),
    }


def model_status(app: App) -> dict[str, Any]:
    """The model of this process."""
    return {
        **describe_model(app.settings.model.name, app.local_model.learner),
        "rebuilding": app.local_model.rebuilding,
        "rebuilds": app.local_model.rebuilds,
    }


def describe_model(name: str, learner: Learner) -> dict[str, Any]:
    """A model. Two models with equal digests at equal offsets are equal.

    The classes are a list, and each has its type, since two classes may have the same text: 1 and "1".
    """
    model = learner.model
    return {
        "name": name,
        "definition": model.definition,
        "objective": learner.rule.objective,
        "threshold": learner.rule.threshold,
        "version": learner.version,
        "examples": model.examples,
        "offset": learner.offset,
        "voided": [list(excluded) for excluded in learner.excluded.ranges],
        "corrected": len(learner.ledger.corrected),
        "classes": [{"class": label, "examples": number} for label, number in model.classes.items()],
        "members": model.member_report(),
        "restarts": model.restarts(),
        "left_out": model.left_out(),
        "looks_ahead": model.copies_fast(),
        "refusals": [_refusal(one) for one in learner.refusals],
        "digest": model.digest(),
        **_quality(learner.evaluation.current),
        "previous": _previous(learner.evaluation.previous),
    }


def _quality(figures: Figures) -> dict[str, Any]:
    return {
        "accuracy": {"all": _estimate(figures.overall), "recent": _estimate(figures.recent)},
        "predicted": figures.predicted,
        "per_class": per_class(figures.per_class),
    }


def _previous(figures: Figures | None) -> dict[str, Any] | None:
    """The figures of the model before this one, by the predictions that it made."""
    if figures is None:
        return None
    return {"version": figures.version, "labels": figures.labels, **_quality(figures)}


def _refusal(refusal: Refusal) -> dict[str, Any]:
    """The labels that the model could not learn for one reason."""
    return {
        "reason": refusal.reason,
        "subject": refusal.subject,
        "count": refusal.count,
        "sample": refusal.id,
        "message": refusal.message,
    }


def _consumer(consumer: Consumer) -> dict[str, Any]:
    return {
        "topic": consumer.group.topic,
        "partitions": sorted(consumer.group.assignment()),
        "lag": {str(partition): number for partition, number in consumer.lag.items()},
        "stopped": {str(partition): why for partition, why in consumer.stopped().items()},
    }


def _spent(app: App) -> dict[str, Any]:
    """What each partition of this process has spent, and which cap binds it."""
    return {str(p): app.selection.binding(p, one.state) for p, one in sorted(app.select.partitions.items())}


def per_class(found: PerClass) -> dict[str, Any]:
    """Recall and precision of each class; a list, since two classes may have the same text."""
    return {
        "classes": [{"class": label, **_figures(figures)} for label, figures in found.classes.items()],
        "others": _figures(found.others),
    }


def _figures(figures: ClassFigures) -> dict[str, Any]:
    shares = {"recall": figures.recall, "precision": figures.precision}
    return {
        "labels": figures.labels,
        **{name: interval_of(share.estimate()) for name, share in shares.items()},
    }


def interval_of(found: Estimate | None) -> dict[str, float] | None:
    """A share of a class or of a segment with its interval, as the responses have it."""
    if found is None:
        return None
    return {"estimate": found.accuracy, "low": found.low, "high": found.high, "effective": found.effective}


def _estimate(accuracy: Accuracy) -> dict[str, float] | None:
    estimate = accuracy.estimate()
    return asdict(estimate) if estimate else None
