"""Validation: what a River model may not do.

The model must be a classifier that returns probabilities, since utilities are computed from them. It must
learn the same on every replica, so no part of it may draw from a seed that was not set, share state with
other models, or depend on the order of a set. A prediction must not change it. It must survive pickling,
since a snapshot is a pickle.

All classes of River that break one of these rules are named here, with the reason:

    LEFT_OUT           modules that an expression cannot name
    REFUSED_CLASSES    classes that no model may contain
    WRITES_WHEN_READ   classes that change when they predict; a model with one of them predicts from a copy

Those that can be repaired are replaced in `engine.model.river_patches`. A test learns and predicts with every
class of River and compares digests, so a class that belongs into the last list and is missing there fails it.
"""

from __future__ import annotations

from river import base, compose, facto, feature_extraction, feature_selection, neighbors, preprocessing
from river.active.base import ActiveLearningClassifier
from river.proba.base import Distribution

from stream_al.engine.model.introspection import parts
from stream_al.engine.model.pickling import dumps, loads
from stream_al.errors import described

__all__ = ["LEFT_OUT", "REFUSED_CLASSES", "WRITES_WHEN_READ", "problem_with", "writes_when_read"]

LEFT_OUT: dict[str, str] = {
    "active": "query strategies, which the service has itself",
    "bandit": "policies, no classifiers",
    "base": "interfaces",
    "checks": "tests of River",
    "compat": "adapters to other libraries",
    "datasets": "reads files and downloads",
    "evaluate": "programs that evaluate models",
    "model_selection": "chooses among models by their own predictions",
    "multioutput": "several labels for a sample",
    "reco": "recommendations",
    "stream": "reads files",
    "time_series": "forecasts",
    "utils": "helpers of programs",
}
"""Modules of River that help no classifier, serve programs rather than models, or do I/O."""

REFUSED_CLASSES: dict[type, str] = {
    compose.Select: "orders features anew in every process; "
    "import Select from stream_al.engine.model.river_patches",
    neighbors.SWINN: "shares state between all models of a process; use LazySearch",
    feature_extraction.RandomTreesEmbedding: "does not survive pickling; use RBFSampler",
}
"""Classes that break the fold; the reason ends a sentence that begins with the class."""

WRITES_WHEN_READ: dict[type, str] = {
    compose.Grouper: "makes a transformer for a group that it has not met",
    facto.FFMClassifier: "initialises the factors of unknown features",
    facto.FMClassifier: "initialises the factors of unknown features",
    facto.FwFMClassifier: "initialises the factors of unknown features",
    facto.HOFMClassifier: "initialises the factors of unknown features",
    feature_extraction.Agg: "makes a statistic for a group that it has not met",
    feature_extraction.RBFSampler: "draws the weights of unknown features",
    feature_selection.PoissonInclusion: "draws whether to include a feature",
    preprocessing.AdaptiveStandardScaler: "makes statistics of unknown features",
    preprocessing.GaussianRandomProjector: "draws the projection of unknown features",
    preprocessing.LDA: "draws the topics of a document",
    preprocessing.MaxAbsScaler: "makes statistics of unknown features",
    preprocessing.MinMaxScaler: "makes statistics of unknown features",
    preprocessing.OrdinalEncoder: "makes tables of unknown features",
    preprocessing.RobustScaler: "makes statistics of unknown features",
    preprocessing.SparseRandomProjector: "draws the projection of unknown features",
}
"""Classes, with those derived from them, that change when they predict or transform."""

_STEPS = (base.Transformer, base.SupervisedTransformer, base.AnomalyFilter)
# What a definition may make; the first that fits names it in an error message.
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


def problem_with(model: object, *, most_bytes: int | None = None) -> str | None:
    """Say why the service cannot use this model; None if it can.

    Args:
        model: What a definition made.
        most_bytes: The largest size of its pickle; None for no limit.

    Returns:
        The rest of a sentence that begins with the model, without its full stop.

    >>> from river import naive_bayes, stats
    >>> problem_with(naive_bayes.GaussianNB())
    >>> problem_with(stats.Mean())
    'makes a Mean; end it with a classifier, such as LogisticRegression()'
    """
    found = list(parts(model))
    # This comes first, since River fails to say of what kind an empty pipeline is.
    if any(isinstance(part, compose.Pipeline) and not part.steps for part in found):
        return "has a pipeline without steps; give it a classifier"
    if problem := next(filter(None, map(_problem_with_part, found)), None):
        return f"has {problem}"
    kind = next((noun for cls, noun in _KINDS if isinstance(model, cls)), f"a {type(model).__name__}")
    if kind != "a classifier":
        return f"makes {kind}; end it with a classifier, such as LogisticRegression()"
    return _problem_with_copy(model, most_bytes)


def writes_when_read(model: object) -> bool:
    """Whether a prediction may change the model: it may if a part is listed, or is not River's own."""
    return any(_writes(part) for part in parts(model))


def _writes(part: object) -> bool:
    if isinstance(part, tuple(WRITES_WHEN_READ)):
        return True
    # The original enters unknown features into its tables; `river_patches.StandardScaler` does not.
    if type(part) is preprocessing.StandardScaler:
        return True
    return isinstance(part, base.Base) and not type(part).__module__.startswith(
        ("river.", "stream_al.engine.")
    )


def _problem_with_copy(model: object, most_bytes: int | None) -> str | None:
    try:
        data = dumps(model)
        copy = loads(data)
    except Exception as error:  # noqa: BLE001 -- pickling calls whatever the parts define
        return f"cannot be pickled for snapshots ({described(error)}); define its functions in a module"
    if most_bytes is not None and len(data) > most_bytes:
        return f"takes {len(data):,} bytes before its first example; an expression may take {most_bytes:,}"
    try:
        copy.predict_proba_one({})
    except NotImplementedError:
        return "predicts labels without probabilities; choose a classifier that has predict_proba_one"
    except Exception:  # noqa: BLE001, S110 -- whatever a part raises
        pass  # it may need features; here it matters only that the method exists
    return None


def _problem_with_part(part: object) -> str | None:
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
