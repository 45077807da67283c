"""The laws of the factors that measure the disagreement of a committee."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.engine.model.model import Model
from stream_al.engine.strategies import Candidate, strategy
from stream_al.engine.strategies.committee.consensus_entropy import consensus
from stream_al.engine.strategies.committee.mean_kl import divergence
from stream_al.engine.strategies.committee.members import MemberProbabilities, by_committee
from stream_al.engine.strategies.committee.vote_entropy import votes
from stream_al.errors import Misconfigured
from tests.support.clouds import Features, candidate, clouds, folded

law = settings(derandomize=True, deadline=None, max_examples=60)

measures = pytest.mark.parametrize("measure", [votes, consensus, divergence])
FACTORS = {
    by_committee(votes): "vote_entropy",
    by_committee(consensus): "consensus_entropy",
    by_committee(divergence): "mean_kl",
}
factors = pytest.mark.parametrize("factor", FACTORS, ids=FACTORS.values())
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
    model = folded(FACTORS[factor], "GaussianNB()", separate, committee=committee)
    within = [{"x": x + i / 50, "y": float(i - 10)} for i in range(20) for x in (-0.2, 5.8)]
    between = [{"x": 2.0 + i / 10, "y": float(i - 10)} for i in range(20)]
    assert mean(factor, model, between) > mean(factor, model, within)


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
