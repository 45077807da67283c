"""Laws of the model: a function of its definition and its examples, and a distribution or nothing."""

from __future__ import annotations

import contextlib
import inspect
import json
import math
import os
import pickle
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river import base

from stream_al.engine.labels.judge import same_label
from stream_al.engine.model import expression
from stream_al.engine.model import model as module
from stream_al.engine.model.digest import digest
from stream_al.engine.model.model import Model
from stream_al.engine.model.pickling import dumps
from stream_al.engine.model.predictions import likeliest_label
from stream_al.engine.model.river_patches import PATCHED
from stream_al.engine.model.validation import REFUSED_CLASSES, writes_when_read
from stream_al.errors import BadMessage, Misconfigured
from stream_al.messages import ClassLabel
from tests.support.models import MODELS, Example, examples, fold

every_model = pytest.mark.parametrize("definition", MODELS)


def strange(features: dict[str, Any]) -> list[dict[str, Any]]:
    """Samples that hold what no example held."""
    return [
        features,
        {},
        {**features, "never met": 1.5},
        {name: "never met" if isinstance(value, str) else value for name, value in features.items()},
    ]


def ask(model: Model, features: dict[str, Any]) -> dict[ClassLabel, float]:
    try:
        return model.probabilities(features)
    except BadMessage as error:
        assert error.reason == "model_error"  # noqa: PT017 -- a refusal is an answer
        return {}


def restored(model: Model) -> Model:
    copy: Model = pickle.loads(pickle.dumps(model))  # noqa: S301 -- our own bytes
    return copy


@every_model
def test_a_snapshot_in_mid_stream_changes_nothing(definition: str) -> None:
    model = Model(definition, seed=7)
    for number, (features, label) in enumerate(examples(MODELS[definition])):
        model.learn(features, label)
        if number % 40 == 10:
            again = restored(model)
            assert again.digest() == model.digest()
            assert again.probabilities(features) == pytest.approx(model.probabilities(features))
            model = again
    assert model.digest() == fold(definition).digest()


@every_model
def test_to_be_asked_changes_nothing(definition: str) -> None:
    """Asked before, between and after the examples, the model is the one that was never asked."""
    model = Model(definition, seed=7)
    for number, (features, label) in enumerate(examples(MODELS[definition])):
        for sample in strange(features) if number % 20 < 3 else []:
            ask(model, sample)
        model.learn(features, label)
    before = digest(model.classifier.river)
    for sample in strange(features):
        ask(model, sample)
    assert digest(model.classifier.river) == before
    assert model.digest() == fold(definition).digest()


def test_the_fold_is_the_same_in_every_process() -> None:
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", "from tests.support.models import fold_all; print(fold_all())"],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[3],
            stdout=subprocess.PIPE,
        )
        for seed in ("1", "2")
    ]
    one, other = (json.loads(run.communicate()[0]) for run in runs)
    assert {definition for definition in MODELS if one[definition] != other[definition]} == set()


@every_model
def test_every_example_shows_in_the_digest(definition: str) -> None:
    model = Model(definition, seed=7)
    digests = [model.digest()]
    for features, label in islice(examples(MODELS[definition]), 30):
        model.learn(features, label)
        digests.append(model.digest())
    assert len(set(digests)) == len(digests)


@every_model
def test_probabilities_are_a_distribution_over_the_classes_learned_or_nothing(definition: str) -> None:
    model = Model(definition, seed=7)
    opinions = 0
    for features, label in examples(MODELS[definition]):
        for sample in strange(features):
            probabilities = ask(model, sample)
            if probabilities:
                opinions += 1
                assert list(probabilities) == list(model.classes)
                assert math.isclose(sum(probabilities.values()), 1.0)
                assert all(0.0 <= p <= 1.0 for p in probabilities.values())
            assert model.ready or not probabilities
        model.learn(features, label)
    assert opinions > 100
    assert model.examples == sum(model.classes.values()) == 150


def test_every_river_class_that_writes_when_read_is_asked_through_a_copy() -> None:
    """Learn, ask, and compare, for each estimator that an expression can name."""
    streams: list[list[Example]] = [list(examples(kind, 25)) for kind in ("numbers", "mixed", "text")]
    streams.append([(features, label == "bad") for features, label in examples("binary", 25)])
    classes = {cls for found in expression._index().values() for cls in found.values()}
    writers = set()
    for cls in sorted(classes - {*PATCHED.values(), *REFUSED_CLASSES}, key=lambda cls: cls.__name__):
        if not issubclass(cls, base.Transformer | base.SupervisedTransformer | base.Classifier):
            continue
        for stream in streams:
            try:
                estimator = make(cls)
                changed = writes(estimator, stream)
            except Exception:  # noqa: BLE001, S112 -- not every class can be made or takes every stream
                continue
            if changed:
                writers.add(cls.__name__)
                assert writes_when_read(estimator), cls
    assert len(writers) > 10


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Agg(on='hue-mean', by='town', how=stats.Mean())", "mixed"),
        ("TargetAgg(by='town', how=stats.Count())", "mixed"),
        ("Grouper(OneHotEncoder(), by='town')", "mixed"),
        ("PoissonInclusion(p=0.2)", "numbers"),
    ],
)
def test_so_is_one_that_cannot_be_made_without_arguments(text: str, kind: str) -> None:
    estimator = expression.parse(text, seed=1)
    assert writes(estimator, list(examples(kind, 25)))
    assert writes_when_read(estimator)


def make(cls: Any) -> Any:
    params = next(iter(cls._unit_test_params()))
    if "seed" in inspect.signature(cls).parameters:
        params["seed"] = 1
    return cls(**params)


def writes(estimator: Any, stream: list[Example]) -> bool:
    for features, label in stream:
        estimator.learn_one(features, *([label] if estimator._supervised else []))
    method = "predict_proba_one" if isinstance(estimator, base.Classifier) else "transform_one"
    before = digest(estimator)
    for features, _ in stream:
        for sample in filter(None, strange(features)):
            with contextlib.suppress(Exception):
                getattr(estimator, method)(sample)
    return digest(estimator) != before


@pytest.mark.parametrize("definition", ["ARFClassifier(n_models=2)", "AdPredictor()"])
def test_river_is_not_asked_before_two_classes_are_learned(definition: str) -> None:
    """A forest would take its shape from the first sample asked about."""
    asked, silent = Model(definition, seed=1), Model(definition, seed=1)
    assert asked.probabilities({}) == {}
    for model in (asked, silent):
        for number in range(60):
            model.learn({"a": number % 2, "b": number % 3}, bool(number % 2))
            asked.probabilities({"c": 1}) if number == 0 else None
    assert asked.digest() == silent.digest()


@pytest.mark.parametrize(
    ("labels", "targets"),
    [
        (["ham", "spam"], [False, True]),
        ([True, False], [True, False]),
        ([False, True], [False, True]),
        ([1, 0], [True, False]),
        ([1.0, "x"], [True, False]),
        (["x", True], [False, True]),
        (["x", False], [False, True]),
        ([2, 1], [False, True]),
    ],
)
def test_a_binary_classifier_learns_any_two_labels(labels: list[ClassLabel], targets: list[bool]) -> None:
    model = Model("LogisticRegression()", seed=1)
    for value, label in enumerate(labels):
        model.learn({"a": 2 * value - 1}, label)
    assert [model._classes.target(label) for label in labels] == targets
    for value, label in enumerate(labels):
        assert likeliest_label(model.probabilities({"a": 2 * value - 1})) == label


def test_a_binary_classifier_refuses_a_third_class_and_stays_as_it_was() -> None:
    model = fold("StandardScaler() | LogisticRegression()")
    before = model.digest()
    with pytest.raises(BadMessage, match="SoftmaxRegression") as raised:
        model.learn({"a": 1.0}, "third")
    assert raised.value.reason == "binary_model"
    assert digest((model.classifier.river, model.classes)) == before


def test_a_class_too_many_is_refused_and_the_known_ones_go_on() -> None:
    model = Model("GaussianNB()", seed=1, max_classes=2)
    for label in ("a", "b"):
        model.learn({"x": 1.0}, label)
    with pytest.raises(BadMessage, match="max_classes") as raised:
        model.learn({"x": 1.0}, "c")
    assert raised.value.reason == "too_many_classes"
    model.learn({"x": 1.0}, "a")
    assert model.classes == {"a": 2, "b": 1}


def test_labels_that_are_equal_are_one_class_spelled_as_it_came_first() -> None:
    model = Model("GaussianNB()", seed=1)
    for label in (True, 1, 1.0, "1"):
        model.learn({"x": 1.0}, label)
    assert [(type(label), number) for label, number in model.classes.items()] == [(bool, 3), (str, 1)]
    assert same_label(label, "1")
    assert not same_label("1", 1)


def test_what_river_fails_on_is_the_senders_mistake_and_is_not_counted() -> None:
    models = [Model("StandardScaler() | LogisticRegression()", seed=1) for _ in range(2)]
    for model in models:
        for number in range(10):
            model.learn({"a": number}, bool(number % 2))
        with pytest.raises(BadMessage, match="cannot learn from") as raised:
            model.learn({"a": 1.0, "b": "text"}, True)
        assert raised.value.reason == "model_error"
        with pytest.raises(BadMessage, match="cannot predict from"):
            model.probabilities({"a": "text"})
        model.learn({"a": 1.0}, True)
        assert model.examples == sum(model.classes.values()) == 11
    assert models[0].digest() == models[1].digest()
    assert models[0].digest() == digest((models[0].classifier.river, models[0].classes))


class Scripted(base.Classifier):
    """A classifier that answers and fails as told."""

    answer: Any = None
    failure: Exception | None = None

    def learn_one(self, x: Any, y: Any) -> None:
        self.learned = y
        if self.failure:
            raise self.failure

    def predict_proba_one(self, x: Any, **_: Any) -> Any:
        self.asked = x
        if self.failure:
            raise self.failure
        return self.answer

    @property
    def _multiclass(self) -> bool:
        return True


def scripted(answer: Any = None, failure: Exception | None = None) -> Model:
    model = Model(f"{__name__}:Scripted", seed=1)
    for label in ("a", "b"):
        model.learn({}, label)
    model.classifier.river.answer, model.classifier.river.failure = answer, failure
    return model


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"a": math.nan, "b": 1.0},
        {"a": math.inf, "b": 1.0},
        {"a": -0.1, "b": 1.1},
        {"a": 0.0, "b": 0.0},
        {"c": 1.0},
        {"a": 1e308, "b": 1e308},
    ],
)
def test_an_answer_that_is_no_distribution_is_no_opinion(answer: dict[str, float]) -> None:
    assert scripted(answer).probabilities({}) == {}


@pytest.mark.parametrize("answer", [None, ("a", True), {"a": "x"}])
def test_an_answer_that_is_no_table_of_numbers_is_an_error(answer: object) -> None:
    with pytest.raises(BadMessage, match="cannot predict"):
        scripted(answer).probabilities({})


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from("abc"), st.floats()))
def test_whatever_river_answers_comes_out_a_distribution_or_nothing(answer: dict[str, float]) -> None:
    probabilities = scripted(answer).probabilities({})
    assert not probabilities or math.isclose(sum(probabilities.values()), 1.0)


def test_a_class_that_river_does_not_mention_is_impossible_and_one_not_learned_is_left_out() -> None:
    assert scripted({"b": 0.25, "c": 0.75}).probabilities({}) == {"a": 0.0, "b": 1.0}


def test_the_last_bits_are_not_told() -> None:
    assert 0.1 + 0.2 != 0.3
    one, other = scripted({"a": 0.1 + 0.2, "b": 0.7}), scripted({"a": 0.3, "b": 0.7})
    assert one.probabilities({}) == other.probabilities({})


def test_a_snapshot_has_no_dead_weight() -> None:
    model = fold("GaussianNB()")
    assert len(dumps(model)) < len(pickle.dumps(model)) / 5


def test_a_classifier_that_is_not_rivers_may_write_when_it_is_read() -> None:
    model = scripted({"a": 0.5, "b": 0.5})
    before = model.digest()
    model.probabilities({"x": 1})
    assert digest((model.classifier.river, model.classes)) == before


@pytest.mark.parametrize("failure", [MemoryError(), RecursionError()])
def test_what_only_this_process_lacks_is_no_senders_mistake(failure: Exception) -> None:
    model = scripted({}, failure)
    with pytest.raises(type(failure)):
        model.learn({}, "a")
    with pytest.raises(type(failure)):
        model.probabilities({})


def test_a_fingerprint_is_of_what_decides_the_fold_and_of_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fingerprint(
        definition: str = "ARFClassifier(n_models=2)", seed: int = 1, max_classes: int = 5
    ) -> str:
        return Model(definition, seed=seed, max_classes=max_classes).fingerprint

    usual = fingerprint()
    assert usual == fingerprint()
    others = [fingerprint("GaussianNB()"), fingerprint(seed=2), fingerprint(max_classes=6)]
    factory = fingerprint(f"{__name__}:Scripted")
    monkeypatch.setattr(Scripted, "__init__", lambda self: setattr(self, "size", 2))
    others += [factory, fingerprint(f"{__name__}:Scripted")]
    monkeypatch.setattr(module, "river_version", "0.0")
    others.append(fingerprint())
    assert len({usual, *others}) == 1 + len(others)
    model = fold("GaussianNB()")
    assert model.fingerprint == restored(model).fingerprint == Model("GaussianNB()", seed=7).fingerprint


def test_a_restored_model_proves_its_digest_anew() -> None:
    model = fold("GaussianNB()")
    model.digest()
    other = restored(model)
    other.classifier.river.learn_one({"a": 1.0}, "sky")
    assert other.digest() != model.digest()


def test_the_first_class_learned_wins_a_tie() -> None:
    assert likeliest_label({"b": 0.5, "a": 0.5}) == "b"
    assert likeliest_label({}) is None


def test_a_definition_that_cannot_serve_makes_no_model() -> None:
    with pytest.raises(Misconfigured, match="makes a transformer"):
        Model("StandardScaler()", seed=1)
