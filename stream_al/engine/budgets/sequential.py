"""Sequential: managers whose rule sees one sample after the other.

A published rule knows the utility and its own account. This class adds what a service knows besides, once for
all of them:

- *Caps* (`under_cap`): the account goes on as if the label had been bought.
- *Warm-up.* While the model knows fewer than two classes, all utilities are 1. The published rules do not
  know of this time, and go on as they are; what they buy in it has the reason `warmup`.
- *Another share* in the settings begins a new account.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from msgspec.structs import replace

from stream_al.engine.budgets.base import BudgetManager, Context, Decision, Reason, Session, under_cap

__all__ = ["Sequential"]


class Sequential(BudgetManager):
    """A budget manager that is given by a rule about one sample."""

    claims_budget_law: ClassVar[bool] = False
    explores: ClassVar[bool] = False

    @abstractmethod
    def rule(self, state: Any, utility: float, sample_id: str) -> tuple[Decision, Any]:
        """The decision about one sample without caps and with a ready model, and the state after it."""

    @abstractmethod
    def read(self, values: dict[str, Any]) -> Any:
        """The state that `encode` was given; may raise KeyError, TypeError or ValueError."""

    def session(self, state: Any, context: Context) -> Session:
        """Begin to decide; see `BudgetManager.session`."""
        return _Session(self, state if state.share == self.share else self.start(), context)

    def decode(self, values: dict[str, Any]) -> Any:
        """The state that `encode` was given; see `BudgetManager.decode`."""
        try:
            return self.read(values)
        except (KeyError, TypeError, ValueError) as error:
            name = type(self).__name__
            raise ValueError(f"not a state of the manager {name}: {error!r}") from error


class _Session:
    def __init__(self, manager: Sequential, state: Any, context: Context) -> None:
        self.manager = manager
        self.ready = context.ready
        self.room = context.room
        self._state = state

    def step(self, utility: float, sample_id: str) -> Decision:
        decision, self._state = self.manager.rule(self._state, utility, sample_id)
        decision = under_cap(decision, self.room)
        self.room -= decision.selected
        if decision.selected and not self.ready:
            return replace(decision, reason=Reason.WARMUP)
        return decision

    def state(self) -> Any:
        return self._state
