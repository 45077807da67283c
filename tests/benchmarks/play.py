"""One run: a stream, a learner, a rule that buys labels, and labels that come late.

Every rule plays the same game. The first 30 samples are labelled for everyone, at once and outside the
budget. From then on a sample is predicted first, then the rule says whether it buys the label, and the
label reaches learner and rule when it is due: after `delay` samples, or when the file says. It is due
before the next sample is predicted, at the earliest. What a label says depends on the sample and the seed,
never on the rule. Accuracy is prequential, over all samples after the first 30.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from stream_al.engine.model import Label, Model, prediction
from stream_al.engine.randomness import uniform
from stream_al.errors import BadMessage
from tests.benchmarks.learners import definition
from tests.benchmarks.scores import Tally
from tests.benchmarks.streams import WARM_START, Sample, Stream

__all__ = ["REAL", "Learner", "Rival", "Run", "Sight", "Terms", "play"]

REAL = "real"
"""The delay of a stream that says itself when its labels came."""


class Learner(Model):
    """A model that remembers its last answer, so that rule and score ask River once a sample."""

    _asked: Any = None
    _answer: dict[Label, float]

    def probabilities(self, features: Mapping[str, object]) -> dict[Label, float]:
        """As the model's; None of its errors gets out: what River fails on, it has no opinion about."""
        if self._asked is not features:
            try:
                self._answer = super().probabilities(features)
            except BadMessage:
                self._answer = {}
            self._asked = features
        return self._answer

    def learn(self, features: Mapping[str, object], label: Label) -> None:
        """As the model's; what it refuses, it refuses in the service too."""
        self._asked = None
        try:
            super().learn(features, label)
        except BadMessage:
            return


@dataclass(frozen=True, slots=True)
class Terms:
    """What a rule is told before the first sample.

    Attributes:
        share: The share of the samples whose label it may buy.
        classes: How many classes the stream has.
        seed: For its random draws.
    """

    share: float
    classes: int
    seed: int


@dataclass(frozen=True, slots=True)
class Sight:
    """What a rule sees of an arrival.

    Attributes:
        sample: The arrival; a rule does not look at its label.
        probabilities: What the learner says, over the classes it knows and at least two: one class known
            is a certainty, no opinion is an even one.
        model: The learner.
        pending: Labels that were bought and have not come.
    """

    sample: Sample
    probabilities: npt.NDArray[np.float64]
    model: Model
    pending: int


class Rival:
    """A rule that buys labels.

    Attributes:
        window: Samples over which it promises its budget; None: no promise, judged over 1/share.
    """

    window: int | None = None

    def model(self, definition: str, seed: int) -> Learner:
        """The learner, with whatever else the rule wants of it."""
        return Learner(definition, seed=seed)

    def decide(self, sight: Sight) -> bool:
        """Whether it buys this label; called once a sample, in their order."""
        raise NotImplementedError

    def label(self, sample: Sample, label: Label) -> None:
        """A label has come, of the warm start too."""


@dataclass(slots=True)
class Run:
    """What a run gave: the scores, and the positions that were bought."""

    scores: dict[str, Any]
    bought: list[int] = field(default_factory=list)


def play(
    stream: Stream,
    learner: str,
    make: Callable[[Terms], Rival],
    terms: Terms,
    *,
    delay: int | str = 0,
    error: float = 0.0,
) -> Run:
    """Play a stream.

    Args:
        stream: What comes.
        learner: One of `learners.LEARNERS`.
        make: Makes the rule.
        terms: What it is told.
        delay: Samples from a purchase to its label, or `REAL`.
        error: The share of wrong answers among the labels bought.
    """
    began = time.process_time()
    rival = make(terms)
    model = rival.model(definition(learner, stream), terms.seed)
    for sample in stream.samples[:WARM_START]:
        model.learn(sample.features, sample.label)
        rival.label(sample, sample.label)
    tally = Tally(stream.classes)
    waiting: list[tuple[float, int]] = []
    run = Run({})
    for position in range(WARM_START, len(stream.samples)):
        sample = stream.samples[position]
        now = sample.came if delay == REAL else position
        while waiting and waiting[0][0] <= now:
            answered = stream.samples[heapq.heappop(waiting)[1]]
            answer = said(answered, stream, error, terms.seed)
            model.learn(answered.features, answer)
            rival.label(answered, answer)
        probabilities = model.probabilities(sample.features)
        guess = prediction(probabilities)
        # A model of one class predicts it, as any classifier does that knows nothing else.
        tally.predicted(sample.label, next(iter(model.classes), None) if guess is None else guess)
        sight = Sight(sample, believed(model, probabilities), model, len(waiting))
        if rival.decide(sight):
            due = sample.answered if delay == REAL else position + int(delay)
            heapq.heappush(waiting, (due, position))
            run.bought.append(position)
    labels = [stream.samples[position].label for position in run.bought]
    positions = [position - WARM_START for position in run.bought]
    run.scores = tally.scores(positions, labels, terms.share, rival.window)
    run.scores["seconds"] = round(time.process_time() - began, 3)
    return run


def believed(model: Model, probabilities: Mapping[Label, float]) -> npt.NDArray[np.float64]:
    """The probabilities as an array, in the order in which the classes were learned."""
    known = len(model.classes)
    if probabilities:
        return np.fromiter(probabilities.values(), float)
    if known >= 2:
        return np.full(known, 1.0 / known)
    return np.array([1.0, 0.0])


def said(sample: Sample, stream: Stream, error: float, seed: int) -> Label:
    """What the annotator answers: the truth, or with the chance `error` any other class of the stream."""
    if error == 0.0 or uniform(seed, "annotator errs", sample.id) >= error:
        return sample.label
    others = [label for label in stream.classes if label != sample.label]
    return others[int(uniform(seed, "annotator says", sample.id) * len(others))]
