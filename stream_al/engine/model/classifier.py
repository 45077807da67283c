"""A River classifier, read without changing it.

Replicas predict for different samples, so a prediction must not change the fold. Some of River's classes
change while they predict: they enter unknown features into their tables, initialise weights, or draw random
numbers. A classifier that has one of them, or any part that is not River's, predicts from a copy. The copy is
made again after each example. (`definition.validation` says which classes do so; `river_patches`
replaces those that can be repaired.) Where a class draws numbers to predict (`LDA`, `PoissonInclusion`,
random projections, factorisation machines), a prediction depends on those made from the same copy before it;
the fold does not.

*Errors.* Whatever River raises on the features of a sample is a `BadMessage` with the reason `model_error`.
It says what this model cannot do, and nothing about the sample. Only a lack of memory or stack is raised on
as it is, since it says something about this process and would refuse the sample on one replica alone.

*Huge numbers* are bounded, so that none makes the sums within a model infinite (`engine.model.bounds`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

import numpy as np

from stream_al.engine.learners import Auto
from stream_al.engine.learners.base import RowClassifier
from stream_al.engine.learners.encoder.batch import Record
from stream_al.engine.model.bounds import bounded
from stream_al.engine.model.definition.expression import load
from stream_al.engine.model.definition.validation import writes_when_read
from stream_al.engine.model.introspection import (
    descend,
    has_copy_for_each_class,
    is_ensemble,
    is_linear,
    relative_cost,
)
from stream_al.engine.model.pickling import TooLarge, dumps, loads
from stream_al.engine.samples.table import Floats, Sample
from stream_al.errors import BadMessage, described

__all__ = ["Classifier"]

EACH_CLASS = 8  # times as long takes a pair of a class and a feature where each class has a tree of its own
COPIED = 4  # times as long takes a record for which the classifier is copied
MOST_COPIED_BYTES = 500_000  # to copy as much takes some 50 ms
MOST_CHARACTERS = 200  # of what River says of an error; it may quote the features


class _RiverCall:
    """The part of a program that calls River; its errors become a `BadMessage` (`model_error`).

    Args:
        what: What River is to do, as it goes between "River cannot" and "these features".
    """

    def __init__(self, what: str) -> None:
        self.what = what

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Exception) and not isinstance(error, BadMessage | MemoryError | RecursionError):
            reason = described(error, MOST_CHARACTERS)
            raise BadMessage("model_error", f"River cannot {self.what} these features ({reason})") from error


_LEARN, _PREDICT, _TRANSFORM = map(_RiverCall, ("learn from", "predict from", "transform"))


class Classifier:
    """A River classifier.

    Args:
        river: The classifier; from here on it is changed by `learn` alone.

    Attributes:
        river: As given.
        has_members: Whether it is an ensemble or a mixture, whose members predict one by one.
        is_linear: Whether its probabilities come from a linear function of what its last step gets.
        cost: How many times as long it takes for a record as a single tree, at most about.
        pair_cost: How many times as long it takes for a class and a feature as a naive Bayes, likewise.
    """

    def __init__(self, river: Any) -> None:
        self.river = river
        self.has_members = is_ensemble(river) or isinstance(river, Auto)
        self.is_linear = is_linear(river)
        self.cost = relative_cost(river)
        self._reads_copy = writes_when_read(river)
        if self._reads_copy:
            self.cost *= COPIED
        self.pair_cost = self.cost * (EACH_CLASS if has_copy_for_each_class(river) else 1)
        self._copy: Any = None
        self._pickle: bytes | None = None

    def learn(self, features: Mapping[str, object], target: object) -> None:
        """Learn one example.

        Raises:
            BadMessage: River fails on it (`model_error`). It may have learned a part of it: the same part
                wherever the same examples came before it.
        """
        self._copy = self._pickle = None
        with _LEARN:
            self.river.learn_one(self._inputs(features), target)

    def scores(self, features: Mapping[str, object], targets: Sequence[object]) -> list[float]:
        """What River gives each class; 0 for a class that it does not mention.

        Raises:
            BadMessage: River fails on these features (`model_error`).
        """
        with _PREDICT:
            return _scores(self._reader(), self._inputs(features), targets)

    def table_scores(self, samples: Sequence[Sample], targets: Sequence[object]) -> Floats | None:
        """What a classifier of tables gives each class, a row a sample; None if it is no such classifier."""
        if not isinstance(self.river, RowClassifier):
            return None
        return self._ordered(self.river.predict_proba_table(_records(samples)), targets)

    def member_tables(self, samples: Sequence[Sample], targets: Sequence[object]) -> list[Floats] | None:
        """The scores of each member of a mixture, a row a sample; None if it is no mixture."""
        if not isinstance(self.river, Auto):
            return None
        tables = self.river.predict_proba_members(_records(samples)).values()
        return [self._ordered(table, targets) for table in tables]

    def _ordered(self, table: Floats, targets: Sequence[object]) -> Floats:
        """The columns of these classes, laid out row by row: the order of a sum depends on the layout."""
        return np.ascontiguousarray(table[:, [self.river.classes[target] for target in targets]])

    def members(self, features: Mapping[str, object], targets: Sequence[object]) -> list[list[float]]:
        """The scores of each member of the ensemble or mixture that can predict from these features.

        Raises:
            BadMessage: A step before the ensemble fails on these features (`model_error`).
        """
        if isinstance(self.river, Auto):
            sample = tuple(features), tuple(features.values())
            voted = self.river.predict_proba_members([sample]).values()
            return [self._ordered(scores, targets)[0].tolist() for scores in voted]
        with _TRANSFORM:
            ensemble, inputs = descend(self._reader(), self._inputs(features))
        found = []
        for member in list(ensemble):
            try:
                found.append(_scores(member, inputs, targets))
            except (MemoryError, RecursionError):
                raise
            except Exception:  # noqa: BLE001, S112 -- it may know less than the whole, and has no vote then
                continue
        return found

    def inputs(self, features: Mapping[str, object]) -> dict[Any, Any]:
        """The features as the last step gets them.

        Raises:
            BadMessage: River fails on these features (`model_error`).
        """
        with _TRANSFORM:
            return descend(self._reader(), self._inputs(features))[1]

    def temporary_copy(self, most_bytes: int | None = None) -> Classifier:
        """A copy that is thrown away soon, so that predictions may change it.

        Raises:
            TooLarge: Its pickle would have more than `most_bytes`.
        """
        if self._pickle is None:
            self._pickle = dumps(self.river, most_bytes)
        copy = Classifier.__new__(Classifier)
        copy.__dict__.update(
            self.__dict__, river=loads(self._pickle), _reads_copy=False, _copy=None, _pickle=None
        )
        return copy

    def trial_copy(self, definition: str) -> Classifier:
        """A classifier on which an example may be tried that this one cannot learn.

        It is a copy. To copy a large classifier would take too long: then it is one of the same definition
        that has learned nothing, which fails on most of what this one fails on.
        """
        try:
            return self.temporary_copy(MOST_COPIED_BYTES)
        except TooLarge:
            return Classifier(load(definition, seed=0))

    def _inputs(self, features: Mapping[str, object]) -> dict[Any, Any]:
        """The features as the classifier gets them."""
        return dict(features) if isinstance(self.river, RowClassifier) else bounded(features)

    def _reader(self) -> Any:
        """What to predict with."""
        if not self._reads_copy:
            return self.river
        if self._copy is None:
            self._copy = loads(dumps(self.river))
        return self._copy

    def __getstate__(self) -> dict[str, Any]:
        # No pickle within a pickle: a reader that restricts what the outer one may look up could not check
        # the inner one.
        return {**self.__dict__, "_copy": None, "_pickle": None}


def _records(samples: Sequence[Sample]) -> list[Record]:
    return [(sample.shape.names, sample.values) for sample in samples]


def _scores(river: Any, features: Mapping[Any, object], targets: Sequence[object]) -> list[float]:
    given = river.predict_proba_one(dict(features))
    return [float(given.get(target, 0.0)) for target in targets]
