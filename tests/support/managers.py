"""Helpers for tests of budget managers: managers, streams of utilities, and counts of the labels bought."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st

from stream_al.engine.budgets import MANAGERS, BudgetManager, Context, Decision, Reason

SHARES = (0.001, 0.01, 0.05, 0.07, 0.1, 0.3, 1 / 3, 0.5, 0.9, 1.0)
CLAIMING = sorted(name for name, manager in MANAGERS.items() if manager.claims_budget_law)
EXPLORING = [name for name in CLAIMING if MANAGERS[name].explores]
SELECTING = {Reason.UNCERTAIN, Reason.EXPLORE, Reason.WARMUP}
COLD = Context(ready=False)
WARM = Context()

every_manager = pytest.mark.parametrize("name", sorted(MANAGERS))
every_claiming_manager = pytest.mark.parametrize("name", CLAIMING)
every_exploring_manager = pytest.mark.parametrize("name", EXPLORING)
every_share = pytest.mark.parametrize("share", SHARES, ids=lambda share: f"{share:.4g}")
law = settings(derandomize=True, deadline=None, max_examples=40)

utilities = st.lists(st.floats(0, 1) | st.sampled_from([0.0, 0.5, 1.0, 1e-12]), min_size=1, max_size=80)
shares = st.sampled_from(SHARES) | st.floats(0.002, 1.0)
explorations = st.sampled_from([0.0, 0.1, 0.5, 1.0])


def manager_of(name: str, share: float, exploration: float = 0.1, seed: int = 0) -> BudgetManager:
    return MANAGERS[name](share, exploration, seed)


def names(count: int, begin: int = 0) -> list[str]:
    return [f"s{i}" for i in range(begin, begin + count)]


def with_pending(
    manager: BudgetManager, values: Sequence[float], pending: int = 0, known: int = 0
) -> tuple[list[Decision], Any]:
    """Decide about a stream, with the same number of pending queries at the beginning of every stratum."""
    state, decisions, length = manager.start(), [], manager.window
    context = Context(pending=pending, known=known)
    for begin in range(0, len(values), length):
        part = values[begin : begin + length]
        made, state = manager.decide(state, part, names(len(part), begin), context)
        decisions += made
    return decisions, state


def seeded(seed: object) -> random.Random:
    return random.Random(str(seed))  # noqa: S311 -- it draws test data, no secrets


def spent(decisions: Sequence[Decision]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """How many labels were bought before each arrival, and in all."""
    return np.concatenate(([0], np.cumsum([v.selected for v in decisions])))


def fullest(decisions: Sequence[Decision], window: int) -> int:
    """The largest number of labels bought in a window."""
    before = spent(decisions)
    return int((before[window:] - before[:-window]).max()) if len(decisions) >= window else int(before[-1])


def assert_budget_law(manager: BudgetManager, decisions: Sequence[Decision]) -> None:
    budget = manager.share * len(decisions)
    assert abs(sum(v.selected for v in decisions) - budget) <= max(1.0, 0.01 * budget)
    assert fullest(decisions, manager.window) <= manager.share * manager.window + 1


def restored(manager: BudgetManager, state: Any) -> Any:
    return manager.decode(json.loads(json.dumps(manager.encode(state))))


def length_for(share: float) -> int:
    return max(1_500, math.ceil(10 / share))


STREAMS: dict[str, Callable[[random.Random, float], float]] = {
    "constant 1": lambda draw, at: 1.0,
    "constant 0": lambda draw, at: 0.0,
    "saturated": lambda draw, at: 1e-12,
    "two-valued": lambda draw, at: float(draw.random() < 0.05),
    "tied": lambda draw, at: draw.randrange(4) / 4,
    "random": lambda draw, at: draw.random(),
    "rising": lambda draw, at: at,
    "falling": lambda draw, at: 1.0 - at,
    "drifting": lambda draw, at: abs(math.sin(9 * at)) * draw.random(),
    "bursts": lambda draw, at: draw.random() * (int(at * 20) % 2),
}
