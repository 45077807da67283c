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

from river import base, compose, linear_model, optim

__all__ = ["descend", "is_ensemble", "is_linear", "last_step", "parts"]


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
