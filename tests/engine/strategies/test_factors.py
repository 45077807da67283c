"""The laws of single factors."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.engine.encoding import rounded
from stream_al.engine.model.model import RECENT_PREDICTIONS, Model
from stream_al.engine.model.sketch import Point, points
from stream_al.engine.samples.table import Floats, sample_of
from stream_al.engine.strategies import Candidate, Candidates, strategy
from stream_al.engine.strategies.class_balance import class_balance
from stream_al.engine.strategies.committee import MemberProbabilities
from stream_al.engine.strategies.consensus_entropy import consensus, consensus_entropy
from stream_al.engine.strategies.density import density
from stream_al.engine.strategies.diversity import diversity
from stream_al.engine.strategies.error_reduction import error_reduction
from stream_al.engine.strategies.gradient_length import gradient_length
from stream_al.engine.strategies.history import History, HistoryCursor
from stream_al.engine.strategies.mean_kl import divergence, mean_kl
from stream_al.engine.strategies.model_change import model_change
from stream_al.engine.strategies.novelty import novelty
from stream_al.engine.strategies.probabilistic_gain import CLASSES, gain, probabilistic_gain
from stream_al.engine.strategies.vote_entropy import vote_entropy, votes
from stream_al.errors import BadMessage, Misconfigured
from stream_al.messages import ClassLabel

law = settings(derandomize=True, deadline=None, max_examples=60)
Features = dict[str, Any]


def clouds(number: int = 60, seed: int = 3) -> list[tuple[Features, ClassLabel]]:
    """Two clouds that overlap."""
    draw = random.Random(seed)  # noqa: S311 -- a fixed stream
    return [
        ({"x": draw.gauss(2.0 * (i % 2), 1.0), "y": draw.gauss(0.0, 5.0)}, "ham" if i % 2 else "spam")
        for i in range(number)
    ]


def folded(text: str, definition: str, examples: list[tuple[Features, ClassLabel]], **more: Any) -> Model:
    model = strategy(text).model(definition, seed=1, **more)
    for features, label in examples:
        model.learn(features, label)
    return model


def candidate(model: Model, features: Features, **more: Any) -> Candidate:
    return Candidate("s", features, model.probabilities(features), model, **more)


# --- Committees ------------------------------------------------------------------------------------------

measures = pytest.mark.parametrize("measure", [votes, consensus, divergence])
factors = pytest.mark.parametrize("factor", [vote_entropy, consensus_entropy, mean_kl])
tables = st.integers(2, 5).flatmap(
    lambda classes: st.lists(
        st.lists(st.floats(0.001, 1.0), min_size=classes, max_size=classes), min_size=2, max_size=6
    )
)


def table(rows: list[list[float]]) -> MemberProbabilities:
    found = np.asarray(rows)
    normal: MemberProbabilities = found / found.sum(axis=1, keepdims=True)
    return normal


@measures
@law
@given(rows=tables)
def test_disagreement_lies_between_0_and_1_for_members_in_any_order(
    measure: Callable[[MemberProbabilities], float], rows: list[list[float]]
) -> None:
    assert -1e-12 <= measure(table(rows)) <= 1.0 + 1e-12
    assert measure(table(rows[::-1])) == pytest.approx(measure(table(rows)), abs=1e-12)


@measures
@pytest.mark.parametrize("members", [2, 3, 7])
def test_members_who_are_certain_give_0_if_they_agree_and_1_if_they_differ(
    measure: Callable[[MemberProbabilities], float], members: int
) -> None:
    assert measure(table([[0.0, 1.0, 0.0]] * members)) == 0.0
    classes = max(members, 3) if measure is not consensus else members
    different = [[float(row == column) for column in range(classes)] for row in range(members)]
    assert measure(table(different)) == pytest.approx(1.0)


def test_members_who_agree_on_uncertain_probabilities_do_not_disagree() -> None:
    """Only the entropy of their mean is high."""
    alike = table([[0.6, 0.4]] * 3)
    assert votes(alike) == 0.0
    assert divergence(alike) == pytest.approx(0.0, abs=1e-12)
    assert consensus(alike) > 0.9


ENSEMBLES = [
    "BaggingClassifier(GaussianNB(), n_models=3)",
    "ADWINBaggingClassifier(GaussianNB(), n_models=3)",
    "LeveragingBaggingClassifier(GaussianNB(), n_models=3)",
    "AdaBoostClassifier(GaussianNB(), n_models=3)",
    "ARFClassifier(n_models=3, grace_period=5)",
    "SRPClassifier(n_models=3)",
    "AMFClassifier(n_estimators=3)",
    "StandardScaler() | BaggingClassifier(LogisticRegression(), n_models=3)",
    "MinMaxScaler() | (StandardScaler() | ARFClassifier(n_models=3))",
]


@pytest.mark.parametrize("definition", ENSEMBLES)
def test_every_member_of_an_ensemble_predicts_by_itself(definition: str) -> None:
    """Each returns a distribution over the classes learned, they differ, and the model does not change."""
    model = folded("vote_entropy", definition, clouds())
    before = model.digest()
    found = [model.members(features) for features, _ in clouds(20, seed=8)]
    assert any(probabilities != members[0] for members in found for probabilities in members)
    for members in found:
        assert 2 <= len(members) <= 3
        assert all(list(probabilities) == ["spam", "ham"] for probabilities in members)
        assert all(math.isclose(sum(probabilities.values()), 1.0) for probabilities in members)
    again = folded("vote_entropy", definition, clouds())
    assert model.digest() == before == again.digest()
    again.learn(*clouds()[0])
    model.learn(*clouds()[0])
    assert model.digest() == again.digest()


@factors
def test_between_the_clouds_a_committee_disagrees_more_than_within_them(
    factor: Callable[[Candidate], float],
) -> None:
    committee = ["GaussianNB()", "HoeffdingTreeClassifier(grace_period=10)", "KNNClassifier()"]
    separate = [({**f, "x": f["x"] + 4.0 * (label == "ham")}, label) for f, label in clouds(200)]
    model = folded(factor_name(factor), "GaussianNB()", separate, committee=committee)
    within = [{"x": x + i / 50, "y": float(i - 10)} for i in range(20) for x in (-0.2, 5.8)]
    between = [{"x": 2.0 + i / 10, "y": float(i - 10)} for i in range(20)]
    assert mean(factor, model, between) > mean(factor, model, within)


def factor_name(factor: Callable[[Candidate], float]) -> str:
    return {vote_entropy: "vote_entropy", consensus_entropy: "consensus_entropy", mean_kl: "mean_kl"}[factor]


def mean(factor: Callable[[Candidate], float], model: Model, samples: list[Features]) -> float:
    return sum(factor(candidate(model, features)) for features in samples) / len(samples)


def test_a_committee_of_one_definition_has_members_with_seeds_of_their_own() -> None:
    forest = "ARFClassifier(n_models=2, grace_period=5)"
    model = folded("mean_kl", "GaussianNB()", clouds(), committee=[forest, forest])
    one, other = model.committee
    assert one.digest() != other.digest()


@factors
def test_members_without_a_prediction_do_not_vote_and_one_vote_is_no_measure(
    factor: Callable[[Candidate], float],
) -> None:
    """A member that fails does not keep a sample from being scored, nor an example from being learned."""
    committee = ["GaussianNB()", "StandardScaler() | LogisticRegression()"]
    model = strategy("mean_kl").model("Select('x') | GaussianNB()", seed=1, committee=committee)
    for features, label in clouds():
        model.learn(features, label)
    assert len(model.members({"x": 1.0, "y": 1.0})) == 2
    model.learn({"x": 9.0, "y": 0.0}, "eggs")  # a third class, which the second member refuses
    assert model.classes["eggs"] == 1
    assert all(
        set(probabilities) == set(model.classes) for probabilities in model.members({"x": 1.0, "y": 1.0})
    )
    odd = {"x": 1.0, "y": "text"}
    assert len(model.members(odd)) < 2
    assert factor(candidate(model, odd)) == 1.0


def test_the_committee_is_part_of_the_fold() -> None:
    """It is part of fingerprint and digest."""
    members = ["GaussianNB()", "HoeffdingTreeClassifier()"]
    alone = folded("margin", "KNNClassifier()", clouds())
    model = folded("mean_kl", "KNNClassifier()", clouds(), committee=members)
    other = folded("mean_kl", "KNNClassifier()", clouds(), committee=members[::-1])
    assert len({m.fingerprint for m in (alone, model, other)}) == 3
    assert len({m.digest() for m in (alone, model, other)}) == 3
    assert model.digest() == folded("mean_kl", "KNNClassifier()", clouds(), committee=members).digest()


@pytest.mark.parametrize(
    ("text", "definition", "committee", "found"),
    [
        *((name, "GaussianNB()", (), "model.committee") for name in ("vote_entropy", "margin * mean_kl")),
        ("consensus_entropy", "GaussianNB()", ["GaussianNB()"], "several voters"),
        ("gradient_length", "GaussianNB()", (), "SoftmaxRegression"),
        ("gradient_length", "LogisticRegression(loss=optim.losses.Hinge())", (), "model_change"),
        ("gradient_length", "Perceptron()", (), "linear model of probabilities"),
        ("margin", "StandardScaler()", (), "makes a transformer"),
    ],
)
def test_a_model_that_cannot_serve_a_strategy_is_refused_with_what_to_do(
    text: str, definition: str, committee: Any, found: str
) -> None:
    with pytest.raises(Misconfigured, match=found) as raised:
        strategy(text).model(definition, seed=1, committee=committee)
    assert len(raised.value.mistakes) == 1


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

    def refuse(self: Model, features: Features, label: ClassLabel) -> None:
        raise BadMessage("model_error", "not this one")

    asked = candidate(model, {"x": 1.0, "y": 1.0})
    assert model_change(asked) > 0.0
    monkeypatch.setattr(Model, "learn", refuse)
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
@given(p=st.floats(0, 1), q=st.floats(0, 1))
def test_a_sample_that_may_belong_to_the_rarer_class_has_the_higher_utility(p: float, q: float) -> None:
    model = unbalanced_model
    assert model.classes["spam"] < model.classes["ham"] / 5
    less, more = (balance(model, {"ham": 1 - rare, "spam": rare}) for rare in sorted((p, q)))
    assert less <= more
    assert balance(model, {"ham": 0.0, "spam": 1.0}) == 1.0


unbalanced_model = unbalanced()


def test_a_target_replaces_equal_shares() -> None:
    model = unbalanced_model
    rare, usual = {"ham": 0.0, "spam": 1.0}, {"ham": 1.0, "spam": 0.0}
    probabilities = {"ham": 0.99, "spam": 0.01}
    assert balance(model, usual, probabilities) > balance(model, rare, probabilities)
    assert balance(model, rare, {"ham": 1.0}) == 0.0
    assert balance(model, rare, {"eggs": 1.0}) == 1.0  # a class that has not appeared


def test_a_target_names_classes_as_messages_do() -> None:
    model = folded("class_balance", "GaussianNB()", [(x, y == "spam") for x, y in clouds()])
    true, false = (balance(model, {False: 1.0 - t, True: t}, {"true": 1.0}) for t in (1.0, 0.0))
    assert (true, false) == (1.0, 0.0)


# --- Diversity and density -------------------------------------------------------------------------------


def alone(factor: Callable[..., Floats], sketch: Point, history: HistoryCursor, pending: int = 0) -> float:
    return float(factor(points(sketch), history, pending)[0])


def partition(model: Model, queried: int = 5) -> tuple[HistoryCursor, list[bytes]]:
    history, arrived = History().cursor(), list[bytes]()
    for i, (features, _) in enumerate(clouds(64, seed=6)):
        arrived.append(model.sketch(features))
        history.remember(arrived[-1], selected=i % queried == 0)
    return history, arrived


def test_a_sample_that_repeats_a_query_has_no_diversity() -> None:
    """Nor has one that nearly repeats it, also after the scale has changed; a new one has more than usual."""
    model = folded("diversity", "GaussianNB()", clouds())
    history, arrived = partition(model)
    asked = [features for i, (features, _) in enumerate(clouds(64, seed=6)) if i % 5 == 0]
    for features in asked:
        near = {name: value + 1e-3 for name, value in features.items()}
        assert alone(diversity, model.sketch(features), history) == 0.0
        assert alone(diversity, model.sketch(near), history) < 0.01
    new = {"x": 6.0, "y": -20.0}
    usual = sum(alone(diversity, point, history) for point in arrived) / len(arrived)
    assert alone(diversity, model.sketch(new), history) > usual > 0.05
    model.learn(*clouds(1, seed=7)[0])
    assert all(alone(diversity, model.sketch(features), history) < 0.05 for features in asked)
    history.remember(model.sketch(new), selected=True)
    assert alone(diversity, model.sketch(new), history) == 0.0


def test_a_typical_sample_has_a_higher_density_than_an_outlier() -> None:
    model = folded("density", "GaussianNB()", clouds())
    history, arrived = partition(model)
    usual = sum(alone(density, point, history) for point in arrived) / len(arrived)
    for outlier in ({"x": 30.0, "y": 0.0}, {"x": 1.0, "y": 200.0}, {"x": -20.0, "y": -90.0}):
        assert alone(density, model.sketch(outlier), history) < usual / 4


def test_distances_do_not_depend_on_the_units_of_the_features() -> None:
    """The factor is a power of two, so that rounding does not differ either."""
    large = [({"x": f["x"] * 1024, "y": f["y"] / 1024}, label) for f, label in clouds()]
    one, other = (folded("density", "GaussianNB()", stream) for stream in (clouds(), large))
    sketches = [[m.sketch(f) for f, _ in s] for m, s in ((one, clouds()), (other, large))]
    assert sketches[0] == sketches[1]


@law
@given(
    st.binary(max_size=64 * 16).map(lambda b: b[: len(b) // 16 * 16]),
    st.binary(min_size=16, max_size=16),
    st.booleans(),
)
def test_any_history_gives_a_utility(samples: bytes, sketch: bytes, asked: bool) -> None:
    history = History(samples, samples[: 32 * 16] if asked else b"").cursor()
    assert 0.0 <= alone(diversity, sketch, history) <= 1.0
    assert 0.0 <= alone(density, sketch, history) <= 1.0 + 1e-12
    assert 0.0 <= alone(novelty, sketch, history, 7) <= 1.0
    history.remember(sketch, selected=True)
    assert alone(diversity, sketch, history) == 0.0
    assert alone(novelty, sketch, history, 1) == 0.0


def test_only_pending_queries_lower_the_novelty() -> None:
    """The model knows the labels that have come, and does not know the pending ones."""
    model = folded("novelty", "GaussianNB()", clouds())
    history, arrived = partition(model)
    asked = [point for i, point in enumerate(arrived) if i % 5 == 0]
    for age, point in enumerate(reversed(asked), 1):
        assert alone(novelty, point, history, pending=age) == 0.0
        older = [p for p in asked[-age + 1 :] if p == point] if age > 1 else []
        assert alone(novelty, point, history, pending=age - 1) > 0.0 or older
    assert {alone(novelty, point, history, pending=0) for point in arrived} == {1.0}


def test_no_factor_outweighs_another_among_ranks() -> None:
    """In a plain product, margins that span orders of magnitude would hide novelty."""
    chosen = strategy("margin * novelty")
    here, there = bytes(16), bytes([90] * 16)
    history = History().cursor()
    for power in range(40):
        history.percentile_ranks((rounded(10.0**-power), power % 2))
        history.remember(there if power % 2 else here, selected=False)
    history.percentile_ranks((0.5, 1.0))
    history.remember(here, selected=True)
    repeated, new = (
        (rounded(margin), *chosen.history_utilities(points(p), history, 1)[0])
        for margin, p in ((1e-3, here), (1e-5, there))
    )
    assert repeated[0] * repeated[1] <= new[0] * new[1] or repeated[0] > new[0]
    ranks = [history.history().cursor().percentile_ranks(parts) for parts in (new, repeated)]
    assert chosen.utility_of_ranks(ranks[0]) > chosen.utility_of_ranks(ranks[1])


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
