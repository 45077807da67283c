"""The laws of single factors that depend on the model."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stream_al.engine.model.classifier import Classifier
from stream_al.engine.model.model import RECENT_PREDICTIONS, Model
from stream_al.engine.samples.table import sample_of
from stream_al.engine.strategies import Candidates
from stream_al.engine.strategies.class_balance import class_balance
from stream_al.engine.strategies.gradient_length import gradient_length
from stream_al.engine.strategies.lookahead.error_reduction import error_reduction
from stream_al.engine.strategies.lookahead.model_change import model_change
from stream_al.engine.strategies.probabilistic_gain import CLASSES, gain, probabilistic_gain
from stream_al.errors import BadMessage
from stream_al.messages import ClassLabel
from tests.support.clouds import Features, candidate, clouds, folded

law = settings(derandomize=True, deadline=None, max_examples=60)

# --- Gradient length, model change, error reduction ------------------------------------------------------


def test_the_gradient_is_as_long_as_the_step_that_a_label_makes() -> None:
    """A logistic model with a learning rate of 1 moves its weights by the gradient itself."""
    definition = "LogisticRegression(optimizer=optim.SGD(1.0), intercept_lr=1.0)"
    model = folded("gradient_length", definition, clouds(30))
    for features, _ in clouds(20, seed=9):
        before, expected = model.classifier.river, 0.0
        for label, p in model.probabilities(features).items():
            after = model.with_example(features, label).classifier.river
            moved = [after.weights[name] - before.weights[name] for name in features]
            expected += p * math.hypot(after.intercept - before.intercept, *moved)
        utility = gradient_length(candidate(model, features))
        length = utility / (1.0 - utility)
        assert length == pytest.approx(math.sqrt(2.0) * expected / math.sqrt(3.0), rel=1e-6, abs=1e-11)


def test_the_gradient_is_that_of_the_last_step() -> None:
    definition = "StandardScaler() | SoftmaxRegression()"
    model = folded("gradient_length", definition, clouds())
    scaled = model.transformed({"x": 1.0, "y": 500.0})
    assert 50 < scaled["y"] < 200
    assert gradient_length(candidate(model, {"x": 1.0, "y": 500.0})) >= 0.0
    assert model.digest() == folded("gradient_length", definition, clouds()).digest()
    with pytest.raises(BadMessage, match="cannot transform"):
        model.transformed({"x": "text"})


def brute_force(
    definition: str, stream: list[tuple[Features, ClassLabel]], features: Features
) -> list[float]:
    """Expected change and expected error, by models that learned each label."""

    def fold(*more: tuple[Features, ClassLabel]) -> Model:
        model = Model(definition, seed=1)
        for example in (*stream, *more):
            model.learn(*example)
        return model

    recent = [x for x, _ in stream[-RECENT_PREDICTIONS:]]
    now = fold()
    found = [now.probabilities(x) for x in recent]
    change = error = 0.0
    for label, p in now.probabilities(features).items():
        after = fold((features, label))
        then = [after.probabilities(x) for x in recent]
        pairs = list(zip(found, then, strict=True))
        change += p * sum(abs(a[c] - b[c]) for a, b in pairs for c in a) / 2 / len(pairs)
        error += p * sum(1 - max(b.values()) for b in then) / len(then)
    return [change, error, sum(1 - max(a.values()) for a in found) / len(found)]


@pytest.mark.parametrize(
    "definition",
    ["GaussianNB()", "HoeffdingTreeClassifier(grace_period=10)", "MinMaxScaler() | LogisticRegression()"],
)
def test_lookahead_predicts_what_a_model_that_learned_the_label_predicts(definition: str) -> None:
    model = folded("model_change", definition, clouds())
    before = model.digest()
    for features, _ in clouds(8, seed=4):
        change, error, now = brute_force(definition, clouds(), features)
        assert model_change(candidate(model, features)) == pytest.approx(change, abs=1e-9)
        assert error_reduction(candidate(model, features)) == pytest.approx(now / (now + error), abs=1e-9)
    assert model.digest() == before


def test_a_label_that_cannot_be_learned_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model = folded("model_change", "GaussianNB()", clouds())

    def refuse(self: Classifier, features: Features, target: object) -> None:
        raise BadMessage("model_error", "not this one")

    asked = candidate(model, {"x": 1.0, "y": 1.0})
    assert model_change(asked) > 0.0
    monkeypatch.setattr(Classifier, "learn", refuse)
    assert model_change(asked) == 0.0
    assert error_reduction(asked) == pytest.approx(0.5)


def test_a_recent_example_that_the_model_fails_on_is_left_out() -> None:
    """A model may fail to predict for an example that it could learn."""
    model = folded("model_change * error_reduction", "KNNClassifier()", clouds())
    assert model.reference_set is not None
    model.reference_set.recent.append(({"x": "text", "y": 1.0}, "ham"))
    assert model.recent_predictions()[-1] == {}
    assert 0.0 <= model_change(candidate(model, {"x": 1.0, "y": 1.0})) <= 1.0


# --- Class balance ---------------------------------------------------------------------------------------


def unbalanced() -> Model:
    stream = [(features, label if i % 10 == 0 else "ham") for i, (features, label) in enumerate(clouds(200))]
    return folded("class_balance", "GaussianNB()", stream)


def balance(model: Model, found: dict[Any, float], target: dict[str, float] | None = None) -> float:
    probabilities = np.array([list(found.values())])
    return float(
        class_balance(Candidates([sample_of("s", {})], tuple(found), probabilities, model, 0, target))[0]
    )


@law
@given(p=st.floats(0.5, 0.99), q=st.floats(0.01, 0.6))
def test_of_two_equal_doubts_the_one_on_the_side_of_the_rarer_class_has_the_higher_utility(
    p: float, q: float
) -> None:
    """Margin gives both the same. Up to 0.6, more probability of the rare class is never worth less."""
    model = unbalanced_model
    assert model.classes["spam"] < model.classes["ham"] / 5
    assume(p > 0.5)
    assert balance(model, {"ham": 1 - p, "spam": p}) > balance(model, {"ham": p, "spam": 1 - p})
    assert balance(model, {"ham": 1 - q, "spam": q}) >= balance(model, {"ham": 1 - q / 2, "spam": q / 2})


@law
@given(p=st.floats(0, 1), q=st.floats(0, 1))
def test_between_two_classes_with_equal_labels_the_order_is_that_of_margin(p: float, q: float) -> None:
    model = folded("class_balance", "GaussianNB()", clouds(200))
    assert len(set(model.classes.values())) == 1
    assume(abs(abs(p - 0.5) - abs(q - 0.5)) > 1e-6)
    nearer, farther = sorted((p, q), key=lambda share: abs(share - 0.5))
    utilities = [balance(model, {"ham": 1 - share, "spam": share}) for share in (nearer, farther)]
    assert utilities[0] > utilities[1]


unbalanced_model = unbalanced()


def test_a_sample_without_doubt_has_no_utility() -> None:
    assert balance(unbalanced_model, {"ham": 0.0, "spam": 1.0}) == 0.0


def test_a_target_replaces_equal_shares() -> None:
    model = unbalanced_model
    rare, usual = {"ham": 0.3, "spam": 0.7}, {"ham": 0.7, "spam": 0.3}
    probabilities = {"ham": 0.99, "spam": 0.01}
    assert balance(model, usual, probabilities) > balance(model, rare, probabilities)
    assert balance(model, {"ham": 0.0, "spam": 1.0}, {"ham": 1.0}) == 0.0
    assert balance(model, rare, {"eggs": 1.0}) == 1.0  # a class that has not appeared


def test_a_target_names_classes_as_messages_do() -> None:
    model = folded("class_balance", "GaussianNB()", [(x, y == "spam") for x, y in clouds()])
    true, false = (balance(model, {False: 1.0 - t, True: t}, {"true": 1.0}) for t in (0.6, 0.4))
    assert true > false


# --- Probabilistic gain ----------------------------------------------------------------------------------

# cost_reduction([counts], m_max=2, prior=1e-3)[0] of skactiveml.pool._probabilistic_al, version 1.0.1
REFERENCE = [
    ([0, 0], 0.499001996008),
    ([1, 0], 0.000083111592),
    ([1, 1], 0.166555629580),
    ([5, 0], 0.000000000000),
    ([5, 4], 0.010099454358),
    ([0.3, 0.2], 0.239919151623),
    ([0, 0, 0], 0.664672648721),
    ([2, 1, 0], 0.016652511616),
    ([1.5, 1.5, 1.5], 0.121146041553),
    ([10, 9, 1], 0.004869067859),
    ([0.7, 0.1, 0.05, 0.02], 0.039667227556),
    ([0, 0, 0, 0, 0], 0.796019900498),
    ([3, 3, 0, 0, 1], 0.053517586483),
]


@pytest.mark.parametrize(("counts", "expected"), REFERENCE)
def test_the_gain_is_equal_to_that_of_the_reference(counts: list[float], expected: float) -> None:
    assert gain(counts) == pytest.approx(expected, abs=1e-10)


@law
@given(st.lists(st.floats(0, 100), min_size=2, max_size=CLASSES))
def test_a_gain_is_a_share_of_the_decisions(counts: list[float]) -> None:
    assert -1e-12 <= gain(counts) <= 1.0
    assert gain(counts[::-1]) == pytest.approx(gain(counts), abs=1e-12)


def test_the_gain_is_highest_far_from_labels_and_lowest_where_many_agree() -> None:
    model = folded("probabilistic_gain", "GaussianNB()", clouds(100))
    nowhere, contested, settled = (
        probabilistic_gain(candidate(model, {"x": x, "y": y}))
        for x, y in ((60.0, 200.0), (1.0, 0.0), (-1.2, 0.0))
    )
    assert nowhere > contested > settled


def test_the_gain_exists_for_any_number_of_classes() -> None:
    stream: list[tuple[Features, ClassLabel]] = [
        ({"x": float(i), "y": 0.0}, f"class {i}") for i in range(3 * CLASSES)
    ]
    model = folded("probabilistic_gain", "GaussianNB()", stream)
    assert 0.0 <= probabilistic_gain(candidate(model, {"x": 1.0, "y": 0.0})) <= 1.0
