"""The model: a classifier that is a function of its definition and of the examples learned, in order.

Files of their own: the classifier (`classifier`), the classes (`classes`), how many classes and features it
learns (`limits`, `feature_limits`), a prediction (`predictions`).

**With one class learned, that class has probability 1**, and before there is none. River is not called before
two classes are learned: several of its models take their shape from the first features that they meet, also
in a prediction, and a model may take its shape from examples alone.

**Query strategies may need more than probabilities**: the predictions of the members of an ensemble, or of a
committee of other classifiers; the prediction after one more example; what the last step gets; the last
examples. None of these calls changes the model. The committee and the last examples are parts of the fold,
kept only where a strategy needs them.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from river.__version__ import __version__ as river_version

from stream_al.engine.learners import Auto
from stream_al.engine.learners.base import RowClassifier
from stream_al.engine.model.batch_scoring import part_scores
from stream_al.engine.model.classes import Classes
from stream_al.engine.model.classifier import Classifier
from stream_al.engine.model.definition.expression import load
from stream_al.engine.model.digest import digest, digest_in_steps
from stream_al.engine.model.faults import advice, features_refused
from stream_al.engine.model.feature_limits import FeatureLimits
from stream_al.engine.model.introspection import parts
from stream_al.engine.model.limits import DEFAULT_LIMITS, Limits
from stream_al.engine.model.predictions import Predictions, distribution
from stream_al.engine.model.reference_set import ReferenceSet
from stream_al.engine.model.samplers import Renamed
from stream_al.engine.steps import finished
from stream_al.errors import BadMessage, described
from stream_al.messages import ClassLabel

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from stream_al.engine.samples.table import Floats, Sample

__all__ = ["Model"]

RECENT_PREDICTIONS = 25  # examples by which a model is compared with itself after one more example
RECENT_VALUES = 10_000  # that these examples have at most, times the classes of a River model
COPIED_PARTS = 3000  # objects with attributes: a copy takes some 4 ms, and five are made for a sample


class Model:
    """A model.

    Args:
        definition: `auto`, a River expression, or the import path of a factory.
        seed: For the parts of an expression that draw at random.
        limits: How many classes and features to learn.
        committee: Definitions of further classifiers, which learn the same examples and vote one by one.
        reference_set: Whether to keep the last examples and the scale of each feature.

    Attributes:
        examples: How many examples were learned.
        reference_set: The last examples and the scale of each feature; None if they are not kept.
        fingerprint: Equal for two models that make the same of the same examples.

    Raises:
        Misconfigured: The definition makes no model that can serve.

    >>> from stream_al.engine.model.predictions import likeliest_label
    >>> model = Model("LogisticRegression()", seed=1)
    >>> model.learn({"length": 0.1}, "ham")
    >>> model.probabilities({"length": 0.5})
    {'ham': 1.0}
    >>> model.learn({"length": 0.9}, "spam")
    >>> likeliest_label(model.probabilities({"length": 0.9}))
    'spam'
    >>> model.classes
    {'ham': 1, 'spam': 1}
    """

    def __init__(
        self,
        definition: str,
        *,
        seed: int,
        limits: Limits = DEFAULT_LIMITS,
        committee: Sequence[str] = (),
        reference_set: bool = False,
    ) -> None:
        river: Any = load(definition, seed=seed)
        self.definition = definition
        self.examples = 0
        self.classifier = Classifier(river)
        self._classes = Classes(
            binary=not river._multiclass,
            limit=limits.classes,
            model=definition,
            named=any(isinstance(part, Renamed) for part in parts(river)),
        )
        self._features = FeatureLimits(self.classifier, limits)
        self._recent_predictions: list[dict[ClassLabel, float]] | None = None
        self._digest: str | None = None
        self._copies_fast: bool | None = None
        # Each has a seed of its own: two members of one definition and one seed would always agree.
        self.committee: list[Model] = [
            Model(member, seed=seed + number, limits=limits)
            for number, member in enumerate(committee, start=1)
        ]
        self.reference_set = ReferenceSet() if reference_set else None
        kept = [member.fingerprint for member in self.committee], reference_set
        bounds = self._features.fingerprint
        self.fingerprint: str = digest((definition, seed, bounds, river_version, digest(river), kept))

    @property
    def classes(self) -> dict[ClassLabel, int]:
        """How many examples of each class were learned, in order of first appearance."""
        return self._classes.counts

    @property
    def most_classes(self) -> int:
        """How many classes it can learn."""
        return 2 if self.is_binary else self._classes.limit

    @property
    def is_binary(self) -> bool:
        """Whether it tells only two classes apart."""
        return self._classes.binary

    def relative_work(self) -> float:
        """Return how many times as long a value takes as in `auto`: more for each class of a River model."""
        return self._features.relative_work(len(self.classes))

    @property
    def ready(self) -> bool:
        """Whether two classes are learned, so that a prediction can be uncertain."""
        return len(self._classes.counts) >= 2

    @property
    def has_members(self) -> bool:
        """Whether there are several voters: a committee, or the members of an ensemble."""
        return len(self.committee) > 1 or self.classifier.has_members

    @property
    def is_linear(self) -> bool:
        """Whether its probabilities come from a linear function of what its last step gets."""
        return self.classifier.is_linear

    def learn(self, features: Mapping[str, object], label: ClassLabel) -> None:
        """Learn one example.

        An example on which River fails is not counted. River may have learned a part of it: the same part
        wherever the same examples came before it.

        Raises:
            BadMessage: It is one class too many (`too_many_classes`, or `binary_model` for a classifier
                that knows only two), or River fails on it (`model_error`).
        """
        self._classes.admit(label)
        if label not in self.classes:
            self._features.fit(len(self.classes) + 1)
        self._learn(self._features.admitted(features, label), label)
        for member in self.committee:
            with suppress(BadMessage):  # the others go on, on every replica alike
                member.learn(features, label)
        if self.reference_set is not None:
            self.reference_set.learn(features, label)

    def _learn(self, features: Mapping[str, object], label: ClassLabel) -> None:
        """Learn features that are within the limits."""
        self._digest = self._recent_predictions = self._copies_fast = None
        self.classifier.learn(features, self._classes.target(label))
        self._classes.count(label)
        self.examples += 1

    def explain(
        self, features: Mapping[str, object], label: ClassLabel, error: BadMessage
    ) -> tuple[str, str]:
        """Return the first feature for which an example is not learned, and a sentence on what to do.

        The feature is empty if it cannot be found. The example is tried on a copy, with features left out;
        the model does not change (see `engine.model.faults`).

        Args:
            features: The features of the example.
            label: Its label.
            error: What `learn` raised.
        """
        target, definition = self._classes.target(label), self.definition

        def learner() -> Callable[[Mapping[str, object]], None]:
            copy = self.classifier.trial_copy(definition)
            return lambda some: copy.learn(some, target)

        found = features_refused(self._features.used(features), learner)
        said = described(error.__cause__) if error.__cause__ else str(error)
        return next(iter(found), ""), advice(definition, features, found, said)

    def probabilities(self, features: Mapping[str, object]) -> dict[ClassLabel, float]:
        """Return the probability of every class learned; empty without a prediction.

        Raises:
            BadMessage: River fails on these features (`model_error`).
        """
        if not self.ready:
            return dict.fromkeys(self.classes, 1.0)
        return distribution(
            self.classes, self.classifier.scores(self._features.used(features), self._classes.targets())
        )

    def predict_proba_many(self, samples: Sequence[Sample]) -> Predictions:
        """Return the predictions of many samples; of each the same as of that sample alone.

        They equal those of `probabilities`, which are River's own, to 1e-12.

        >>> from stream_al.engine.samples.table import sample_of
        >>> model = Model("GaussianNB()", seed=1)
        >>> for x, label in [(0.0, "ham"), (0.2, "ham"), (0.8, "spam"), (1.0, "spam")]:
        ...     model.learn({"x": x}, label)
        >>> samples = [sample_of("a", {"x": 0.1}), sample_of("b", {"x": 0.5})]
        >>> predictions = model.predict_proba_many(samples)
        >>> predictions.labels, predictions.probabilities[1].tolist()
        (('ham', 'spam'), [0.5, 0.5])
        """
        if not self.classes:
            return Predictions.none(len(samples))
        labels, targets = tuple(self.classes), self._classes.targets()
        if not self.ready:
            return Predictions.of(labels, np.ones((len(samples), 1)))
        table_scores = self.classifier.table_scores(samples, targets)
        if table_scores is not None:
            return Predictions.of(labels, table_scores)
        scores, failed = part_scores(
            self.classifier.river,
            samples,
            targets,
            one_by_one=lambda features: self.classifier.scores(self._features.used(features), targets),
            is_too_wide=self._features.is_too_wide,
        )
        return Predictions.of(labels, scores, failed)

    def members(self, features: Mapping[str, object]) -> list[dict[ClassLabel, float]]:
        """Return the probabilities of each voter: of the committee if there is one, else of the ensemble.

        Voters without a prediction, and those that fail on these features, are left out.
        """
        found: list[dict[ClassLabel, float]] = []
        for member in self.committee:
            with suppress(BadMessage):
                voted = member.probabilities(features)
                found.append({label: voted.get(label, 0.0) for label in self.classes} if voted else {})
        if not self.committee and self.ready:
            with suppress(BadMessage):
                rows = self.classifier.members(self._features.used(features), self._classes.targets())
                found += [distribution(self.classes, scores) for scores in rows]
        return [probabilities for probabilities in found if probabilities]

    def member_tables(self, samples: Sequence[Sample]) -> list[Floats] | None:
        """Return what `members` returns, of many samples at once: a table a voter, a row a sample.

        None where voters have to be asked sample by sample: those of a committee, and of an ensemble.
        """
        if self.committee or not self.ready:
            return None
        return self.classifier.member_tables(samples, self._classes.targets())

    def member_report(self) -> dict[str, dict[str, float]]:
        """Return the weight and the recent loss of each member of `auto`; empty for other models."""
        river = self.classifier.river
        return river.member_report() if isinstance(river, Auto) else {}

    def restarts(self) -> int:
        """Return how often members of `auto` started anew, as a drift was detected; 0 for other models."""
        river = self.classifier.river
        return river.restarts if isinstance(river, Auto) else 0

    def left_out(self) -> dict[str, str]:
        """Return the features that the model does not use, each with the reason, as far as it can tell."""
        river = self.classifier.river
        if isinstance(river, RowClassifier):
            return river.columns.left_out()
        return self._features.left_out()

    def transformed(self, features: Mapping[str, object]) -> dict[Any, Any]:
        """Return the features as the last step of the pipeline gets them.

        Raises:
            BadMessage: River fails on these features (`model_error`).
        """
        return self.classifier.inputs(self._features.used(features))

    def references(self) -> ReferenceSet:
        """Return the reference set.

        Raises:
            ValueError: The model keeps none.
        """
        if self.reference_set is None:
            raise ValueError("this model keeps no reference set; make it by Strategy.model")
        return self.reference_set

    def with_example(self, features: Mapping[str, object], label: ClassLabel) -> Model:
        """Return the model as it would be after this example: a copy, without committee.

        It keeps the reference set of now, so that the recent predictions of both can be compared.

        Raises:
            BadMessage: As `learn`.
        """
        copy = object.__new__(Model)
        copy.__dict__.update(
            self.__dict__,
            classifier=self.classifier.temporary_copy(),
            _classes=self._classes.copy(),
            committee=[],
        )
        copy._classes.admit(label)
        copy._learn(self._features.used(features), label)  # the limits are shared, and learn no name
        return copy

    def copies_fast(self) -> bool:
        """Return whether a copy for each sample is made in time, by what was learned; always for `auto`."""
        if self._copies_fast is None:
            more = islice(parts(self.classifier.river), COPIED_PARTS, None)
            self._copies_fast = self._features.known is None or next(more, None) is None
        return self._copies_fast

    def recent_predictions(self) -> list[dict[ClassLabel, float]]:
        """Return the probabilities of the last examples it keeps; empty where it has none or fails."""
        if self._recent_predictions is None:
            most = RECENT_VALUES // (1 if self._features.known is None else max(1, len(self.classes)))
            of = self.reference_set
            samples = [] if of is None else of.latest(RECENT_PREDICTIONS, most, self._features.used)
            self._recent_predictions = self.predict_proba_many(samples).rows()
        return self._recent_predictions

    def digest(self) -> str:
        """Return a text that is equal for two models exactly when they are in the same state."""
        return finished(self.digest_in_steps())

    def digest_in_steps(self) -> Generator[None, None, str]:
        """Return the digest, and yield now and then. If the model learns meanwhile, close and begin again."""
        if self._digest is None:
            kept = []
            for member in self.committee:
                kept.append((yield from member.digest_in_steps()))  # noqa: PERF401 - a comprehension cannot yield
            if self.reference_set is not None:
                kept.append((yield from digest_in_steps(self.reference_set)))
            if self._features.known is not None:
                kept.append((yield from digest_in_steps(self._features.known)))
            self._digest = yield from digest_in_steps((self.classifier.river, self.classes, *kept))
        return self._digest

    def __getstate__(self) -> dict[str, Any]:
        # A restored model computes its digest anew, so that a snapshot can prove itself.
        return {**self.__dict__, "_recent_predictions": None, "_digest": None, "_copies_fast": None}
