"""Laws of the drift detector in `Auto`, and of the examples that are kept to be learned again."""

from __future__ import annotations

import pickle

import numpy as np

from stream_al.engine.learners import Auto
from stream_al.engine.learners.auto import RESTARTED
from stream_al.engine.learners.encoder.columns import Columns
from stream_al.engine.learners.encoder.rows import Floats
from stream_al.engine.learners.recent import Recent
from stream_al.engine.learners.surprise import FIRST, PAUSE, Surprise
from stream_al.engine.model.digest import digest
from tests.engine.learners.mixed_streams import Stream, numbers, payments, records, reversal, taught

SEEDS = range(1, 7)


def accuracy(model: Auto, stream: Stream) -> float:
    names = list(model.classes)
    predicted = model.predict_proba_table(records(stream)).argmax(axis=1)
    return float(
        np.mean([names[place] == label for place, (_, label) in zip(predicted, stream, strict=True)])
    )


def honest(generator: np.random.Generator, examples: int) -> list[tuple[Floats, int]]:
    """Probabilities of three classes, and labels drawn from them."""
    drawn = generator.dirichlet([0.5, 0.5, 0.5], examples)
    return [(probabilities, int(generator.choice(3, p=probabilities))) for probabilities in drawn]


def test_honest_probabilities_seldom_surprise() -> None:
    """Not once in a hundred examples, on average over many seeds."""
    detections = 0
    for seed in range(50):
        surprise = Surprise()
        for probabilities, label in honest(np.random.default_rng(seed), 400):
            surprise.learn(probabilities, label)
        detections += surprise.detections
    assert detections <= 50 * 400 / 100


def test_a_single_error_never_surprises_however_certain_the_prediction_was() -> None:
    surprise = Surprise()
    certain = np.array([1.0, 0.0])
    assert not any(surprise.learn(certain, int(place == 80)) for place in range(200))


def test_errors_that_were_expected_do_not_surprise() -> None:
    """Half of the predictions wrong is what probabilities of one half say."""
    surprise = Surprise()
    assert not any(surprise.learn(np.array([0.5, 0.5]), place % 2) for place in range(500))


def test_a_model_that_is_certain_and_wrong_surprises_within_three_examples() -> None:
    surprise = Surprise()
    for _ in range(100):
        assert not surprise.learn(np.array([0.95, 0.05]), 0)
    assert any(surprise.learn(np.array([0.95, 0.05]), 1) for _ in range(3))


def test_detections_lie_apart_and_none_comes_before_the_first_examples_are_over() -> None:
    surprise = Surprise()
    found = [place for place in range(400) if surprise.learn(np.array([0.99, 0.01]), 1)]
    assert len(found) == surprise.detections > 5
    assert found[0] + 1 >= FIRST
    assert min(np.diff(found)) >= PAUSE


def test_a_reversal_is_followed_within_forty_labels() -> None:
    """Over several seeds, 85% of the predictions are right 40 labels after the change."""
    reached = []
    for seed in SEEDS:
        stream = reversal(1000, change=300, seed=seed)
        model = taught(Auto, stream[:340])
        assert isinstance(model, Auto)
        assert model.restarts
        reached.append(accuracy(model, stream[500:]))
    assert np.mean(reached) >= 0.85


def test_a_stationary_stream_seldom_restarts_members() -> None:
    restarts = examples = 0
    for seed in SEEDS:
        stream = numbers(300, seed=seed)
        model = taught(Auto, stream)
        assert isinstance(model, Auto)
        restarts += model.restarts
        examples += len(stream)
    assert restarts <= examples / 300


def test_members_that_follow_by_themselves_go_on() -> None:
    stream = reversal(400, change=200)
    model = Auto()
    for features, label in stream:
        members, before = dict(model.learners), model.restarts
        model.learn_one(features, label)
        new = {name for name in members if model.learners[name] is not members[name]}
        assert new == (set(RESTARTED) if model.restarts > before else set())
    assert model.restarts


def test_members_that_start_anew_know_the_last_examples_and_nothing_else() -> None:
    stream = reversal(400, change=200)
    model, place = Auto(), -1
    while not model.restarts:
        place += 1
        model.learn_one(*stream[place])
    last = [
        (model.columns.encode(records([one])), model.classes[one[1]])
        for one in stream[place - PAUSE : place + 1]
    ]
    batch = model.columns.encode(records(stream))
    for name in RESTARTED:
        fresh = model.learners[name].clone()
        fresh.learn_rows(last[:-1], 2)
        fresh.learn_row(*last[-1], 2)
        for found, expected in zip(
            model.learners[name].scores(batch, 2), fresh.scores(batch, 2), strict=True
        ):
            assert found.tolist() == expected.tolist()


def test_every_replay_and_every_pickle_restart_at_the_same_examples() -> None:
    stream = reversal(260, change=150)
    one, other = Auto(), Auto()
    for place, (features, label) in enumerate(stream):
        one.learn_one(features, label)
        other.learn_one(features, label)
        if place % 7 == 0:
            other = pickle.loads(pickle.dumps(other))  # noqa: S301 -- our own bytes
        assert other.restarts == one.restarts
    assert one.restarts
    assert digest(other) == digest(one)


def test_a_class_that_is_not_among_the_last_examples_remains_possible() -> None:
    stream = [(features, label) for features, label in reversal(400, change=200)]
    stream[0:60:3] = [(features, "c") for features, _ in stream[0:60:3]]
    model = taught(Auto, stream)
    assert isinstance(model, Auto)
    assert model.restarts
    assert model.predict_proba_one(stream[0][0])["c"] > 0.0


def test_the_last_examples_are_kept_and_no_more() -> None:
    columns, recent = Columns(), Recent(PAUSE)
    sizes = []
    for place, (features, _) in enumerate(payments(300)):
        row, given_up = columns.learn(features)
        recent.forget(given_up)
        recent.keep(row, place)
        sizes.append(len(pickle.dumps(recent)))
    assert [label for _, label in recent.rows(row)] == list(range(280, 300))
    assert max(sizes) <= PAUSE * (1024 + 8 * (columns.width + 64))


def test_an_example_is_learned_again_as_its_record_would_be_encoded_today() -> None:
    """With the columns that came since, on the scale of the day, and what was missing filled in anew."""
    columns, recent = Columns(), Recent(PAUSE)
    stream: Stream = [
        ({"x": 0.1 * place, "color": "red" if place % 3 else "blue", "y": 0.7 * place}, 0)
        for place in range(20)
    ]
    del stream[7][0]["y"]
    later = [({"x": 0.3 * place, "y": 1.3 * place, "z": 0.1 * place}, 0) for place in range(9)]
    for features, _ in stream * 2:
        row, _ = columns.learn(features)
        recent.keep(row, 0)
    for features, _ in later:
        row, _ = columns.learn(features)
    today = columns.encode(records(stream))
    again = [past for past, _ in recent.rows(row)]
    assert len(again) == len(stream)
    for place, past in enumerate(again):
        assert past.z[0].tolist() == today.z[place].tolist()
        assert past.tokens.tolist() == today.tokens[today.owners == place].tolist()


def test_tokens_that_mean_something_else_are_not_learned_again() -> None:
    columns, recent = Columns(), Recent(PAUSE)
    for color in ("red", "blue", "red"):
        row, _ = columns.learn({"x": 1.0, "color": color})
        recent.keep(row, 0)
    red = np.asarray([columns.vocabulary.numbers["color\0=red"]])
    recent.forget(red)
    assert [len(past.tokens) for past, _ in recent.rows(row)] == [0, 1, 0]
    model = taught(Auto, payments(30))
    assert isinstance(model, Auto)
    row = model.columns.encode(records(payments(1)))
    assert any(len(past.tokens) for past, _ in model._recent.rows(row))
    model.forget(np.arange(model.columns.vocabulary.size))
    assert not any(len(past.tokens) for past, _ in model._recent.rows(row))
