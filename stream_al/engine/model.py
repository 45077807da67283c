"""The model: a River classifier, plus what River does not say itself.

**Which classes there are.** They come from the examples, in order of first appearance. Labels that
are equal in Python are one class (`1`, `1.0` and `true`), for River's own tables cannot tell them
apart; the class is spelled as its first example spelled it. A classifier that knows only False and
True gets them in place of the first two classes; a class that equals False or True stands for
itself as far as it can. A third class is the sender's mistake, until the definition is changed.

**What it believes.** Probabilities over the learned classes that sum to 1, or none at all: before
two classes are learned, or when River answers with something that is no distribution. River is not
even asked before, since several of its models take shape from the first features they meet, be it
for a prediction, and a model may take shape from examples alone.

**That asking changes nothing.** Replicas are asked about different samples, so a prediction must
leave no trace in the fold; yet some of River's classes write while they read. They enter unknown
features into their tables, initialise weights or draw random numbers. A model that has one of them,
or anything that is not River's, answers from a copy, made again when an example has been learned.
(Those that can be mended are: `engine.substitutes`.) Where a class draws numbers to predict (`LDA`,
`PoissonInclusion`, random projections, factorisation machines), the answer then depends on what the
copy was asked before; the fold does not.
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from river import (
    base,
    compose,
    facto,
    feature_extraction,
    feature_selection,
    preprocessing,
)
from river.__version__ import __version__ as river_version

from stream_al.engine.digest import digest
from stream_al.engine.expression import load
from stream_al.engine.pickling import dumps, loads
from stream_al.engine.soundness import parts
from stream_al.errors import BadMessage

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Label", "Model", "prediction", "same_label"]

Label = str | int | float | bool

# Some of River's sums run through a set, in an order that differs between processes, and so do their
# last bits; a replay shall compute the same utilities.
_DIGITS = 12

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


def same_label(one: Label, other: Label) -> bool:
    """Whether two labels name one class.

    Examples:
        >>> same_label(1, True), same_label("1", 1)
        (True, False)
    """
    return one == other


def prediction(probabilities: Mapping[Label, float]) -> Label | None:
    """Return the likeliest label, the one learned first among equals; None without probabilities.

    Examples:
        >>> prediction({"ham": 0.4, "spam": 0.4, "eggs": 0.2})
        'ham'
    """
    return max(probabilities, key=probabilities.__getitem__, default=None)


class Model:
    """A classifier that is a function of its definition and of the examples learned, in order.

    Args:
        definition: A River expression, or the import path of a factory.
        seed: For whatever in the expression draws at random.
        max_classes: The most classes to learn.

    Attributes:
        classes: How many examples of each class were learned, in order of first appearance.
        examples: How many in all.
        fingerprint: Stands for all that decides what the fold makes of the examples. A snapshot can be
            used by a model of the same fingerprint only.

    Raises:
        Misconfigured: The definition makes no model that can serve.

    Examples:
        >>> model = Model("LogisticRegression()", seed=1)
        >>> model.learn({"length": 0.1}, "ham")
        >>> model.probabilities({"length": 0.5})
        {}
        >>> model.learn({"length": 0.9}, "spam")
        >>> prediction(model.probabilities({"length": 0.9}))
        'spam'
        >>> model.classes
        {'ham': 1, 'spam': 1}
    """

    def __init__(self, definition: str, *, seed: int, max_classes: int = 1000) -> None:
        self.definition = definition
        self.max_classes = max_classes
        self.classes: dict[Label, int] = {}
        self.examples = 0
        self._river: Any = load(definition, seed=seed)
        self._binary = not self._river._multiclass
        self._ask_copy = _writes_when_read(self._river)
        self._copy: Any = None
        self._digest: str | None = None
        self.fingerprint = digest((definition, seed, max_classes, river_version, digest(self._river)))

    @property
    def ready(self) -> bool:
        """Whether it has learned two classes, and so has something to be uncertain about."""
        return len(self.classes) >= 2

    def probabilities(self, features: Mapping[str, object]) -> dict[Label, float]:
        """Return the probability of every class learned, or nothing if it has no opinion.

        Raises:
            BadMessage: River fails on these features (`model_error`).
        """
        if not self.ready:
            return {}
        try:
            answer = self._reader().predict_proba_one(dict(features))
            masses = {label: float(answer.get(self._target(label), 0.0)) for label in self.classes}
        except (MemoryError, RecursionError):
            raise  # of the process, not of the sample
        except Exception as error:
            raise _model_error("predict from", error) from error
        total = sum(masses.values())
        if not (isfinite(total) and total > 0.0 and min(masses.values()) >= 0.0):
            return {}
        return {label: round(mass / total, _DIGITS) for label, mass in masses.items()}

    def learn(self, features: Mapping[str, object], label: Label) -> None:
        """Learn one example.

        An example on which River fails is not counted. River may have learned a part of it, the same
        part wherever the same examples came before it.

        Raises:
            BadMessage: It is one class too many (`too_many_classes`, or `binary_model` for a classifier
                that knows but two), or River fails on it (`model_error`).
        """
        if label not in self.classes:
            self._admit(label)
        self._copy = self._digest = None
        try:
            self._river.learn_one(dict(features), self._target(label))
        except (MemoryError, RecursionError):
            raise  # they would refuse the example on one replica alone
        except Exception as error:
            raise _model_error("learn from", error) from error
        self.classes[label] = self.classes.get(label, 0) + 1
        self.examples += 1

    def digest(self) -> str:
        """Return what two models have in common exactly when they are in the same state."""
        if self._digest is None:
            self._digest = digest((self._river, self.classes))
        return self._digest

    def _admit(self, label: Label) -> None:
        known = len(self.classes)
        if self._binary and known == 2:
            raise BadMessage(
                "binary_model",
                f"the model tells only {' from '.join(map(repr, self.classes))}, and the label is {label!r}; "
                "define it with SoftmaxRegression() or OneVsRestClassifier(...) to learn more classes",
            )
        if known >= self.max_classes:
            raise BadMessage(
                "too_many_classes",
                f"the label {label!r} would be class {known + 1}, and the limit is {self.max_classes}; "
                "raise max_classes if it is no mistake",
            )

    def _target(self, label: Label) -> Label:
        """Return what River calls this label."""
        if not self._binary:
            return label
        first = next(iter(self.classes), label)
        return (label == first) == (first == True)  # noqa: E712 -- 1 and 1.0 mean True as well

    def _reader(self) -> Any:
        if not self._ask_copy:
            return self._river
        if self._copy is None:
            self._copy = loads(dumps(self._river))
        return self._copy

    def __getstate__(self) -> dict[str, Any]:
        # A restored model proves its digest anew. No pickle within a pickle: whoever restricts what the
        # outer one may look up would not be asked about the inner one.
        return {**self.__dict__, "_copy": None, "_digest": None}


def _writes_when_read(model: object) -> bool:
    """Whether a prediction may change the model."""
    found = list(parts(model))
    foreign = any(isinstance(part, base.Base) and not _is_known(part) for part in found)
    always = any(isinstance(part, _WRITE_WHEN_READ) for part in found)
    original = any(type(part) is preprocessing.StandardScaler for part in found)
    return foreign or always or original


def _is_known(part: object) -> bool:
    return type(part).__module__.startswith(("river.", "stream_al.engine."))


def _model_error(what: str, error: Exception) -> BadMessage:
    reason = " ".join(str(error).split())
    return BadMessage("model_error", f"River cannot {what} these features ({type(error).__name__}: {reason})")
