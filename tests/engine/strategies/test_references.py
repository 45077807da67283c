"""The published rules, compared with the reference, scikit-activeml, decision by decision.

The reference is used through its public interface, one sample at a time, as in a live stream:
`query_by_utility`, then `update`. Where a rule draws at random, the reference gets the same draws. Where the
reference departs from its paper or cannot be used live, a test shows the defect and names it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from skactiveml.stream import PeriodicSampling, StreamProbabilisticAL
from skactiveml.stream.budgetmanager import (
    BalancedIncrementalQuantileFilter,
    FixedUncertaintyBudgetManager,
    RandomVariableUncertaintyBudgetManager,
    SplitBudgetManager,
    VariableUncertaintyBudgetManager,
)

from stream_al.engine.budgets.variable_random import noise
from stream_al.engine.randomness import uniform
from tests.support.managers import WARM, manager_of, names, seeded

COUNT = 1_000
CANDIDATE = np.zeros((1, 1))  # the reference counts candidates and does not read them

every_share = pytest.mark.parametrize("share", [0.01, 0.05, 0.1, 0.5])

STREAMS: dict[str, Callable[[Any, float], float]] = {
    "uniform": lambda draw, at: draw.random(),
    "drifting": lambda draw, at: abs(math.sin(9 * at)) * draw.random(),
    "confident": lambda draw, at: draw.random() ** 8,
    "doubtful": lambda draw, at: 1.0 - draw.random() ** 8,
    "two-valued": lambda draw, at: 0.25 + 0.5 * (draw.random() < 0.05),
    "bursts": lambda draw, at: draw.random() * (int(at * 20) % 2),
}
every_stream = pytest.mark.parametrize("stream", STREAMS)


def stream_of(stream: str) -> list[float]:
    """Utilities as managers store them, so that both sides compare the same numbers."""
    draw = seeded(stream)
    values = [STREAMS[stream](draw, i / COUNT) for i in range(COUNT)]
    return [float(np.float32(value)) for value in values]


def ours(name: str, share: float, values: Sequence[float], exploration: float = 0.0) -> list[bool]:
    manager = manager_of(name, share, exploration)
    decisions, _ = manager.decide(manager.start(), values, names(len(values)), WARM)
    return [v.selected for v in decisions]


def theirs(
    manager: Any, values: Sequence[float], before: Callable[[int], None] = lambda at: None
) -> list[bool]:
    """The reference's decisions; `before` is called before each of its steps."""
    decisions = []
    for at, value in enumerate(values):
        before(at)
        queried = manager.query_by_utility(np.array([value]))
        before(at)
        more = ([value],) if isinstance(manager, BalancedIncrementalQuantileFilter) else ()
        manager.update(CANDIDATE, np.asarray(queried, dtype=int), *more)
        decisions.append(len(queried) == 1)
    return decisions


class Tape(np.random.RandomState):
    """A random state that returns recorded draws, and can be set back, as the reference does."""

    def __init__(self) -> None:
        super().__init__(0)
        self.draws: list[float] = []
        self.at = 0

    def record(self, *draws: float) -> None:
        self.draws, self.at = list(draws), 0

    def get_state(self, legacy: bool = True) -> Any:
        return self.at

    def set_state(self, state: Any) -> None:
        self.at = state

    def random_sample(self, size: Any = None) -> Any:
        self.at += 1
        return self.draws[self.at - 1]

    def normal(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
        assert (loc, scale, size) == (1, 1.0, None)
        return self.random_sample()


# --- Agreement -------------------------------------------------------------------------------------------


@every_share
@every_stream
def test_variable_decides_as_the_reference_and_so_does_split_without_exploration(
    share: float, stream: str
) -> None:
    """The reference's split rule refuses v = 0, with which it would be the variable rule."""
    values = stream_of(stream)
    decided = theirs(VariableUncertaintyBudgetManager(budget=share), values)
    assert ours("variable", share, values) == decided
    assert ours("split", share, values, exploration=0.0) == decided


@every_share
@every_stream
def test_split_decides_as_the_reference_with_the_same_draws(share: float, stream: str) -> None:
    values, tape = stream_of(stream), Tape()
    reference = SplitBudgetManager(v=0.3, budget=share)
    reference.random_state_ = tape

    def record(at: int) -> None:
        tape.record(uniform(0, "explore", f"s{at}"), uniform(0, "buy", f"s{at}"))

    assert ours("split", share, values, exploration=0.3) == theirs(reference, values, record)


@every_share
@every_stream
def test_variable_random_decides_as_the_reference_with_the_same_noise(share: float, stream: str) -> None:
    values, tape = stream_of(stream), Tape()
    reference = RandomVariableUncertaintyBudgetManager(budget=share)
    reference.random_state_ = tape
    decided = theirs(reference, values, lambda at: tape.record(noise(0, f"s{at}")))
    assert ours("variable_random", share, values) == decided


@every_share
@pytest.mark.parametrize("classes", [2, 7])
@every_stream
def test_fixed_decides_as_the_reference_for_any_number_of_classes(
    share: float, classes: int, stream: str
) -> None:
    """The reference takes 1 - p1 and the classes; ours takes least confidence, (1 - p1) k / (k - 1)."""
    values = stream_of(stream)
    reference = FixedUncertaintyBudgetManager(classes=list(range(classes)), budget=share)
    decided = theirs(reference, [value * (classes - 1) / classes for value in values])
    assert ours("fixed", share, values) == decided


@every_share
@every_stream
def test_quantile_decides_as_the_reference(share: float, stream: str) -> None:
    values = stream_of(stream)
    assert ours("quantile", share, values) == theirs(BalancedIncrementalQuantileFilter(budget=share), values)


@pytest.mark.parametrize("share", [0.01, 0.05, 0.1, 0.5, 0.3, 1 / 64])
def test_periodic_decides_as_the_reference(share: float) -> None:
    assert ours("periodic", share, [0.0] * COUNT) == periodic(share, COUNT)


def periodic(share: float, count: int) -> list[bool]:
    reference, decisions = PeriodicSampling(budget=share, random_state=0), []
    for _ in range(count):
        queried = reference.query(CANDIDATE)
        reference.update(CANDIDATE, queried)
        decisions.append(len(queried) == 1)
    return decisions


# --- Defects of the reference ----------------------------------------------------------------------------


def test_defect_the_quantile_filter_of_the_reference_buys_everything_when_utilities_are_equal() -> None:
    """As published, since a range of 0 cannot balance. Ours does the same, and its module says so."""
    decided = theirs(BalancedIncrementalQuantileFilter(budget=0.01), [0.7] * 500)
    assert all(decided)
    assert ours("quantile", 0.01, [0.7] * 500) == decided


def test_defect_the_quantile_filter_of_the_reference_cannot_be_updated_by_its_own_strategy() -> None:
    """`StreamProbabilisticAL.update` passes utilities on only from an undocumented dictionary."""
    strategy = StreamProbabilisticAL(random_state=0)
    with pytest.raises(TypeError, match="utilities"):
        strategy.update(CANDIDATE, np.array([0]))
    strategy.update(CANDIDATE, np.array([0]), budget_manager_param_dict={"utilities": [0.5]})


def test_defect_the_reference_overspends_at_small_budgets() -> None:
    """Because of the decaying estimate of the paper; ours estimates and buys the same."""
    values = [0.5] * 5_000
    decided = theirs(VariableUncertaintyBudgetManager(budget=0.01), values)
    assert sum(decided) > 1.2 * 0.01 * len(values)
    assert ours("variable", 0.01, values) == decided


def test_defect_the_noise_of_the_reference_repeats_itself() -> None:
    """Its `query_by_utility` and `update` draw different numbers from one generator, which overlap."""

    class Recorder(np.random.RandomState):
        def normal(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
            etas.append(super().normal(loc, scale, size))
            return etas[-1]

    etas: list[float] = []
    reference = RandomVariableUncertaintyBudgetManager(budget=1.0)
    reference.random_state_ = Recorder(0)
    theirs(reference, [0.5] * 3_000)
    independent = [noise(0, sample_id) for sample_id in names(3_000)]
    sigma = 1 / math.sqrt(len(etas))
    assert max(abs(correlation(etas, lag)) for lag in (1, 2, 3)) > 6 * sigma
    assert max(abs(correlation(independent, lag)) for lag in (1, 2, 3)) < 4 * sigma


def correlation(draws: Sequence[float], lag: int) -> float:
    return float(np.corrcoef(draws[lag:], draws[:-lag])[0, 1])


def test_defect_a_threshold_of_the_reference_sticks_where_it_underflows() -> None:
    """At the smallest float a step of 1% rounds to none; ours stops shrinking long before."""
    reference = VariableUncertaintyBudgetManager(theta=5e-324, budget=0.5)
    assert not any(theirs(reference, [0.9] * 1_000))
    assert reference.theta_ == 5e-324


def test_defect_batches_change_the_decisions_of_the_reference() -> None:
    """Its `update` treats a whole batch by the spending before it; ours one sample after the other."""
    values = stream_of("uniform")
    single = VariableUncertaintyBudgetManager(budget=0.1)
    batched, decided = VariableUncertaintyBudgetManager(budget=0.1), []
    for begin in range(0, COUNT, 50):
        batch = np.array(values[begin : begin + 50])
        queried = batched.query_by_utility(batch)
        batched.update(np.zeros((50, 1)), np.asarray(queried, dtype=int))
        decided += [at in queried for at in range(50)]
    assert theirs(single, values) == ours("variable", 0.1, values)
    assert decided != ours("variable", 0.1, values)
