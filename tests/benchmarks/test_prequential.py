"""Laws of a run: all rules get the same labels, and no label comes before its time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from stream_al.engine.budgets import Context
from stream_al.engine.model.model import Model
from stream_al.engine.model.predictions import likeliest_label
from stream_al.messages import ClassLabel
from stream_al.simulate.people.annotator import SimulatedAnnotator
from tests.benchmarks.efficiency.learners import definition
from tests.benchmarks.efficiency.policies import policy
from tests.benchmarks.efficiency.policies.ours import Ours
from tests.benchmarks.efficiency.prequential import (
    REAL,
    Baseline,
    Candidate,
    Rule,
    Terms,
    evaluate,
    probability_array,
)
from tests.benchmarks.efficiency.scores import Scoreboard
from tests.benchmarks.efficiency.streams import WARM_START, Sample, Stream, load

TERMS = Terms(share=0.1, classes=2, seed=3)


class Script(Baseline):
    """Buys at fixed positions and records when labels come."""

    def __init__(self, positions: set[int]) -> None:
        self.positions = positions
        self.position = WARM_START - 1
        self.events: list[tuple[int, Sample, ClassLabel]] = []
        self.pending: list[int] = []

    def decide(self, candidate: Candidate) -> bool:
        self.position += 1
        self.pending.append(candidate.pending)
        return self.position in self.positions

    def label(self, sample: Sample, label: ClassLabel) -> None:
        if self.position >= WARM_START:
            self.events.append((self.position, sample, label))


class ScriptThatWrites(Script):
    """Buys at fixed positions, and changes the array that it gets."""

    def decide(self, candidate: Candidate) -> bool:
        candidate.probabilities.sort()
        return super().decide(candidate)


def _scores(baseline: Baseline, stream: Stream, **how: Any) -> dict[str, Any]:
    scores = evaluate(stream, "nb", lambda terms: baseline, TERMS, **how).scores
    return {key: value for key, value in scores.items() if key != "seconds"}


@pytest.fixture
def stream() -> Stream:
    return load("river_bananas", None, 400, 0)


@pytest.mark.parametrize("delay", [0, 1, 7, 150])
def test_a_label_comes_after_exactly_its_delay(stream: Stream, delay: int) -> None:
    """A label bought at p is known to the prediction at p + delay, and not before."""
    bought = {35, 36, 90, 200, 399}
    baseline = Script(bought)
    _scores(baseline, stream, delay=delay)
    came = {int(sample.id.rpartition("-")[2]): position for position, sample, _ in baseline.events}
    assert came == {p: p + max(delay, 1) - 1 for p in bought if p + max(delay, 1) < 400}
    pending = [sum(b < p < b + max(delay, 1) for b in bought) for p in range(WARM_START, 400)]
    assert baseline.pending == pending


def _timed(stream: Stream) -> Stream:
    """The stream with times: ten samples a minute, and labels that come out of order."""
    samples = tuple(
        Sample(s.id, s.features, s.label, s.vector, came=k / 10, labelled=k / 10 + (k % 3))
        for k, s in enumerate(stream.samples)
    )
    return Stream("timed", samples, stream.classes, True, stream.kind)


def test_a_real_delay_is_the_time_that_the_file_says(stream: Stream) -> None:
    timed = _timed(stream)
    samples = timed.samples
    baseline = Script(set(range(WARM_START, 400, 7)))
    _scores(baseline, timed, delay=REAL)
    assert len(baseline.events) > 40
    for position, sample, _ in baseline.events:
        assert sample.labelled <= samples[position + 1].came
        assert sample.came <= samples[position].came
        assert sample.labelled > samples[position].came or sample.id == samples[position].id


@pytest.mark.parametrize("error", [0.0, 0.4])
def test_the_same_decisions_get_the_same_labels_and_scores(stream: Stream, error: float) -> None:
    """No result depends on which rule decides, or on what a rule does with its inputs."""
    positions = set(range(40, 400, 9))
    one, other = Script(positions), ScriptThatWrites(positions)
    assert _scores(one, stream, delay=20, error=error) == _scores(other, stream, delay=20, error=error)
    assert one.events == other.events


def test_a_label_does_not_depend_on_which_others_were_bought(stream: Stream) -> None:
    few, many = Script({50, 300}), Script(set(range(WARM_START, 400)))
    _scores(few, stream, error=0.5)
    _scores(many, stream, error=0.5)
    labels = {sample.id: label for _, sample, label in many.events}
    assert all(labels[sample.id] == label for _, sample, label in few.events)


def test_the_given_share_of_labels_is_wrong_and_a_wrong_label_is_another_class() -> None:
    stream, everything = load("river_segments", None, 2000, 0), Script(set(range(2000)))
    _scores(everything, stream, error=0.2)
    wrong = [label for _, sample, label in everything.events if label != sample.label]
    assert abs(len(wrong) / len(everything.events) - 0.2) < 0.04
    assert set(wrong) == set(stream.classes)


def test_nothing_is_bought_in_the_warm_start(stream: Stream) -> None:
    run = evaluate(stream, "nb", lambda terms: Script(set(range(400))), TERMS)
    assert run.bought == list(range(WARM_START, 400))
    assert run.scores["budget_spent"] == 1.0


Decide = Callable[[Sample, Model, int], bool]


def _decide(rule: Rule) -> Decide:
    """The rule as a function that decides about one sample."""
    if isinstance(rule, Ours):
        state: Any = rule.selector.start()

        def ours(sample: Sample, model: Model, pending: int) -> bool:
            nonlocal state
            arrival = rule.selector.score(model, sample.id, sample.features)
            context = Context(ready=model.ready, pending=pending, known=model.examples)
            (decision,), state = rule.selector.decide(state, [arrival], context)
            return decision.selected

        return ours

    def baseline(sample: Sample, model: Model, pending: int) -> bool:
        assert isinstance(rule, Baseline)
        predictions = probability_array(model.probabilities(sample.features), len(model.classes))
        return rule.decide(Candidate(sample, predictions, pending))

    return baseline


def _one_by_one(
    stream: Stream, learner: str, make: Callable[[Terms], Rule], terms: Terms, delay: int | str, error: float
) -> tuple[list[int], dict[str, Any]]:
    """The same run without batches; every prediction is that of River."""
    rule, scoreboard = make(terms), Scoreboard(stream.classes)
    model, wants = rule.model(definition(learner, stream), terms.seed), _decide(rule)
    for sample in stream.samples[:WARM_START]:
        model.learn(sample.features, sample.label)
        rule.label(sample, sample.label)
    annotator = SimulatedAnnotator(stream.classes, error, terms.seed)
    waiting: list[tuple[float, int]] = []
    bought: list[int] = []
    for position, sample in enumerate(stream.samples[WARM_START:], WARM_START):
        now = sample.came if delay == REAL else position
        for due, asked in sorted(waiting):
            if due <= now:
                waiting.remove((due, asked))
                label = annotator.label(stream.samples[asked].id, stream.samples[asked].label)
                model.learn(stream.samples[asked].features, label)
                rule.label(stream.samples[asked], label)
        predicted = likeliest_label(model.probabilities(sample.features))
        scoreboard.predicted(sample.label, next(iter(model.classes)) if predicted is None else predicted)
        if wants(sample, model, len(waiting)):
            waiting.append((sample.labelled if delay == REAL else position + int(delay), position))
            bought.append(position)
    labels = [stream.samples[position].label for position in bought]
    positions = [position - WARM_START for position in bought]
    return bought, scoreboard.scores(positions, labels, terms.share, rule.window)


RUNS = [
    ("river_bananas", "nb", 0.1, 0, 0.0),
    ("river_bananas", "logistic", 0.05, 1, 0.3),
    ("river_segments", "logistic", 0.2, 60, 0.2),
    ("river_segments", "tree", 0.1, 7, 0.0),
    ("river_phishing", "nb", 0.02, 2, 0.2),
    ("sine_rare", "tree", 0.1, 150, 0.0),
    ("timed", "logistic", 0.1, REAL, 0.0),
    ("timed", "nb", 0.3, REAL, 0.2),
]


@pytest.mark.parametrize("case", RUNS, ids=str)
@pytest.mark.parametrize(
    "text", ["ours", "other=entropy:split:0.2", "moa_variable", "moa_selective", "vw_iwal", "prodigy"]
)
def test_batches_give_the_same_result_as_one_by_one(
    text: str, case: tuple[str, str, float, int | str, float]
) -> None:
    """The purchases and scores are equal to the last bit, for every policy and delay."""
    name, learner, share, delay, error = case
    stream = _timed(load("river_bananas", None, 500, 0)) if name == "timed" else load(name, None, 500, 0)
    terms, make = Terms(share, len(stream.classes), seed=5), policy(text)[1].make
    played = evaluate(stream, learner, make, terms, delay=delay, error=error)
    bought, scores = _one_by_one(stream, learner, make, terms, delay, error)
    assert played.bought == bought
    assert {**played.scores, "seconds": None} == {**scores, "seconds": None}


def test_where_the_learner_fails_a_baseline_gets_equal_probabilities(stream: Stream) -> None:
    """The prediction is the first class. The baseline still decides, and a refused label is paid for."""
    garbled = tuple(
        replace(sample, features=dict.fromkeys(sample.features, "text")) if position >= WARM_START else sample
        for position, sample in enumerate(stream.samples)
    )
    seen: list[list[float]] = []

    class Recorder(Script):
        def decide(self, candidate: Candidate) -> bool:
            seen.append(candidate.probabilities.tolist())
            return super().decide(candidate)

    recorder = Recorder({100, 150})
    run = evaluate(replace(stream, samples=garbled), "logistic", lambda terms: recorder, TERMS)
    assert run.bought == [100, 150]
    assert seen == [[0.5, 0.5]] * (400 - WARM_START)
    right = [sample.label == stream.samples[0].label for sample in stream.samples[WARM_START:]]
    assert run.scores["accuracy"] == round(sum(right) / len(right), 6)
