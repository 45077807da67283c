"""Periodic: buy the label of every 1/share-th sample, whatever its utility.

Sample t, counted from 1, is bought if floor(t B) > floor((t - 1) B). It is the simplest baseline: it keeps
the budget exactly, labels are spread evenly, and nothing is drawn at random. A stream with a period of its
own (machines, days) may be sampled in one phase only.

The share is turned into a fraction, and the arithmetic is on integers, so rounding errors do not add up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from stream_al.engine.budgets.base import Decision, Reason
from stream_al.engine.budgets.sequential import Sequential
from stream_al.engine.encoding import integer, share_of

__all__ = ["Periodic"]


@dataclass(frozen=True, slots=True)
class State:
    """The state of a partition.

    Attributes:
        share: The share in force; another one in the settings begins a new account.
        arrivals: Samples decided in this account.
    """

    share: float
    arrivals: int = 0


class Periodic(Sequential):
    """Buy the label of every 1/share-th sample."""

    claims_budget_law: ClassVar[bool] = True

    def start(self) -> State:
        """An empty account."""
        return State(self.share)

    def due(self, arrivals: int) -> int:
        """How many labels are bought of the first `arrivals` samples.

        >>> [Periodic(0.4, exploration=0.0, seed=0).due(t) for t in range(7)]
        [0, 0, 0, 1, 1, 2, 2]
        """
        return arrivals * self.fraction.numerator // self.fraction.denominator

    def rule(self, state: State, utility: float, sample_id: str) -> tuple[Decision, State]:
        """See `Sequential.rule`."""
        after = State(self.share, state.arrivals + 1)
        if self.due(after.arrivals) > self.due(state.arrivals):
            # Any utility reaches a threshold of 0.
            return Decision(sample_id, True, utility, 0.0, 1.0, Reason.UNCERTAIN), after
        return Decision(sample_id, False, utility, 1.0, 0.0, Reason.SPENT), after

    def encode(self, state: State) -> dict[str, Any]:
        """The state as JSON-ready values."""
        return {"share": state.share, "arrivals": state.arrivals}

    def read(self, values: dict[str, Any]) -> State:
        """See `Sequential.read`."""
        return State(share_of(values), integer(values, "arrivals"))
