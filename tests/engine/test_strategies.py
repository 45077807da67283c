"""The laws of every query strategy."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stream_al.engine.model import Label
from stream_al.engine.strategies import STRATEGIES, Arrival, utilities

every_strategy = pytest.mark.parametrize("name", sorted(STRATEGIES))
every_certainty = pytest.mark.parametrize("name", sorted(set(STRATEGIES) - {"random"}))
law = settings(derandomize=True, deadline=None, max_examples=80)


def normal(weights: Sequence[float]) -> list[float]:
    return [weight / sum(weights) for weight in weights]


weights = st.floats(0, 1) | st.sampled_from([0.0, 1.0, 5e-324, 1e-300, 1e-12])
beliefs = st.lists(weights, min_size=2, max_size=12).filter(lambda ws: sum(ws) > 1e-6).map(normal)


def utility(name: str, probabilities: Sequence[float], sample_id: str = "a", seed: int = 0) -> float:
    believed: dict[Label, float] = dict(enumerate(probabilities))
    arrival = Arrival(sample_id, believed)
    (value,) = utilities(STRATEGIES[name], [arrival], seed)
    return value


@every_strategy
@law
@given(belief=beliefs)
def test_a_utility_lies_between_0_and_1(name: str, belief: list[float]) -> None:
    assert 0.0 <= utility(name, belief) <= 1.0


@law
@given(belief=st.lists(st.floats(), min_size=2, max_size=4))
def test_it_does_so_even_if_a_strategy_is_careless(belief: list[float]) -> None:
    """The law is kept where it is promised, once, and not in each strategy."""

    def careless(probabilities: Sequence[float], sample_id: str, seed: int) -> float:
        return probabilities[0]

    (value,) = utilities(careless, [Arrival("a", dict(enumerate(belief)))], 0)
    assert 0.0 <= value <= 1.0


@every_strategy
@pytest.mark.parametrize("known", [{}, {"only": 1.0}, {"only": 0.0}], ids=["none", "one", "one unlikely"])
def test_a_model_that_knows_fewer_than_two_classes_wants_every_label(
    name: str, known: dict[Label, float]
) -> None:
    assert utilities(STRATEGIES[name], [Arrival("a", known), Arrival("b", known)], 0) == [1.0, 1.0]


@every_strategy
@law
@given(batch=st.lists(beliefs, max_size=5), seed=st.integers(0, 3))
def test_utilities_are_pure_and_replay_the_same(name: str, batch: list[list[float]], seed: int) -> None:
    """The same arrivals give the same, in one batch or in many; what was given stays as it is."""
    arrivals = [Arrival(f"s{i}", dict(enumerate(belief))) for i, belief in enumerate(batch)]
    copies = [Arrival(a.id, dict(a.probabilities)) for a in arrivals]
    once = utilities(STRATEGIES[name], arrivals, seed)
    assert arrivals == copies
    assert utilities(STRATEGIES[name], copies, seed) == once
    assert [utilities(STRATEGIES[name], [a], seed)[0] for a in arrivals] == once


@every_certainty
@law
@given(belief=beliefs)
def test_certainty_is_lowest_and_a_uniform_belief_highest(name: str, belief: list[float]) -> None:
    size = len(belief)
    assert utility(name, [1.0] + [0.0] * (size - 1)) == 0.0
    assert utility(name, [1 / size] * size) == pytest.approx(1.0)
    assert 0.0 <= utility(name, belief) <= utility(name, [1 / size] * size) + 1e-9


@every_certainty
@law
@given(belief=beliefs, order=st.randoms(use_true_random=False))
def test_the_order_of_the_classes_has_no_say(name: str, belief: list[float], order: random.Random) -> None:
    mixed = list(belief)
    order.shuffle(mixed)
    assert utility(name, mixed) == pytest.approx(utility(name, belief))


@every_certainty
@law
@given(one=st.floats(0, 1), other=st.floats(0, 1))
def test_for_two_classes_all_strategies_agree_who_is_more_uncertain(
    name: str, one: float, other: float
) -> None:
    """The nearer to one half, the higher the utility."""
    assume(abs(abs(one - 0.5) - abs(other - 0.5)) > 1e-6)
    nearer, farther = sorted((one, other), key=lambda p: abs(p - 0.5))
    assert utility(name, [nearer, 1 - nearer]) > utility(name, [farther, 1 - farther])


def test_the_formulas_are_those_of_the_literature() -> None:
    belief = [0.5, 0.25, 0.25]
    assert utility("margin", belief) == 0.75
    assert utility("least_confidence", belief) == 0.75
    assert utility("entropy", belief) == pytest.approx(1.5 / 1.584962500721156)  # bits of log2(3)


def test_the_random_strategy_knows_the_sample_and_the_seed_and_nothing_else() -> None:
    drawn = {utility("random", [0.5, 0.5], f"s{i}", seed) for i in range(50) for seed in range(2)}
    assert len(drawn) == 100
    assert utility("random", [0.5, 0.5], "a") == utility("random", [0.9, 0.05, 0.05], "a")
