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
(Those that can be mended are: `engine.model.river_patches`.) Where a class draws numbers to predict (`LDA`,
`PoissonInclusion`, random projections, factorisation machines), the answer then depends on what the
copy was asked before; the fold does not.

**What else can be asked of it.** Query strategies may want more than its probabilities: what the
members of an ensemble, or of a committee of other classifiers, say one by one; what it would say if it
had learned one label more; what its last step sees; the last examples. None of this leaves a trace. The
committee and the examples are parts of the fold, kept only where a strategy needs them.
"""

from __future__ import annotations

from contextlib import suppress
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np
from river.__version__ import __version__ as river_version

from stream_al.engine.model.batch_scoring import scorer
from stream_al.engine.model.digest import digest
from stream_al.engine.model.expression import load
from stream_al.engine.model.introspection import descend, is_ensemble, is_linear, writes_when_read
from stream_al.engine.model.pickling import dumps, loads
from stream_al.engine.model.predictions import DIGITS, Predictions
from stream_al.engine.model.reference_set import ReferenceSet
from stream_al.engine.samples.table import Sample, Table
from stream_al.errors import BadMessage
from stream_al.messages import ClassLabel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stream_al.engine.model.sketch import Point, Sketches

__all__ = ["Model", "prediction", "same_label"]

RECENT_PREDICTIONS = 25  # examples that a hypothetical model is judged by


def same_label(one: ClassLabel, other: ClassLabel) -> bool:
    """Whether two labels name one class.

    Examples:
        >>> same_label(1, True), same_label("1", 1)
        (True, False)
    """
    return one == other


def prediction(probabilities: Mapping[ClassLabel, float]) -> ClassLabel | None:
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
        committee: Definitions of further classifiers that learn the same examples, to be asked for
            their opinions one by one.
        surroundings: Whether to keep the last examples and the scale of each feature.

    Attributes:
        classes: How many examples of each class were learned, in order of first appearance.
        examples: How many in all.
        surroundings: The last examples and the scale of each feature; None if they are not kept.
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

    def __init__(
        self,
        definition: str,
        *,
        seed: int,
        max_classes: int = 1000,
        committee: Sequence[str] = (),
        reference_set: bool = False,
    ) -> None:
        self.definition = definition
        self.max_classes = max_classes
        self.classes: dict[ClassLabel, int] = {}
        self.examples = 0
        self._river: Any = load(definition, seed=seed)
        self._binary = not self._river._multiclass
        self._ask_copy = writes_when_read(self._river)
        self._copy: Any = None
        self._pickle: bytes | None = None
        self._recent_predictions: list[dict[ClassLabel, float]] | None = None
        self._digest: str | None = None
        # Each with a seed of its own, or two of one definition would always agree.
        self._committee: list[Model] = [
            Model(member, seed=seed + number, max_classes=max_classes)
            for number, member in enumerate(committee, start=1)
        ]
        self.reference_set = ReferenceSet() if reference_set else None
        kept = [member.fingerprint for member in self._committee], reference_set
        self.fingerprint: str = digest(
            (definition, seed, max_classes, river_version, digest(self._river), kept)
        )

    @property
    def ready(self) -> bool:
        """Whether it has learned two classes, and so has something to be uncertain about."""
        return len(self.classes) >= 2

    def probabilities(self, features: Mapping[str, object]) -> dict[ClassLabel, float]:
        """Return the probability of every class learned, or nothing if it has no opinion.

        Raises:
            BadMessage: River fails on these features (`model_error`).
        """
        if not self.ready:
            return {}
        try:
            return self._distribution(self._reader().predict_proba_one(dict(features)))
        except (MemoryError, RecursionError):
            raise  # as in `_ask`
        except Exception as error:
            raise _model_error("predict from", error) from error

    def predict_proba_many(self, samples: Sequence[Sample]) -> Predictions:
        """Return what it says of many samples at once: of each the same as of that sample alone.

        To 1e-12 it is what `probabilities` says, which is River's own answer.

        Examples:
            >>> from stream_al.engine.samples.table import sample_of
            >>> model = Model("GaussianNB()", seed=1)
            >>> for x, label in [(0.0, "ham"), (0.2, "ham"), (0.8, "spam"), (1.0, "spam")]:
            ...     model.learn({"x": x}, label)
            >>> samples = [sample_of("a", {"x": 0.1}), sample_of("b", {"x": 0.5})]
            >>> predictions = model.predict_proba_many(samples)
            >>> predictions.labels, predictions.probabilities[1].tolist()
            (('ham', 'spam'), [0.5, 0.5])
        """
        if not self.ready:
            return Predictions.none(len(samples))
        scores = np.zeros((len(samples), len(self.classes)))
        failed: dict[int, BadMessage] = {}
        targets = [self._target(label) for label in self.classes]
        score, scored = scorer(self._river), list[int]()
        if score is not None:
            scored = [place for place, sample in enumerate(samples) if sample.shape.numeric]
        if score is not None and scored:
            every = len(scored) == len(samples)
            table = Table.of(samples if every else [samples[place] for place in scored])
            for target, found in score.scores(table).items():
                if target in targets:
                    scores[scored, targets.index(target)] = found
        if len(scored) < len(samples):
            done = set(scored)
            for place in (place for place in range(len(samples)) if place not in done):
                try:
                    scores[place] = self._ask(samples[place], targets)
                except BadMessage as error:
                    failed[place] = error
        return Predictions.of(tuple(self.classes), scores, failed)

    def _ask(self, sample: Sample, targets: Sequence[ClassLabel]) -> list[float]:
        """What River itself gives the classes."""
        try:
            answer = self._reader().predict_proba_one(sample.features)
            return [float(answer.get(target, 0.0)) for target in targets]
        except (MemoryError, RecursionError):
            raise  # of the process, not of the sample
        except Exception as error:
            raise _model_error("predict from", error) from error

    @property
    def has_members(self) -> bool:
        """Whether there are several opinions to ask for, of a committee or of an ensemble's members."""
        return len(self._committee) > 1 or is_ensemble(self._river)

    @property
    def is_linear(self) -> bool:
        """Whether its probabilities come from a linear function of what its last step sees."""
        return is_linear(self._river)

    def members(self, features: Mapping[str, object]) -> list[dict[ClassLabel, float]]:
        """Return what each member says: of the committee if there is one, else of the ensemble.

        Members without an opinion, and those that fail on these features, are left out.
        """
        opinions = []
        for member in self._committee:
            with suppress(BadMessage):
                told = member.probabilities(features)
                opinions.append({label: told.get(label, 0.0) for label in self.classes} if told else {})
        if not self._committee and self.ready:
            with suppress(BadMessage):
                last, seen = self._descend(features)
                opinions += [self._opinion(member, seen) for member in list(last)]
        return [opinion for opinion in opinions if opinion]

    def transformed(self, features: Mapping[str, object]) -> dict[Any, Any]:
        """Return the features as the last step of the pipeline sees them.

        Raises:
            BadMessage: River fails on these features (`model_error`).
        """
        return self._descend(features)[1]

    def sketch(self, features: Mapping[str, object]) -> Point:
        """Return the sample as a small vector, on the scale of the examples.

        Raises:
            ValueError: The model keeps no surroundings.
        """
        if self.reference_set is None:
            raise ValueError("this model keeps no surroundings; make it by Strategy.model")
        return self.reference_set.sketch(features)

    def sketches(self, samples: Sequence[Sample]) -> Sketches:
        """Return the samples as small vectors, one a row.

        Raises:
            ValueError: The model keeps no surroundings.
        """
        if self.reference_set is None:
            raise ValueError("this model keeps no surroundings; make it by Strategy.model")
        return self.reference_set.sketches(samples)

    def with_example(self, features: Mapping[str, object], label: ClassLabel) -> Model:
        """Return the model as it would be after this example: a copy, without committee.

        Its surroundings are those of now, so that the outlooks of both can be compared.

        Raises:
            BadMessage: As `learn`.
        """
        if self._pickle is None:
            self._pickle = dumps(self._river)
        copy = object.__new__(Model)
        copy.__dict__.update(
            self.__getstate__(),
            classes=dict(self.classes),
            reference_set=None,
            _river=loads(self._pickle),
            _committee=[],
            _ask_copy=False,  # whatever is written into it is thrown away with it
        )
        copy.learn(features, label)
        copy.reference_set = self.reference_set
        return copy

    def recent_predictions(self) -> list[dict[ClassLabel, float]]:
        """Return what the model says of the last examples it keeps, of `RECENT_PREDICTIONS` at most.

        Where it has no opinion or fails, there is an empty one.
        """
        if self._recent_predictions is None:
            recent = list(self.reference_set.recent)[-RECENT_PREDICTIONS:] if self.reference_set else []
            self._recent_predictions = [{} for _ in recent]
            for opinion, (features, _) in zip(self._recent_predictions, recent, strict=True):
                with suppress(BadMessage):
                    opinion.update(self.probabilities(features))
        return self._recent_predictions

    def learn(self, features: Mapping[str, object], label: ClassLabel) -> None:
        """Learn one example.

        An example on which River fails is not counted. River may have learned a part of it, the same
        part wherever the same examples came before it.

        Raises:
            BadMessage: It is one class too many (`too_many_classes`, or `binary_model` for a classifier
                that knows but two), or River fails on it (`model_error`).
        """
        if label not in self.classes:
            self._admit(label)
        self._copy = self._digest = self._pickle = self._recent_predictions = None
        try:
            self._river.learn_one(dict(features), self._target(label))
        except (MemoryError, RecursionError):
            raise  # they would refuse the example on one replica alone
        except Exception as error:
            raise _model_error("learn from", error) from error
        self.classes[label] = self.classes.get(label, 0) + 1
        self.examples += 1
        for member in self._committee:
            with suppress(BadMessage):  # the others go on, on every replica alike
                member.learn(features, label)
        if self.reference_set is not None:
            self.reference_set.learn(features, label)

    def digest(self) -> str:
        """Return what two models have in common exactly when they are in the same state."""
        if self._digest is None:
            kept = [member.digest() for member in self._committee]
            kept += [digest(self.reference_set)] if self.reference_set is not None else []
            self._digest = digest((self._river, self.classes, *kept))
        return self._digest

    def _distribution(self, answer: Mapping[Any, Any]) -> dict[ClassLabel, float]:
        """What River answered as shares of the classes learned; nothing if it is no distribution."""
        scores = {label: float(answer.get(self._target(label), 0.0)) for label in self.classes}
        total = sum(scores.values())
        if not (isfinite(total) and total > 0.0 and min(scores.values()) >= 0.0):
            return {}
        return {label: round(mass / total, DIGITS) for label, mass in scores.items()}

    def _opinion(self, member: Any, features: Mapping[Any, Any]) -> dict[ClassLabel, float]:
        """What a member of the ensemble says."""
        try:
            return self._distribution(member.predict_proba_one(dict(features)))
        except (MemoryError, RecursionError):
            raise
        except Exception:  # noqa: BLE001 -- a member may know less than the whole; then it has no opinion
            return {}

    def _descend(self, features: Mapping[str, object]) -> tuple[Any, dict[Any, Any]]:
        try:
            return descend(self._reader(), features)
        except (MemoryError, RecursionError):
            raise
        except Exception as error:
            raise _model_error("transform", error) from error

    def _admit(self, label: ClassLabel) -> None:
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

    def _target(self, label: ClassLabel) -> ClassLabel:
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
        return {**self.__dict__, "_copy": None, "_pickle": None, "_outlook": None, "_digest": None}


def _model_error(what: str, error: Exception) -> BadMessage:
    reason = " ".join(str(error).split())
    return BadMessage("model_error", f"River cannot {what} these features ({type(error).__name__}: {reason})")
