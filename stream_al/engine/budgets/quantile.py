"""Quantile: the balanced incremental quantile filter (BIQF).

    buy if u >= Q - R (B t - n) / 50

Q the (1 - B) quantile and R the range of the last 100 utilities, this one among them, t the arrivals so
far with this one, n the labels bought so far. The second term balances: what is left of the budget
lowers the threshold, what is overdrawn raises it. Kottke, Krempl, Spiliopoulou: Probabilistic Active
Learning in Datastreams (IDA 2015), with the windows of 100 and 50 of scikit-activeml. The quantile is
interpolated linearly, as numpy does.

The balance is exact in the long run for utilities that differ, and fails where they are equal: then the
range is 0, nothing balances, every utility reaches the quantile and *every arrival is bought*. Saturated
models do that, and so does a model that knows fewer than two classes, until its first labels are back.
Drifting utilities are bought in bursts. Hence the rule claims no budget law; set caps beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor
from typing import Any, ClassVar

from stream_al.engine.budgets.base import Verdict
from stream_al.engine.budgets.sequential import Sequential
from stream_al.engine.budgets.zliobaite import verdict_of
from stream_al.engine.encoding import integer, pack, share_of, unpack

__all__ = ["MEMORY", "Quantile", "quantile"]

MEMORY = 100  # utilities remembered
TOLERANCE = 50  # labels off the budget that move the threshold by the whole range


@dataclass(frozen=True, slots=True)
class State:
    """Where a partition stands.

    Attributes:
        share: The share in force; another one in the settings begins a new account.
        arrivals: Arrivals decided in this account.
        bought: Labels bought in this account.
        recent: The last utilities, oldest first, rounded to float32.
    """

    share: float
    arrivals: int = 0
    bought: int = 0
    recent: tuple[float, ...] = ()


class Quantile(Sequential):
    """Buy what reaches a quantile of the recent utilities, balanced by what is left of the budget."""

    window: ClassVar[int] = MEMORY

    def start(self) -> State:
        """An empty account."""
        return State(self.share)

    def rule(self, state: State, utility: float, sample_id: str) -> tuple[Verdict, State]:
        """See `Sequential.rule`."""
        arrivals, recent = state.arrivals + 1, (*state.recent[1 - MEMORY :], utility)
        ranked = sorted(recent)
        left = self.share * arrivals - state.bought
        threshold = quantile(ranked, 1.0 - self.share) - (ranked[-1] - ranked[0]) * (left / TOLERANCE)
        verdict = verdict_of(selected=utility >= threshold, threshold=threshold)
        return verdict, State(self.share, arrivals, state.bought + verdict.selected, recent)

    def encode(self, state: State) -> dict[str, Any]:
        """The state as JSON-ready values."""
        counts = {"arrivals": state.arrivals, "bought": state.bought}
        return {"share": state.share, **counts, "recent": pack(state.recent)}

    def read(self, values: dict[str, Any]) -> State:
        """See `Sequential.read`."""
        arrivals = integer(values, "arrivals")
        bought = integer(values, "bought", arrivals)
        return State(share_of(values), arrivals, bought, unpack(values, "recent", MEMORY))


def quantile(ranked: list[float], q: float) -> float:
    """The quantile of sorted numbers, interpolated linearly; bit by bit what `numpy.quantile` gives.

    >>> quantile([0.0, 1.0], 0.25)
    0.25
    """
    at = (len(ranked) - 1) * q
    below = floor(at)
    if below >= len(ranked) - 1:
        return ranked[-1]
    low, high, weight = ranked[below], ranked[below + 1], at - below
    # From the nearer end, so that the ends are met exactly.
    return low + (high - low) * weight if weight < 0.5 else high - (high - low) * (1.0 - weight)
