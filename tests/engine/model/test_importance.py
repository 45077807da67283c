"""Feature importance: what a model depends on ranks above what it does not, and asking changes nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from stream_al.engine.model.importance import (
    FEATURES,
    PREDICTIONS,
    RecentFeatures,
    explain,
    feature_importance,
    feature_names,
    importances,
)
from stream_al.engine.model.model import Model
from stream_al.engine.randomness import Draws
from stream_al.engine.steps import finished

Features = dict[str, float | str | bool]
MODELS = (
    "auto",
    "GaussianNB()",
    "StandardScaler() | LogisticRegression()",
    "HoeffdingTreeClassifier(grace_period=20)",
)
COLORS = ("red", "green", "blue")


def mixed(place: int) -> tuple[Features, str]:
    """An example whose class depends on `amount` alone; `other` and `color` are noise."""
    amount, other, color = Draws(0, "example", place).uniform(3).tolist()
    return {
        "other": other,
        "amount": amount,
        "color": COLORS[int(3 * color)],
    }, "large" if amount > 0.5 else "small"


def numbers(place: int) -> tuple[Features, str]:
    """The same without text, for the models that take none."""
    features, label = mixed(place)
    del features["color"]
    return features, label


def learned(
    definition: str, example: Callable[[int], tuple[Features, str]], number: int = 200
) -> tuple[Model, RecentFeatures]:
    model, recent = Model(definition, seed=1), RecentFeatures()
    for features, label in map(example, range(number)):
        model.learn(features, label)
        recent.keep(features)
    return model, recent


@pytest.mark.parametrize("definition", MODELS)
def test_a_feature_that_tells_the_class_ranks_above_noise(definition: str) -> None:
    found = feature_importance(*learned(definition, numbers))
    assert list(found) == ["amount", "other"]
    assert found["amount"] > 0.2 > 3 * found["other"]
    assert all(0.0 <= value <= 1.0 for value in found.values())


def test_texts_and_features_that_are_sometimes_missing_are_ranked_as_well() -> None:
    def example(place: int) -> tuple[Features, str]:
        features, _ = mixed(place)
        if place % 2:
            del features["amount"]
        return features, str(features["color"])

    found = feature_importance(*learned("auto", example))
    assert next(iter(found)) == "color"
    assert set(found) == {"color", "amount", "other"}


def test_asking_leaves_no_trace_in_the_model_and_gives_the_same_again() -> None:
    model, recent = learned("auto", mixed)
    again, recent_again = learned("auto", mixed)
    before = model.digest()
    found, effects = feature_importance(model, recent), explain(model, mixed(999)[0], recent)
    model._digest = None  # so that it is computed anew
    assert model.digest() == before
    assert (feature_importance(model, recent), explain(model, mixed(999)[0], recent)) == (found, effects)
    assert feature_importance(again, recent_again) == found
    model.learn(*mixed(1000))
    again.learn(*mixed(1000))
    assert model.digest() == again.digest()


def test_a_part_of_the_features_has_the_importance_that_it_has_among_all() -> None:
    model, recent = learned("auto", mixed)
    samples, whole = recent.samples(), feature_importance(model, recent)
    for name in feature_names(samples):
        assert finished(importances(model, samples, [name]))[name] == pytest.approx(whole[name], abs=1e-6)


@pytest.mark.parametrize("amount", [0.1, 0.9])
def test_the_feature_that_decides_a_prediction_speaks_for_it(amount: float) -> None:
    model, recent = learned("auto", mixed)
    effects = explain(model, {"amount": amount, "other": 0.5, "color": "red"}, recent)
    assert next(iter(effects)) == "amount"
    assert effects["amount"] > 0.2
    assert all(-1.0 <= effect <= 1.0 for effect in effects.values())


def test_a_model_of_less_than_two_classes_says_nothing() -> None:
    for number in (0, 1):
        model, recent = learned("auto", numbers, number)
        assert feature_importance(model, recent) == {}
        assert explain(model, {"amount": 0.5}, recent) == {}


def test_a_model_that_fails_on_what_is_replaced_fails_no_request() -> None:
    model, recent = learned("GaussianNB()", numbers, 20)
    recent.keep({"amount": "much", "other": 0.5})
    assert list(feature_importance(model, recent)) == ["amount", "other"]
    assert next(iter(explain(model, {"amount": 0.4, "other": 0.5}, recent))) == "amount"


@pytest.mark.parametrize("width", [1, 30, 500, 3000])
def test_the_work_is_bounded_however_many_features_there_are(width: int) -> None:
    recent = RecentFeatures()
    for place in range(100):
        recent.keep({f"x{column}": float(place) for column in range(width)})
    samples = recent.samples()
    names = feature_names(samples)
    assert len(names) <= FEATURES
    assert len(samples) * len(names) <= PREDICTIONS
    assert bool(samples) == (width < 3000)  # the largest are not kept


def test_what_is_kept_has_a_limit_in_bytes() -> None:
    recent = RecentFeatures()
    for place in range(100):
        recent.keep({"text": str(place) * 10_000, "more": "x" * 10_000})
        recent.keep({"number": place})
    assert all(set(sample.features) == {"number"} for sample in recent.samples())
