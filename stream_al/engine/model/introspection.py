"""Anatomy: the parts of a River classifier that the model has to know about.

- the last step of a pipeline, and the features as they reach it;
- the members of an ensemble (`BaggingClassifier`, `ARFClassifier`, `SRPClassifier` and others);
- whether it is linear (`LogisticRegression`, `SoftmaxRegression`);
- whether any part of it may write when it is read.

The walk is over River's public names only: the steps of a pipeline, the models of an ensemble.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from river import (
    base,
    compose,
    facto,
    feature_extraction,
    feature_selection,
    linear_model,
    optim,
    preprocessing,
)

from stream_al.engine.model.validation import parts

__all__ = ["descend", "is_ensemble", "is_linear", "last_step", "writes_when_read"]

_WRITE_WHEN_READ = (
    compose.Grouper,
    facto.FFMClassifier,
    facto.FMClassifier,
    facto.FwFMClassifier,
    facto.HOFMClassifier,
    feature_extraction.Agg,
    feature_extraction.RBFSampler,
    feature_selection.PoissonInclusion,
    preprocessing.AdaptiveStandardScaler,
    preprocessing.GaussianRandomProjector,
    preprocessing.LDA,
    preprocessing.MaxAbsScaler,
    preprocessing.MinMaxScaler,
    preprocessing.OrdinalEncoder,
    preprocessing.RobustScaler,
    preprocessing.SparseRandomProjector,
)


def last_step(model: Any) -> Any:
    """The classifier at the end of a pipeline; anything else is its own last step.

    >>> from river.naive_bayes import GaussianNB
    >>> from river.preprocessing import StandardScaler
    >>> last_step(StandardScaler() | GaussianNB())
    GaussianNB ()
    """
    while isinstance(model, compose.Pipeline):
        model = list(model.steps.values())[-1]
    return model


def descend(model: Any, features: Mapping[str, object]) -> tuple[Any, dict[Any, Any]]:
    """The last step, and the features as they reach it."""
    seen: dict[Any, Any] = dict(features)
    while isinstance(model, compose.Pipeline):
        *before, last = model.steps.values()
        for step in before:
            if hasattr(step, "transform_one"):  # an anomaly filter has none, and lets samples pass
                seen = step.transform_one(seen)
        model = last
    return model, seen


def is_ensemble(model: Any) -> bool:
    """Whether the last step consists of classifiers that can be asked one by one."""
    return isinstance(last_step(model), base.Ensemble)


def is_linear(model: Any) -> bool:
    """Whether the last step is a linear model of probabilities, learned by the gradient of its log loss."""
    last = last_step(model)
    if isinstance(last, linear_model.LogisticRegression):
        return isinstance(last.loss, optim.losses.Log)
    return isinstance(last, linear_model.SoftmaxRegression)


def writes_when_read(model: object) -> bool:
    """Whether a prediction may change the model."""
    found = list(parts(model))
    foreign = any(isinstance(part, base.Base) and not _is_known(part) for part in found)
    always = any(isinstance(part, _WRITE_WHEN_READ) for part in found)
    original = any(type(part) is preprocessing.StandardScaler for part in found)
    return foreign or always or original


def _is_known(part: object) -> bool:
    return type(part).__module__.startswith(("river.", "stream_al.engine."))
