"""Laws of the game: every rule gets what every other gets, and no label before its time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from stream_al.engine.budgets import Context
from stream_al.engine.model.model import Model
from stream_al.engine.model.predictions import likeliest_label
from stream_al.messages import ClassLabel
from stream_al.simulate.run import Annotator
from tests.benchmarks.learners import definition
from tests.benchmarks.play import REAL, Candidate, Rival, Rule, Terms, believed, play
from tests.benchmarks.rivals import policy
from tests.benchmarks.rivals.ours import Ours
from tests.benchmarks.scores import Scoreboard
from tests.benchmarks.streams import WARM_START, Sample, Stream, load

TERMS = Terms(share=0.1, classes=2, seed=3)


class Script(Rival):
    """Buys at fixed positions and writes down what happens."""

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


class Talkative(Script):
    """The same decisions from another rule."""

    def decide(self, candidate: Candidate) -> bool:
        candidate.probabilities.sort()
        return super().decide(candidate)


def _play(rival: Rival, stream: Stream, **how: Any) -> dict[str, Any]:
    scores = play(stream, "nb", lambda terms: rival, TERMS, **how).scores
    return {key: value for key, value in scores.items() if key != "seconds"}


@pytest.fixture
def stream() -> Stream:
    return load("river_bananas", None, 400, 0)


@pytest.mark.parametrize("delay", [0, 1, 7, 150])
def test_a_label_comes_after_exactly_its_delay(stream: Stream, delay: int) -> None:
    """Bought at p it is known to the prediction at p + delay, and to none before."""
    bought = {35, 36, 90, 200, 399}
    rival = Script(bought)
    _play(rival, stream, delay=delay)
    came = {int(sample.id.rpartition("-")[2]): position for position, sample, _ in rival.events}
    assert came == {p: p + max(delay, 1) - 1 for p in bought if p + max(delay, 1) < 400}
    on_their_way = [sum(b < p < b + max(delay, 1) for b in bought) for p in range(WARM_START, 400)]
    assert rival.pending == on_their_way


def _timed(stream: Stream) -> Stream:
    """The stream with times: ten samples a minute, and answers that overtake one another."""
    samples = tuple(
        Sample(s.id, s.features, s.label, s.vector, came=k / 10, answered=k / 10 + (k % 3))
        for k, s in enumerate(stream.samples)
    )
    return Stream("timed", samples, stream.classes, True, stream.kind)


def test_a_real_delay_is_the_time_that_the_file_says(stream: Stream) -> None:
    timed = _timed(stream)
    samples = timed.samples
    rival = Script(set(range(WARM_START, 400, 7)))
    _play(rival, timed, delay=REAL)
    assert len(rival.events) > 40
    for position, sample, _ in rival.events:
        assert sample.answered <= samples[position + 1].came
        assert sample.came <= samples[position].came
        assert sample.answered > samples[position].came or sample.id == samples[position].id


@pytest.mark.parametrize("error", [0.0, 0.4])
def test_the_same_decisions_get_the_same_labels_and_scores(stream: Stream, error: float) -> None:
    """Nothing depends on which rule decides, nor on what it does with what it is shown."""
    positions = set(range(40, 400, 9))
    one, other = Script(positions), Talkative(positions)
    assert _play(one, stream, delay=20, error=error) == _play(other, stream, delay=20, error=error)
    assert one.events == other.events


def test_an_answer_does_not_depend_on_what_else_was_asked(stream: Stream) -> None:
    few, many = Script({50, 300}), Script(set(range(WARM_START, 400)))
    _play(few, stream, error=0.5)
    _play(many, stream, error=0.5)
    answers = {sample.id: label for _, sample, label in many.events}
    assert all(answers[sample.id] == label for _, sample, label in few.events)


def test_the_asked_share_of_answers_is_wrong_and_wrong_answers_are_classes() -> None:
    stream, everything = load("river_segments", None, 2000, 0), Script(set(range(2000)))
    _play(everything, stream, error=0.2)
    wrong = [label for _, sample, label in everything.events if label != sample.label]
    assert abs(len(wrong) / len(everything.events) - 0.2) < 0.04
    assert set(wrong) == set(stream.classes)


def test_nothing_is_bought_in_the_warm_start(stream: Stream) -> None:
    run = play(stream, "nb", lambda terms: Script(set(range(400))), TERMS)
    assert run.bought == list(range(WARM_START, 400))
    assert run.scores["budget_spent"] == 1.0


Chooser = Callable[[Sample, Model, int], bool]


def _chooser(rule: Rule) -> Chooser:
    """The rule, asked about one sample."""
    if isinstance(rule, Ours):
        state: Any = rule.selector.start()

        def ours(sample: Sample, model: Model, pending: int) -> bool:
            nonlocal state
            arrival = rule.selector.score(model, sample.id, sample.features)
            context = Context(ready=model.ready, pending=pending, known=model.examples)
            (decision,), state = rule.selector.decide(state, [arrival], context)
            return decision.selected

        return ours

    def rivals(sample: Sample, model: Model, pending: int) -> bool:
        assert isinstance(rule, Rival)
        predictions = believed(model.probabilities(sample.features), len(model.classes))
        return rule.decide(Candidate(sample, predictions, pending))

    return rivals


def _one_by_one(
    stream: Stream, learner: str, make: Callable[[Terms], Rule], terms: Terms, delay: int | str, error: float
) -> tuple[list[int], dict[str, Any]]:
    """The game as its rules say it, with no batch anywhere; every prediction is River's own."""
    rule, tally = make(terms), Scoreboard(stream.classes)
    model, wants = rule.model(definition(learner, stream), terms.seed), _chooser(rule)
    for sample in stream.samples[:WARM_START]:
        model.learn(sample.features, sample.label)
        rule.label(sample, sample.label)
    annotator = Annotator(stream.classes, error, terms.seed)
    waiting: list[tuple[float, int]] = []
    bought: list[int] = []
    for position, sample in enumerate(stream.samples[WARM_START:], WARM_START):
        now = sample.came if delay == REAL else position
        for due, asked in sorted(waiting):
            if due <= now:
                waiting.remove((due, asked))
                answer = annotator.answer(stream.samples[asked].id, stream.samples[asked].label)
                model.learn(stream.samples[asked].features, answer)
                rule.label(stream.samples[asked], answer)
        guess = likeliest_label(model.probabilities(sample.features))
        tally.predicted(sample.label, next(iter(model.classes)) if guess is None else guess)
        if wants(sample, model, len(waiting)):
            waiting.append((sample.answered if delay == REAL else position + int(delay), position))
            bought.append(position)
    labels = [stream.samples[position].label for position in bought]
    positions = [position - WARM_START for position in bought]
    return bought, tally.scores(positions, labels, terms.share, rule.window)


GAMES = [
    ("river_bananas", "nb", 0.1, 0, 0.0),
    ("river_bananas", "logistic", 0.05, 1, 0.3),
    ("river_segments", "logistic", 0.2, 60, 0.2),
    ("river_segments", "tree", 0.1, 7, 0.0),
    ("river_phishing", "nb", 0.02, 2, 0.2),
    ("sine_rare", "tree", 0.1, 150, 0.0),
    ("timed", "logistic", 0.1, REAL, 0.0),
    ("timed", "nb", 0.3, REAL, 0.2),
]


@pytest.mark.parametrize("game", GAMES, ids=str)
@pytest.mark.parametrize(
    "text", ["ours", "other=entropy:split:0.2", "moa_variable", "moa_selective", "vw_iwal", "prodigy"]
)
def test_batches_give_what_one_by_one_gives(
    text: str, game: tuple[str, str, float, int | str, float]
) -> None:
    """The same purchases and the same scores to the last bit, whoever buys and whenever labels come."""
    name, learner, share, delay, error = game
    stream = _timed(load("river_bananas", None, 500, 0)) if name == "timed" else load(name, None, 500, 0)
    terms, make = Terms(share, len(stream.classes), seed=5), policy(text)[1].make
    played = play(stream, learner, make, terms, delay=delay, error=error)
    bought, scores = _one_by_one(stream, learner, make, terms, delay, error)
    assert played.bought == bought
    assert {**played.scores, "seconds": None} == {**scores, "seconds": None}


def test_what_the_learner_fails_on_is_an_even_opinion_to_a_rival(stream: Stream) -> None:
    """And a prediction of the first class; the rival is asked all the same, and a refused label is paid."""
    garbled = tuple(
        replace(sample, features=dict.fromkeys(sample.features, "text")) if position >= WARM_START else sample
        for position, sample in enumerate(stream.samples)
    )
    seen: list[list[float]] = []

    class Curious(Script):
        def decide(self, candidate: Candidate) -> bool:
            seen.append(candidate.probabilities.tolist())
            return super().decide(candidate)

    curious = Curious({100, 150})
    run = play(replace(stream, samples=garbled), "logistic", lambda terms: curious, TERMS)
    assert run.bought == [100, 150]
    assert seen == [[0.5, 0.5]] * (400 - WARM_START)
    right = [sample.label == stream.samples[0].label for sample in stream.samples[WARM_START:]]
    assert run.scores["accuracy"] == round(sum(right) / len(right), 6)
