"""One run: a stream, a learner, a rule that buys labels, and labels that come late.

The evaluation is prequential. The first 30 samples are labelled for every rule, at once and outside the
budget. Every later sample is predicted, and then the rule decides whether to buy its label. The label reaches
the learner and the rule after `delay` samples, or when the file says, and not before the next sample is
predicted. A label depends on the sample and the seed, never on the rule. Accuracy counts all samples after
the first 30.

The run is that of `stream-al simulate`, with its batches: the learner scores many samples at once, up to the
next label. Rules of the engine decide about a batch at once. A baseline decides about one sample after the
other, and about each sample once.
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
from stream_al.simulate import run as simulation
from stream_al.simulate import stream as recorded
from stream_al.simulate.buyers import Buyer
from stream_al.simulate.people.annotator import SimulatedAnnotator
from tests.benchmarks.efficiency.learners import definition
from tests.benchmarks.efficiency.scores import Scoreboard
from tests.benchmarks.efficiency.streams import WARM_START, Sample, Stream

__all__ = ["REAL", "Baseline", "Candidate", "Rule", "Run", "Terms", "evaluate", "probability_array"]

REAL = "real"
"""The delay of a stream that records when its labels came."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a rule knows before the first sample.

    Attributes:
        share: The share of the samples whose label it may buy.
        classes: How many classes the stream has.
        seed: Of its random draws.
    """

    share: float
    classes: int
    seed: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """What a baseline knows of an arrival.

    Attributes:
        sample: The arrival; a baseline does not look at its label.
        probabilities: Those of the learner, over the classes that it knows and at least two: with one known
            class (1, 0), and equal ones where the learner has no prediction.
        pending: How many labels were bought and have not come.
    """

    sample: Sample
    probabilities: npt.NDArray[np.float64]
    pending: int


class Rule:
    """A rule that buys labels.

    Attributes:
        window: Over how many samples it promises its budget; None promises nothing, and 1/share is used.
    """

    window: int | None = None

    def model(self, definition: str, seed: int) -> Model:
        """The learner, with what else the rule needs of it."""
        return Model(definition, seed=seed)

    def buyer(self, samples: Sequence[Sample], come: delays.Arrivals) -> Buyer:
        """The rule as a buyer of the labels of these samples."""
        raise NotImplementedError

    def label(self, sample: Sample, label: ClassLabel) -> None:
        """Take notice of a label that has come, also in the warm start."""


class Baseline(Rule):
    """A rule that decides about one sample after the other."""

    def buyer(self, samples: Sequence[Sample], come: delays.Arrivals) -> Buyer:
        return BaselineBuyer(self, samples, come)

    def decide(self, candidate: Candidate) -> bool:
        """Whether it buys this label. It is called once for each sample, in their order."""
        raise NotImplementedError


class BaselineBuyer:
    """A baseline as a buyer, which decides about batches.

    A batch may be decided again, and a baseline cannot take a decision back. So its decisions are remembered,
    and it never decides about a sample that comes after a label which is bought in the same batch.
    """

    def __init__(self, baseline: Baseline, samples: Sequence[Sample], come: delays.Arrivals) -> None:
        self.baseline = baseline
        self.samples = samples
        self.come = come
        self.position = {sample.id: position for position, sample in enumerate(samples)}
        self.decisions: list[bool] = []
        self.known = 0

    def score(self, learner: Any, samples: Sequence[Features]) -> Sequence[ScoredSample]:
        """The probabilities of the learner. It has none for a sample that it fails on."""
        self.known = len(learner.classes)
        rows = learner.predict_proba_many(samples).rows()
        return [ScoredSample(sample.id, row, utility=0.0) for sample, row in zip(samples, rows, strict=True)]

    def decide(self, arrivals: Sequence[ScoredSample], context: Context) -> tuple[list[bool], Any]:
        """Whether the baseline buys each label, up to the first sample after a label that is bought here."""
        selected = [False] * len(arrivals)
        pending, end = context.pending, len(self.samples)
        for place, arrival in enumerate(arrivals):
            at = self.position[arrival.id]
            if at >= end:
                break
            if at == len(self.decisions):
                candidate = Candidate(
                    self.samples[at], probability_array(arrival.probabilities, self.known), pending
                )
                self.decisions.append(bool(self.baseline.decide(candidate)))
            if self.decisions[at]:
                selected[place] = True
                pending += 1
                end = min(end, self.come.first[at])
        return selected, None

    def keep(self, state: Any) -> None:
        """Do nothing: a baseline keeps its own state."""


@dataclass(slots=True)
class Run:
    """The result of a run: the scores, and the positions of the labels bought."""

    scores: dict[str, Any]
    bought: list[int] = field(default_factory=list)


def evaluate(
    stream: Stream,
    learner: str,
    make: Callable[[Terms], Rule],
    terms: Terms,
    *,
    delay: int | str = 0,
    error: float = 0.0,
) -> Run:
    """Run a rule over a stream.

    Args:
        stream: The samples.
        learner: One of `learners.LEARNERS`.
        make: Makes the rule.
        terms: What the rule knows before.
        delay: Samples from a purchase to its label, or `REAL`.
        error: The share of wrong labels among those bought.
    """
    began = time.process_time()
    rule = make(terms)
    model = rule.model(definition(learner, stream), terms.seed)
    start, samples = stream.samples[:WARM_START], stream.samples[WARM_START:]
    named = {sample.id: sample for sample in samples}
    annotator = SimulatedAnnotator(stream.classes, error, terms.seed)
    simulation.warm_up(_rows(start), model)
    for sample in start:
        rule.label(sample, sample.label)

    def annotate(sample_id: str, truth: ClassLabel) -> ClassLabel:
        label = annotator.label(sample_id, truth)
        rule.label(named[sample_id], label)
        return label

    # A model without a prediction counts as predicting the first class.
    first = next(iter(model.classes), None)
    come = _due(samples, delay)
    buyer = rule.buyer(samples, come)
    played = simulation.run(
        _rows(samples), model, buyer, come, annotate=annotate, names=lambda position: samples[position].id
    )
    scoreboard = Scoreboard(stream.classes)
    for sample, guess in zip(samples, played.predicted, strict=True):
        scoreboard.predicted(sample.label, first if guess is None else guess)
    labels = [samples[position].label for position in played.bought]
    scores = scoreboard.scores(played.bought, labels, terms.share, rule.window)
    scores["seconds"] = round(time.process_time() - began, 3)
    return Run(scores, [WARM_START + position for position in played.bought])


def _rows(samples: Sequence[Sample]) -> list[Row]:
    return [Row(sample.features, sample.label) for sample in samples]


def _due(samples: Sequence[Sample], delay: int | str) -> delays.Arrivals:
    """When the labels come: at the next sample at the earliest, for every delay."""
    if delay != REAL:
        return delays.later(len(samples), max(1, int(delay)))
    clock, labelled = [sample.came for sample in samples], [sample.labelled for sample in samples]
    return delays.arrivals(delays.Delay(delays.RECORDED), recorded.Stream("", [], clock, labelled))


def probability_array(probabilities: Mapping[ClassLabel, float], known: int) -> npt.NDArray[np.float64]:
    """The probabilities as an array, in the order in which the classes were learned.

    Args:
        probabilities: Those of the learner, if it has any.
        known: How many classes it has learned.
    """
    if probabilities:
        return np.fromiter(probabilities.values(), float)
    if known >= 2:
        return np.full(known, 1.0 / known)
    return np.array([1.0, 0.0])
