"""Introspection: the parts of a River classifier that the model has to know about.

- all its parts, down to the last;
- the last step of a pipeline, and the features as they reach it;
- whether it is an ensemble (`BaggingClassifier`, `ARFClassifier`, `SRPClassifier` and others);
- whether it is linear (`LogisticRegression`, `SoftmaxRegression`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from types import FunctionType, ModuleType
from typing import Any

from river import (
    base,
    compose,
    facto,
    feature_extraction,
    feature_selection,
    forest,
    linear_model,
    multiclass,
    optim,
)

__all__ = [
    "descend",
    "has_copy_for_each_class",
    "is_ensemble",
    "is_linear",
    "last_step",
    "parts",
    "relative_cost",
]


COSTS: dict[type, int] = {
    facto.FFMClassifier: 15,  # it and those like it multiply features with each other
    facto.FMClassifier: 5,
    facto.FwFMClassifier: 10,
    facto.HOFMClassifier: 32,
    feature_extraction.RBFSampler: 3,  # it draws a hundred numbers for each new feature
    feature_selection.SelectKBest: 2,
}
"""How much longer some classes take than a Hoeffding tree, for a record of as many features as they get."""


def parts(model: object) -> Iterator[object]:
    """Walk all objects with attributes of which a model consists, River's and the user's own."""
    visited: set[int] = set()
    stack = [model]
    while stack:
        part = stack.pop()
        if id(part) in visited or isinstance(part, type | ModuleType | FunctionType):
            continue
        visited.add(id(part))
        if isinstance(part, Mapping):
            stack.extend(part.values())
        elif isinstance(part, list | tuple | set | frozenset | deque):
            stack.extend(part)
        elif hasattr(part, "__dict__"):
            yield part
            stack.extend(vars(part).values())


def last_step(model: Any) -> Any:
    """The classifier at the end of a pipeline; any other model is its own last step.

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
    inputs: dict[Any, Any] = dict(features)
    while isinstance(model, compose.Pipeline):
        *before, last = model.steps.values()
        for step in before:
            if hasattr(step, "transform_one"):  # an anomaly filter has none, and lets every sample pass
                inputs = step.transform_one(inputs)
        model = last
    return model, inputs


def is_ensemble(model: Any) -> bool:
    """Whether the last step consists of classifiers that can predict one by one."""
    return isinstance(last_step(model), base.Ensemble)


def is_linear(model: Any) -> bool:
    """Whether the last step is a linear model of probabilities, learned by the gradient of its log loss."""
    last = last_step(model)
    if isinstance(last, linear_model.LogisticRegression):
        return isinstance(last.loss, optim.losses.Log)
    return isinstance(last, linear_model.SoftmaxRegression)


def has_copy_for_each_class(model: object) -> bool:
    """Whether a part learns every example once for each class, by a classifier that belongs to this class.

    >>> from river.naive_bayes import GaussianNB
    >>> one = GaussianNB()
    >>> has_copy_for_each_class(one), has_copy_for_each_class(multiclass.OneVsRestClassifier(one))
    (False, True)
    """
    return any(isinstance(part, multiclass.OneVsRestClassifier) for part in parts(model))


def relative_cost(model: object) -> int:
    """How many times as long a record of many features takes as with a single Hoeffding tree, at most about.

    It is the number of classifiers that learn each example with all its features, times `COSTS`. A random
    forest counts as one, since each of its trees looks at the root of the features. The prototype of a
    classifier that makes copies of it later, as `OneVsRestClassifier` does, counts once.

    >>> from river.ensemble import BaggingClassifier, SRPClassifier
    >>> from river.naive_bayes import GaussianNB
    >>> bagging = BaggingClassifier(GaussianNB(), n_models=10)
    >>> list(map(relative_cost, [GaussianNB(), bagging, SRPClassifier(GaussianNB(), n_models=5)]))
    [1, 10, 5]
    """
    members = times = 0
    dearest = 1
    for part in parts(model):
        dearest = max(dearest, COSTS.get(type(part), 1))
        if not isinstance(part, base.Classifier):
            continue
        if not isinstance(part, base.Ensemble):
            members += not any(isinstance(one, base.Classifier) for one in parts(part) if one is not part)
        elif not isinstance(part, forest.ARFClassifier):
            made = len(part) > 0  # the members are copies of the prototype
            members -= made and isinstance(part, base.Wrapper)
            times += 0 if made else getattr(part, "n_models", 1)
    return max(1, members) * max(1, times) * dearest
