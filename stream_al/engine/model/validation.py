"""Soundness: whether a model can serve.

Whatever makes it, the model must be a classifier that gives probabilities, since utilities are
computed from them; it must learn the same on every replica, so nothing in it may draw from an open
seed; and it must survive pickling, since a snapshot is a pickle.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING

from river import base, compose
from river.active.base import ActiveLearningClassifier
from river.proba.base import Distribution

from stream_al.engine.model.pickling import dumps, loads
from stream_al.engine.model.river_patches import REFUSED_CLASSES

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["parts", "problem_with"]

_STEPS = (base.Transformer, base.SupervisedTransformer, base.AnomalyFilter)
# What a definition may make; the first that fits is its name in a complaint.
_KINDS: tuple[tuple[type, str], ...] = (
    (ActiveLearningClassifier, "a query strategy, and the service has its own"),
    (base.MultiLabelClassifier, "a classifier of several labels"),
    (base.Classifier, "a classifier"),
    (base.Regressor, "a regressor"),
    (base.Clusterer, "a clusterer"),
    (base.AnomalyDetector, "an anomaly detector"),
    (base.Transformer, "a transformer"),
    (base.SupervisedTransformer, "a transformer"),
)


def parts(model: object) -> Iterator[object]:
    """Walk the River objects, and the user's own, of which a model consists."""
    seen: set[int] = set()
    stack = [model]
    while stack:
        part = stack.pop()
        if id(part) in seen or isinstance(part, type | ModuleType | FunctionType):
            continue
        seen.add(id(part))
        if isinstance(part, Mapping):
            stack.extend(part.values())
        elif isinstance(part, list | tuple | set | frozenset | deque):
            stack.extend(part)
        elif hasattr(part, "__dict__"):
            yield part
            stack.extend(vars(part).values())


def problem_with(model: object) -> str | None:
    """Say why the service cannot use this model, if it cannot.

    Returns:
        The rest of a sentence that begins with the model, without its full stop.

    Examples:
        >>> from river import naive_bayes, stats
        >>> problem_with(naive_bayes.GaussianNB())
        >>> problem_with(stats.Mean())
        'makes a Mean; end it with a classifier, such as LogisticRegression()'
    """
    found = list(parts(model))
    # First of all, since River fails to say what an empty pipeline is.
    if any(isinstance(part, compose.Pipeline) and not part.steps for part in found):
        return "has a pipeline without steps; give it a classifier"
    if unsound := next(filter(None, map(_unusable_part, found)), None):
        return f"has {unsound}"
    kind = next((noun for cls, noun in _KINDS if isinstance(model, cls)), f"a {type(model).__name__}")
    if kind != "a classifier":
        return f"makes {kind}; end it with a classifier, such as LogisticRegression()"
    try:
        copy = loads(dumps(model))
    except Exception as error:  # noqa: BLE001 -- pickling calls whatever the parts define
        return f"cannot be pickled for snapshots ({_line(error)}); define its functions in a module"
    try:
        copy.predict_proba_one({})
    except NotImplementedError:
        return "predicts labels without probabilities; choose a classifier that has predict_proba_one"
    except Exception:  # noqa: BLE001, S110 -- it may well need features; only what it can do matters here
        pass
    return None


def _unusable_part(part: object) -> str | None:
    name = type(part).__name__
    if reason := REFUSED_CLASSES.get(type(part)):
        return f"{name}, which {reason}"
    if getattr(part, "seed", 0) is None and not isinstance(part, Distribution):
        return f"{name} without a seed; give it one, since all replicas must learn the same"
    if isinstance(part, compose.Pipeline):
        for step in list(part.steps.values())[:-1]:
            if not isinstance(step, _STEPS):
                return f"{type(step).__name__} before the end of a pipeline; put a transformer there"
    return None


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
