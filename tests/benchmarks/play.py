"""One run: a stream, a learner, a rule that buys labels, and labels that come late.

Every rule plays the same game. The first 30 samples are labelled for everyone, at once and outside the
budget. From then on a sample is predicted first, then the rule says whether it buys the label, and the
label reaches learner and rule when it is due: after `delay` samples, or when the file says. It is due
before the next sample is predicted, at the earliest. What a label says depends on the sample and the seed,
never on the rule. Accuracy is prequential, over all samples after the first 30.

The game is that of `stream-al simulate`, batches included: until the next label comes the learner is asked
about many samples at once. Rules of the engine decide about them at once as well; a rival is asked about
one after the other, about each of them once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from stream_al.datasets.rows import Row
from stream_al.engine.budgets import Context
from stream_al.engine.model.model import Model
from stream_al.engine.samples.table import Sample as Features
from stream_al.engine.strategies import ScoredSample
from stream_al.messages import ClassLabel
from stream_al.simulate import delay as delays
from stream_al.simulate import run as game
from stream_al.simulate import stream as recorded
from tests.benchmarks.learners import definition
from tests.benchmarks.scores import Scoreboard
from tests.benchmarks.streams import WARM_START, Sample, Stream

__all__ = ["REAL", "Candidate", "Rival", "Rule", "Run", "Terms", "play"]

REAL = "real"
"""The delay of a stream that says itself when its labels came."""


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
class Candidate:
    """What a rival sees of an arrival.

    Attributes:
        sample: The arrival; a rival does not look at its label.
        probabilities: What the learner says, over the classes it knows and at least two: one class known
            is a certainty, no opinion is an even one.
        pending: Labels that were bought and have not come.
    """

    sample: Sample
    probabilities: npt.NDArray[np.float64]
    pending: int


class Rule:
    """A rule that buys labels.

    Attributes:
        window: Samples over which it promises its budget; None: no promise, judged over 1/share.
    """

    window: int | None = None

    def model(self, definition: str, seed: int) -> Model:
        """The learner, with whatever else the rule wants of it."""
        return Model(definition, seed=seed)

    def buyer(self, samples: Sequence[Sample], come: delays.Arrivals) -> game.Buyer:
        """The rule as it decides about these samples, whose labels come then."""
        raise NotImplementedError

    def label(self, sample: Sample, label: ClassLabel) -> None:
        """A label has come, of the warm start too."""


class Rival(Rule):
    """A rule that decides about one sample after the other."""

    def buyer(self, samples: Sequence[Sample], come: delays.Arrivals) -> game.Buyer:
        return _Asked(self, samples, come)

    def decide(self, candidate: Candidate) -> bool:
        """Whether it buys this label; called once a sample, in their order."""
        raise NotImplementedError


class _Asked:
    """A rival behind the face of a buyer.

    A rival's decision cannot be taken back. So it is not asked about samples that know a label which it buys
    in the same batch, and what it said of the others is remembered.
    """

    def __init__(self, rival: Rival, samples: Sequence[Sample], come: delays.Arrivals) -> None:
        self.rival = rival
        self.samples = samples
        self.come = come
        self.position = {sample.id: position for position, sample in enumerate(samples)}
        self.said: list[bool] = []
        self.known = 0

    def score(self, learner: Any, samples: Sequence[Features]) -> Sequence[ScoredSample]:
        """What the learner believes; what it fails on, it has no opinion about."""
        self.known = len(learner.classes)
        told = learner.predict_proba_many(samples).rows()
        return [ScoredSample(sample.id, row, utility=0.0) for sample, row in zip(samples, told, strict=True)]

    def decide(self, arrivals: Sequence[ScoredSample], context: Context) -> tuple[list[bool], Any]:
        """Whether the rival buys each, up to the first that knows a label bought here."""
        selected = [False] * len(arrivals)
        pending, end = context.pending, len(self.samples)
        for place, arrival in enumerate(arrivals):
            at = self.position[arrival.id]
            if at >= end:
                break
            if at == len(self.said):
                candidate = Candidate(self.samples[at], believed(arrival.probabilities, self.known), pending)
                self.said.append(bool(self.rival.decide(candidate)))
            if self.said[at]:
                selected[place] = True
                pending += 1
                end = min(end, self.come.first[at])
        return selected, None

    def keep(self, state: Any) -> None:
        """The rival keeps its own."""


@dataclass(slots=True)
class Run:
    """What a run gave: the scores, and the positions that were bought."""

    scores: dict[str, Any]
    bought: list[int] = field(default_factory=list)


def play(
    stream: Stream,
    learner: str,
    make: Callable[[Terms], Rule],
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
    rule = make(terms)
    model = rule.model(definition(learner, stream), terms.seed)
    start, samples = stream.samples[:WARM_START], stream.samples[WARM_START:]
    named = {sample.id: sample for sample in samples}
    annotator = game.Annotator(stream.classes, error, terms.seed)
    game.warm_up(_rows(start), model)
    for sample in start:
        rule.label(sample, sample.label)

    def answer(sample_id: str, truth: ClassLabel) -> ClassLabel:
        label = annotator.answer(sample_id, truth)
        rule.label(named[sample_id], label)
        return label

    # A model without an opinion predicts the first class, as any classifier does that knows nothing else.
    first = next(iter(model.classes), None)
    come = _due(samples, delay)
    buyer = rule.buyer(samples, come)
    played = game.play(
        _rows(samples), model, buyer, come, answer=answer, names=lambda position: samples[position].id
    )
    tally = Scoreboard(stream.classes)
    for sample, guess in zip(samples, played.predicted, strict=True):
        tally.predicted(sample.label, first if guess is None else guess)
    labels = [samples[position].label for position in played.bought]
    scores = tally.scores(played.bought, labels, terms.share, rule.window)
    scores["seconds"] = round(time.process_time() - began, 3)
    return Run(scores, [WARM_START + position for position in played.bought])


def _rows(samples: Sequence[Sample]) -> list[Row]:
    return [Row(sample.features, sample.label) for sample in samples]


def _due(samples: Sequence[Sample], delay: int | str) -> delays.Arrivals:
    """When the labels come: at the next sample at the earliest, whatever the delay."""
    if delay != REAL:
        return delays.later(len(samples), max(1, int(delay)))
    clock, labelled = [sample.came for sample in samples], [sample.answered for sample in samples]
    return delays.arrivals(delays.Delay(delays.RECORDED), recorded.Stream("", [], clock, labelled))


def believed(probabilities: Mapping[ClassLabel, float], known: int) -> npt.NDArray[np.float64]:
    """The probabilities as an array, in the order in which the classes were learned.

    Args:
        probabilities: What the learner says, if it has an opinion.
        known: How many classes it has learned.
    """
    if probabilities:
        return np.fromiter(probabilities.values(), float)
    if known >= 2:
        return np.full(known, 1.0 / known)
    return np.array([1.0, 0.0])
