"""The laws of propensities."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from stream_al.engine.budgets import Context, Reason
from tests.support.managers import (
    WARM,
    every_claiming_manager,
    every_exploring_manager,
    every_share,
    length_for,
    manager_of,
    names,
    seeded,
)

SEEDS = 1500
DESIGNS: dict[str, tuple[float, float, Callable[[int], Context]]] = {
    "explores a little": (0.1, 0.1, lambda i: WARM),
    "strata of unequal length": (0.3, 0.4, lambda i: WARM),
    "explores always": (0.125, 1.0, lambda i: WARM),
    "warms up": (0.2, 0.1, lambda i: Context(ready=i > 7)),
    "capped in between": (0.1, 0.5, lambda i: Context(room=0 if 3 <= i <= 5 else 9)),
}


@every_claiming_manager
@pytest.mark.parametrize("design", DESIGNS)
def test_the_propensity_is_the_frequency_over_the_draws(name: str, design: str) -> None:
    """The share of seeds that select a position is the recorded propensity, up to 4.5 sigma."""
    share, exploration, context = DESIGNS[design]
    draw = seeded(3)
    values = [draw.random() for _ in range(20)]
    selected, recorded = np.zeros(20), None
    for seed in range(SEEDS):
        manager = manager_of(name, share, exploration, seed)
        state, made = manager.start(), []
        for i, value in enumerate(values):
            (decision,), state = manager.decide(state, [value], [f"s{i}"], context(i))
            made.append(decision)
        propensities = [v.propensity for v in made]
        assert recorded in (None, propensities)  # known before the draw, so it does not depend on the seed
        recorded = propensities
        selected += [v.selected for v in made]
    p = np.array(recorded)
    sigma = np.sqrt(p * (1 - p) / SEEDS)
    assert np.all(np.abs(selected / SEEDS - p) <= 4.5 * sigma + 1e-12)


@every_exploring_manager
@every_share
def test_propensities_add_up_to_the_budget_and_never_reach_zero(name: str, share: float) -> None:
    manager, draw = manager_of(name, share), seeded(4)
    values = [draw.random() for _ in range(length_for(share))]
    decisions, _ = manager.decide(manager.start(), values, names(len(values)), WARM)
    assert all(0.0 < v.propensity <= 1.0 for v in decisions)
    assert abs(sum(v.propensity for v in decisions) - share * len(values)) <= 1.0


@every_exploring_manager
def test_exploration_of_one_selects_whatever_the_utility(name: str) -> None:
    """The same arrivals are selected for any utilities, all at the same propensity."""
    manager, draw = manager_of(name, 0.05, exploration=1.0), seeded(5)
    flat, _ = manager.decide(manager.start(), [0.0] * 1000, names(1000), WARM)
    lively, _ = manager.decide(manager.start(), [draw.random() for _ in range(1000)], names(1000), WARM)
    assert [v.selected for v in flat] == [v.selected for v in lively]
    assert {v.propensity for v in flat + lively} == {0.05}
    assert {v.reason for v in flat if v.selected} == {Reason.EXPLORE}


@every_claiming_manager
def test_exploration_of_zero_never_explores(name: str) -> None:
    draw = seeded(6)
    values = [draw.random() for _ in range(1000)]
    runs = []
    for seed in range(5):
        manager = manager_of(name, 0.05, exploration=0.0, seed=seed)
        decisions, _ = manager.decide(manager.start(), values, names(1000), WARM)
        assert {v.reason for v in decisions if v.selected} == {Reason.UNCERTAIN}
        assert all(v.propensity == v.selected for v in decisions)
        runs.append(decisions)
    assert all(run == runs[0] for run in runs)  # nothing is drawn, so the seed does not matter
