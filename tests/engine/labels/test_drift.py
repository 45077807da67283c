"""The laws of drift: none while errors keep their rate, one soon after they rise, on all replicas alike."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from river.datasets import synth

from stream_al.engine.budgets import Context
from stream_al.engine.labels.drift import DELTA, Drift
from stream_al.engine.labels.judge import KnownLabels
from stream_al.engine.labels.learner import Learner, Outcome
from stream_al.engine.model.digest import digest
from stream_al.engine.model.model import Model
from stream_al.engine.model.pickling import dumps, loads
from stream_al.engine.model.predictions import likeliest_label
from stream_al.engine.randomness import uniform
from stream_al.engine.selector import Selector
from stream_al.messages import Example, Prediction
from tests.support.drift import drifting_examples
from tests.support.stream import stamped

SEEDS = range(12)
Rate = Callable[[int], float]


def play(rate: Rate, labels: int, seed: int, drift: Drift | None = None, start: int = 0) -> Drift:
    """Feed errors whose probability `rate` gives."""
    drift = drift or Drift()
    for offset in range(start, start + labels):
        correct = uniform(seed, "right", str(offset)) >= rate(offset)
        drift.update(correct=correct, offset=offset)
    return drift


@pytest.mark.parametrize("rate", [0.0, 0.02, 0.1, 0.3, 0.5, 1.0])
def test_errors_at_one_rate_are_no_drift(rate: float) -> None:
    """The detector promises DELTA per label; the rate that is required here was measured and is far lower."""
    found = sum(play(lambda offset: rate, 2_000, seed).found for seed in SEEDS)
    assert found <= DELTA * 2_000 * len(SEEDS) / 20


def test_a_model_that_learns_does_not_drift() -> None:
    for seed in SEEDS:
        assert play(lambda offset: 0.1 + 0.4 / (1 + offset / 50), 2_000, seed).found == 0


@pytest.mark.parametrize(("before", "after", "within"), [(0.1, 0.5, 150), (0.1, 0.3, 600), (0.3, 0.9, 100)])
@pytest.mark.parametrize("sound", [300, 3_000])
def test_an_abrupt_change_is_found(before: float, after: float, within: int, sound: int) -> None:
    for seed in SEEDS:
        drift = play(lambda offset: before, sound, seed)
        assert drift.found == 0
        assert drift.last is None
        play(lambda offset: after, within, seed, drift, start=sound)
        assert drift.found == 1
        assert drift.last is not None
        assert sound <= drift.last < sound + within


def test_a_second_drift_is_found_after_the_first() -> None:
    """Each is found from the errors since the last one."""
    drift = play(lambda offset: 0.1 + 0.3 * (offset // 1_000), 3_000, seed=0)
    assert drift.found == 2
    assert drift.last is not None
    assert drift.last >= 2_000


def fold(examples: list[Example], *, restart_every: int | None = None) -> Learner:
    learner = Learner(Model("GaussianNB()", seed=0), KnownLabels(10_000))
    for offset, example in enumerate(examples):
        if restart_every and offset % restart_every == 0:
            learner = loads(dumps(learner))  # as a snapshot is written and read
        learner.fold(stamped(example, learner), offset)
    return learner


@pytest.mark.parametrize("restart_every", [pytest.param(1, marks=pytest.mark.long), 37, 410])
def test_all_replicas_find_the_same_drift_wherever_they_were_restarted(restart_every: int) -> None:
    whole = fold(drifting_examples())
    assert whole.drift.found == 1
    other = fold(drifting_examples(), restart_every=restart_every)
    assert digest(other.drift) == digest(whole.drift)
    assert (other.drift.found, other.drift.last) == (whole.drift.found, whole.drift.last)


def test_drift_counts_the_first_label_of_each_query_of_a_trained_model() -> None:
    """Repetitions, unsolicited labels and the queries of an untrained model do not count."""
    whole = fold(drifting_examples()[:200])
    others = [
        *(
            Example(f"s{n}", label, features={"x": 1.0}, propensity=0.5, prediction=Prediction("q", {}))
            for n in range(100)
            for label in ("a", "b")
        ),
        *(Example(f"u{n}", "z", features={"x": 1.0}) for n in range(100)),
        *(
            Example(f"w{n}", "z", features={"x": 1.0}, propensity=0.5, prediction=Prediction(None, {}))
            for n in range(100)
        ),
    ]
    before = digest(whole.drift)
    outcomes = {whole.fold(stamped(example, whole), 200 + n) for n, example in enumerate(others)}
    assert outcomes == {Outcome.DUPLICATE, Outcome.CONFLICT, Outcome.LEARNED}
    assert digest(whole.drift) == before


def errors_bought(function: int, seed: int, samples: int, model: Model, drift: Drift) -> None:
    """Buy labels of a stream as the service does, and learn from them."""
    selector = Selector("margin", "stratified", share=0.2, exploration=0.1, seed=seed)
    state = selector.start()
    stream = synth.Agrawal(classification_function=function, seed=seed)
    for number, (features, label) in enumerate(stream.take(samples)):
        scored = selector.score(model, f"{function}-{number}", features)
        (decision,), state = selector.decide(state, [scored], Context(ready=model.ready, room=1_000))
        if not decision.selected:
            continue
        predicted = likeliest_label(scored.probabilities)
        if len(scored.probabilities) > 1:
            drift.update(correct=predicted == label, offset=model.examples)
        model.learn(features, label)


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.long)])
def test_with_labels_of_uncertain_samples_no_drift_is_found_until_the_stream_changes(seed: int) -> None:
    """Other samples are selected as the model learns; that alone is no drift."""
    model, drift = Model("GaussianNB()", seed=0), Drift()
    errors_bought(0, seed, 3_000, model, drift)
    assert drift.found == 0
    learned = model.examples
    errors_bought(3, seed, 1_500, model, drift)
    assert drift.found >= 1
    assert drift.last is not None
    assert drift.last > learned
