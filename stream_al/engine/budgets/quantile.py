"""Quantile: the balanced incremental quantile filter (BIQF).

    buy if u >= Q - R (B t - n) / 50

Q is the (1 - B) quantile and R the range of the last 100 utilities including this one, t the number of
samples including this one, n the number of labels bought before. The second term balances: a rest of the
budget lowers the threshold, a deficit raises it. Kottke, Krempl, Spiliopoulou: Probabilistic Active Learning
in Datastreams (IDA 2015), with the windows of 100 and 50 of scikit-activeml. The quantile is interpolated
linearly, as numpy does.

The balance is exact in the long run for utilities that differ, and fails where they are equal. Then the range
is 0, nothing balances, every utility reaches the quantile, and *every label is bought*. Saturated models have
equal utilities, and so has a model that knows fewer than two classes, until its first labels are back.
Drifting utilities are bought in bursts. So the rule claims no budget law; set caps beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor
from typing import Any, ClassVar

from stream_al.engine.budgets.base import Decision
from stream_al.engine.budgets.sequential import Sequential
from stream_al.engine.budgets.zliobaite import decision_by_threshold
from stream_al.engine.encoding import integer, pack, share_of, unpack

__all__ = ["MEMORY", "Quantile", "quantile"]

MEMORY = 100  # utilities remembered
TOLERANCE = 50  # labels off the budget that move the threshold by the whole range


@dataclass(frozen=True, slots=True)
class State:
    """The state of a partition.

    Attributes:
        share: The share in force; another one in the settings begins a new account.
        arrivals: Samples decided in this account.
        bought: Labels bought in this account.
        recent: The last utilities, oldest first, rounded to float32.
    """

    share: float
    arrivals: int = 0
    bought: int = 0
    recent: tuple[float, ...] = ()


class Quantile(Sequential):
    """Buy what reaches a quantile of the recent utilities, balanced by the rest of the budget."""

    window: ClassVar[int] = MEMORY

    def start(self) -> State:
        """An empty account."""
        return State(self.share)

    def rule(self, state: State, utility: float, sample_id: str) -> tuple[Decision, State]:
        """See `Sequential.rule`."""
        arrivals, recent = state.arrivals + 1, (*state.recent[1 - MEMORY :], utility)
        ranked = sorted(recent)
        left = self.share * arrivals - state.bought
        threshold = quantile(ranked, 1.0 - self.share) - (ranked[-1] - ranked[0]) * (left / TOLERANCE)
        decision = decision_by_threshold(sample_id, utility, threshold, selected=utility >= threshold)
        return decision, State(self.share, arrivals, state.bought + decision.selected, recent)

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
    """The quantile of sorted numbers, interpolated linearly; equal to that of `numpy.quantile` bit by bit.

    >>> quantile([0.0, 1.0], 0.25)
    0.25
    """
    at = (len(ranked) - 1) * q
    below = floor(at)
    if below >= len(ranked) - 1:
        return ranked[-1]
    low, high, weight = ranked[below], ranked[below + 1], at - below
    # Computed from the nearer end, so that the ends are exact.
    return low + (high - low) * weight if weight < 0.5 else high - (high - low) * (1.0 - weight)
