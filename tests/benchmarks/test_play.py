"""Laws of the game: every rule gets what every other gets, and no label before its time."""

from __future__ import annotations

from typing import Any

import pytest

from stream_al.engine.model import Label
from tests.benchmarks.play import REAL, Rival, Sight, Terms, play, said
from tests.benchmarks.streams import WARM_START, Sample, Stream, load

TERMS = Terms(share=0.1, classes=2, seed=3)


class Script(Rival):
    """Buys at fixed positions and writes down what happens."""

    def __init__(self, positions: set[int]) -> None:
        self.positions = positions
        self.position = WARM_START - 1
        self.events: list[tuple[int, Sample, Label]] = []
        self.pending: list[int] = []

    def decide(self, sight: Sight) -> bool:
        self.position += 1
        self.pending.append(sight.pending)
        return self.position in self.positions

    def label(self, sample: Sample, label: Label) -> None:
        if self.position >= WARM_START:
            self.events.append((self.position, sample, label))


class Talkative(Script):
    """The same decisions from another rule."""

    def decide(self, sight: Sight) -> bool:
        sight.probabilities.sort()
        sight.model.probabilities(sight.sample.features)
        return super().decide(sight)


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
    assert rival.pending[37 - WARM_START] == (0 if delay <= 1 else 2)


def test_a_real_delay_is_the_time_that_the_file_says(stream: Stream) -> None:
    samples = tuple(
        Sample(s.id, s.features, s.label, s.vector, came=k / 10, answered=k / 10 + (k % 3))
        for k, s in enumerate(stream.samples)
    )
    timed = Stream("timed", samples, stream.classes, True, "numbers")
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
    stream = load("river_segments", None, 2000, 0)
    answers = [said(sample, stream, 0.2, seed=1) for sample in stream.samples]
    wrong = [a for a, s in zip(answers, stream.samples, strict=True) if a != s.label]
    assert abs(len(wrong) / len(answers) - 0.2) < 0.04
    assert set(wrong) == set(stream.classes)


def test_nothing_is_bought_in_the_warm_start(stream: Stream) -> None:
    run = play(stream, "nb", lambda terms: Script(set(range(400))), TERMS)
    assert run.bought == list(range(WARM_START, 400))
    assert run.scores["budget_spent"] == 1.0
