"""What River calls the classes: of one kind, so that no model fails on texts among numbers."""

from __future__ import annotations

import pickle
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river import base

from stream_al.engine.model.classes import Classes
from stream_al.engine.model.digest import digest
from stream_al.engine.model.model import Model
from stream_al.engine.samples.table import sample_of
from stream_al.errors import BadMessage, Misconfigured
from stream_al.messages import ClassLabel

law = settings(derandomize=True, deadline=None, max_examples=200)
labels = st.lists(
    st.integers(-3, 9) | st.booleans() | st.sampled_from([0.5, 2.5, 2.0, "1", "2", "unsure", "1'", "true"]),
    max_size=25,
)
MIXED: list[ClassLabel] = [0, 1, "unsure", 2.5, True, "1"]
LEARNERS = [
    "GaussianNB()",
    "KNNClassifier()",
    "HoeffdingTreeClassifier(grace_period=20)",
    "HoeffdingAdaptiveTreeClassifier(grace_period=20)",
    "ExtremelyFastDecisionTreeClassifier(grace_period=20)",
    "ARFClassifier(n_models=3)",
    "SRPClassifier(n_models=2)",
    "AMFClassifier(n_estimators=2)",
    "AdaBoostClassifier(HoeffdingTreeClassifier(grace_period=20), n_models=3)",
    "BaggingClassifier(HoeffdingTreeClassifier(grace_period=20), n_models=2)",
    "StandardScaler() | SoftmaxRegression()",
    "StandardScaler() | OneVsRestClassifier(LogisticRegression())",
    "StackingClassifier([GaussianNB(), HoeffdingTreeClassifier()], SoftmaxRegression())",
    "RandomSampler(HoeffdingTreeClassifier(grace_period=20), None)",
    "auto",
]
SHARES = "{'fraud': 0.5, 'fine': 0.5}"
SAMPLERS = [
    f"RandomOverSampler(classifier=LogisticRegression(), desired_dist={SHARES})",
    f"RandomUnderSampler(LogisticRegression(), desired_dist={SHARES})",
    f"StandardScaler() | RandomSampler(LogisticRegression(), {SHARES})",
    f"BaggingClassifier(RandomOverSampler(LogisticRegression(), {SHARES}), n_models=2)",
]


def sample(rng: random.Random, shift: float) -> dict[str, Any]:
    return {"x": rng.random() + shift, "y": rng.random()}


def fold(definition: str, given: list[ClassLabel], number: int = 120) -> Model:
    model, rng = Model(definition, seed=1), random.Random(1)  # noqa: S311 -- a fixed stream
    for place in range(number):
        label = given[place % len(given)]
        model.learn(sample(rng, given.index(label)), label)
    return model


@law
@given(given_labels=labels)
def test_targets_are_of_one_kind_and_no_two_classes_share_one(given_labels: list[ClassLabel]) -> None:
    classes, before = Classes(binary=False), list[ClassLabel]()
    for label in given_labels:
        expected = classes.target(label)
        classes.count(label)
        assert classes.target(label) == expected
        targets = classes.targets()
        assert targets[: len(before)] == before, "what River has learned keeps its name"
        assert len({isinstance(target, str) for target in targets}) == 1
        assert len(set(targets)) == len(targets) == len(classes.counts)
        sorted(targets)  # all texts, or all numbers
        before = targets
    assert classes.copy().targets() == classes.targets()


@pytest.mark.parametrize("given_labels", [["ham", "spam", "1"], [0, 1, 2], [True, False], [0.5, 1.5, 3]])
def test_classes_of_one_kind_reach_river_as_they_are(given_labels: list[ClassLabel]) -> None:
    classes = Classes(binary=False)
    for label in given_labels:
        classes.count(label)
    assert classes.targets() == given_labels


@pytest.mark.parametrize("given_labels", [MIXED, MIXED[::-1]], ids=["number first", "text first"])
@pytest.mark.parametrize("definition", LEARNERS)
def test_no_model_fails_on_texts_among_numbers(definition: str, given_labels: list[ClassLabel]) -> None:
    """It learns and predicts, one by one as in a batch, and the same in a replay and after a restart."""
    model = fold(definition, given_labels)
    restored = pickle.loads(pickle.dumps(model))  # noqa: S301 -- our own bytes
    assert model.digest() == restored.digest() == fold(definition, given_labels).digest()
    samples = [sample_of(str(n), {"x": n / 2, "y": 0.5}) for n in range(12)]
    together = model.predict_proba_many(samples)
    assert not together.failed
    for row, one in zip(together.rows(), samples, strict=True):
        alone = model.probabilities(one.features)
        assert list(alone) == list(model.classes)
        assert row == pytest.approx(alone, abs=1e-12)
        assert restored.probabilities(one.features) == alone


def digest_of(model: Model) -> str:
    """The digest, made from the parts of the model."""
    return digest((model.classifier.river, model.classes, digest(model._features.known)))


@pytest.mark.parametrize("definition", SAMPLERS)
def test_a_sampler_takes_the_classes_as_annotators_write_them(definition: str) -> None:
    model = fold(definition, ["fine", "fine", "fraud"])
    assert list(model.classes) == ["fine", "fraud"]
    found = model.probabilities({"x": 2.9, "y": 0.5})
    assert found["fraud"] > found["fine"]
    restored = pickle.loads(pickle.dumps(model))  # noqa: S301 -- our own bytes
    assert restored.digest() == model.digest() == digest_of(model)
    assert restored.probabilities({"x": 2.9, "y": 0.5}) == found


def test_a_sampler_without_a_share_for_a_class_says_what_to_write() -> None:
    model = fold(SAMPLERS[0], ["fine", "fraud"])
    with pytest.raises(BadMessage, match=r"no share for the class 'odd': give one .* desired_dist") as raised:
        model.learn({"x": 1.0, "y": 1.0}, "odd")
    assert raised.value.reason == "model_error"
    assert list(model.classes) == ["fine", "fraud"]


def test_a_sampler_over_a_binary_model_refuses_a_third_class() -> None:
    model = fold("RandomSampler(LogisticRegression(), {0: 0.3, 1: 0.3, 'odd': 0.4})", [0, 1])

    def learn_many() -> None:  # it draws which ones to learn
        for _ in range(50):
            model.learn({"x": 1.0, "y": 1.0}, "odd")

    with pytest.raises(BadMessage, match="LogisticRegression tells only two classes apart"):
        learn_many()


def test_a_sampler_without_shares_cannot_be_defined() -> None:
    with pytest.raises(Misconfigured, match="desired_dist"):
        Model("RandomOverSampler(LogisticRegression())", seed=1)


def test_a_third_class_of_a_binary_model_is_refused_with_the_model_and_what_to_write() -> None:
    model = fold("StandardScaler() | LogisticRegression()", ["fine", "fraud"])
    with pytest.raises(BadMessage) as raised:
        model.learn({"x": 1.0, "y": 1.0}, "x" * 500)
    text = str(raised.value)
    assert raised.value.reason == "binary_model"
    for part in (model.definition, "'fine' and 'fraud'", "auto", "OneVsRestClassifier", "labels.classes"):
        assert part in text
    assert len(text) < 400


class Recording(base.Classifier):
    """A classifier of the user's own that keeps the classes it was given."""

    def __init__(self) -> None:
        self.met: list[Any] = []

    @property
    def _multiclass(self) -> bool:
        return True

    def learn_one(self, x: dict[Any, Any], y: Any) -> None:
        self.met.append(y)

    def predict_proba_one(self, x: dict[Any, Any], **kwargs: Any) -> dict[Any, float]:
        return dict.fromkeys(self.met, 1.0)


def test_code_of_the_users_own_gets_the_classes_as_they_are() -> None:
    model = Model("tests.engine.model.test_classes:Recording", seed=1)
    for label in ("fine", "fraud", "2"):
        model.learn({"x": 1.0}, label)
    assert model.classifier.river.met == ["fine", "fraud", "2"]
    model.learn({"x": 1.0}, 2)
    assert model.classifier.river.met[-1] == "2'"
    assert model.probabilities({"x": 1.0}) == dict.fromkeys(["fine", "fraud", "2", 2], 0.25)
