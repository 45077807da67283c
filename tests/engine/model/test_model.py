"""The laws of the model: a function of definition and examples that predicts a distribution or nothing."""

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
from stream_al.engine.model import model as module
from stream_al.engine.model.definition import expression
from stream_al.engine.model.definition.validation import REFUSED_CLASSES, writes_when_read
from stream_al.engine.model.digest import digest
from stream_al.engine.model.limits import Limits
from stream_al.engine.model.model import Model
from stream_al.engine.model.pickling import dumps
from stream_al.engine.model.predictions import likeliest_label
from stream_al.engine.model.river_patches import PATCHED
from stream_al.errors import BadMessage, Misconfigured
from stream_al.messages import ClassLabel
from tests.support.models import MODELS, Example, examples, fold

every_model = pytest.mark.parametrize("definition", MODELS)


def strange(features: dict[str, Any]) -> list[dict[str, Any]]:
    """Samples with features and values that no example had."""
    return [
        features,
        {},
        {**features, "unknown": 1.5},
        {name: "unknown" if isinstance(value, str) else value for name, value in features.items()},
    ]


def predict(model: Model, features: dict[str, Any]) -> dict[ClassLabel, float]:
    try:
        return model.probabilities(features)
    except BadMessage as error:
        assert error.reason == "model_error"  # noqa: PT017 -- a refusal is a valid result
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
def test_predicting_changes_nothing(definition: str) -> None:
    """A model that predicted before, between and after the examples equals one that never predicted."""
    model = Model(definition, seed=7)
    for number, (features, label) in enumerate(examples(MODELS[definition])):
        for sample in strange(features) if number % 20 < 3 else []:
            predict(model, sample)
        model.learn(features, label)
    before = digest(model.classifier.river)
    for sample in strange(features):
        predict(model, sample)
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
    predicted = 0
    for features, label in examples(MODELS[definition]):
        for sample in strange(features):
            probabilities = predict(model, sample)
            if probabilities:
                predicted += 1
                assert list(probabilities) == list(model.classes)
                assert math.isclose(sum(probabilities.values()), 1.0)
                assert all(0.0 <= p <= 1.0 for p in probabilities.values())
            assert model.ready or probabilities == dict.fromkeys(model.classes, 1.0)
        model.learn(features, label)
    assert predicted > 100
    assert model.examples == sum(model.classes.values()) == 150


def test_every_river_class_that_writes_when_read_predicts_from_a_copy() -> None:
    """Learn, predict and compare digests, for each estimator that an expression can name."""
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
def test_a_class_that_cannot_be_made_without_arguments_predicts_from_a_copy_too(text: str, kind: str) -> None:
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
def test_river_does_not_predict_before_two_classes_are_learned(definition: str) -> None:
    """A forest would take its shape from the first sample that it predicts for."""
    reading, silent = Model(definition, seed=1), Model(definition, seed=1)
    assert reading.probabilities({}) == {}
    for model in (reading, silent):
        for number in range(60):
            model.learn({"a": number % 2, "b": number % 3}, bool(number % 2))
            reading.probabilities({"c": 1}) if number == 0 else None
    assert reading.digest() == silent.digest()


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
    model._digest = None  # so that it is worked out anew
    assert model.digest() == before


def test_one_class_too_many_is_refused_and_the_known_ones_are_still_learned() -> None:
    model = Model("GaussianNB()", seed=1, limits=Limits(classes=2))
    for label in ("a", "b"):
        model.learn({"x": 1.0}, label)
    with pytest.raises(BadMessage, match="max_classes") as raised:
        model.learn({"x": 1.0}, "c")
    assert raised.value.reason == "too_many_classes"
    model.learn({"x": 1.0}, "a")
    assert model.classes == {"a": 2, "b": 1}


def test_labels_that_are_equal_are_one_class_with_the_first_spelling() -> None:
    model = Model("GaussianNB()", seed=1)
    for label in (True, 1, 1.0, "1"):
        model.learn({"x": 1.0}, label)
    assert [(type(label), number) for label, number in model.classes.items()] == [(bool, 3), (str, 1)]
    assert same_label(label, "1")
    assert not same_label("1", 1)


def test_an_example_that_river_fails_on_is_a_bad_message_and_is_not_counted() -> None:
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
    models[0]._digest = None  # so that it is worked out anew
    assert models[0].digest() == models[1].digest()


class Scripted(base.Classifier):
    """A classifier that returns and raises what a test sets."""

    scores: Any = None
    failure: Exception | None = None

    def learn_one(self, x: Any, y: Any) -> None:
        self.learned = y
        if self.failure:
            raise self.failure

    def predict_proba_one(self, x: Any, **_: Any) -> Any:
        self.reading = x
        if self.failure:
            raise self.failure
        return self.scores

    @property
    def _multiclass(self) -> bool:
        return True


def scripted(scores: Any = None, failure: Exception | None = None) -> Model:
    model = Model(f"{__name__}:Scripted", seed=1)
    for label in ("a", "b"):
        model.learn({}, label)
    model.classifier.river.scores, model.classifier.river.failure = scores, failure
    return model


@pytest.mark.parametrize(
    "scores",
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
def test_scores_that_are_no_distribution_are_no_prediction(scores: dict[str, float]) -> None:
    assert scripted(scores).probabilities({}) == {}


@pytest.mark.parametrize("scores", [None, ("a", True), {"a": "x"}])
def test_a_result_that_is_no_table_of_numbers_is_an_error(scores: object) -> None:
    with pytest.raises(BadMessage, match="cannot predict"):
        scripted(scores).probabilities({})


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from("abc"), st.floats()))
def test_whatever_river_returns_the_result_is_a_distribution_or_nothing(scores: dict[str, float]) -> None:
    probabilities = scripted(scores).probabilities({})
    assert not probabilities or math.isclose(sum(probabilities.values()), 1.0)


def test_a_class_that_river_does_not_mention_has_probability_0_and_one_not_learned_is_left_out() -> None:
    assert scripted({"b": 0.25, "c": 0.75}).probabilities({}) == {"a": 0.0, "b": 1.0}


def test_probabilities_are_rounded() -> None:
    assert 0.1 + 0.2 != 0.3
    one, other = scripted({"a": 0.1 + 0.2, "b": 0.7}), scripted({"a": 0.3, "b": 0.7})
    assert one.probabilities({}) == other.probabilities({})


def test_a_pickle_has_no_random_generators() -> None:
    model = fold("GaussianNB()")
    assert b"_rng" not in dumps(model)
    assert b"random" not in dumps(model)


def test_a_classifier_that_is_not_rivers_own_predicts_from_a_copy() -> None:
    model = scripted({"a": 0.5, "b": 0.5})
    before = model.digest()
    model.probabilities({"x": 1})
    assert digest((model.classifier.river, model.classes, digest(model._features.known))) == before


@pytest.mark.parametrize("failure", [MemoryError(), RecursionError()])
def test_a_lack_of_memory_or_stack_is_no_bad_message(failure: Exception) -> None:
    model = scripted({}, failure)
    with pytest.raises(type(failure)):
        model.learn({}, "a")
    with pytest.raises(type(failure)):
        model.probabilities({})


def test_a_fingerprint_depends_on_all_that_decides_the_fold_and_on_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fingerprint(
        definition: str = "ARFClassifier(n_models=2)", seed: int = 1, max_classes: int = 5
    ) -> str:
        return Model(definition, seed=seed, limits=Limits(max_classes)).fingerprint

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


def test_a_restored_model_computes_its_digest_anew() -> None:
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
