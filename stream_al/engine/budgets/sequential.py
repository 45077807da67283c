"""Sequential: the managers whose rule looks at one arrival after the other.

A published rule knows the utility and its own account. What a service knows besides is put around all
of them here, once:

- *Caps.* A cap takes away the purchase, not the decision: the account goes on as though the label had
  been bought. What a cap forbids is therefore lost and never saved up, so no burst follows a pause.
- *Warm-up.* While the model knows fewer than two classes all utilities are 1. The rules go on as they
  are published, none of which knows of this time; what they buy then is called `warmup`.
- *Another share* in the settings begins a new account.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from msgspec.structs import replace

from stream_al.engine.budgets.base import BudgetManager, Context, Reason, Verdict

__all__ = ["Sequential"]


class Sequential(BudgetManager):
    """A budget manager that is given by a rule about one arrival."""

    claims_budget_law: ClassVar[bool] = False
    explores: ClassVar[bool] = False

    @abstractmethod
    def rule(self, state: Any, utility: float, sample_id: str) -> tuple[Verdict, Any]:
        """The verdict about one arrival if nothing is capped and the model is ready, and the state after."""

    @abstractmethod
    def read(self, values: dict[str, Any]) -> Any:
        """The state that `encode` was given; may raise KeyError, TypeError or ValueError."""

    def decide(
        self, state: Any, utilities: Sequence[float], ids: Sequence[str], context: Context
    ) -> tuple[list[Verdict], Any]:
        """Decide about arrivals in their order; see `BudgetManager.decide`."""
        if state.share != self.share:
            state = self.start()
        room, verdicts = context.room, []
        rounded = np.asarray(utilities, dtype="<f4").tolist()  # as remembered, so that ties stay ties
        for utility, sample_id in zip(rounded, ids, strict=True):
            verdict, state = self.rule(state, utility, sample_id)
            if room <= 0:
                reason = Reason.CAPPED if verdict.selected else verdict.reason
                verdict = replace(verdict, selected=False, propensity=0.0, reason=reason)
            elif verdict.selected:
                room -= 1
                if not context.ready:
                    verdict = replace(verdict, reason=Reason.WARMUP)
            verdicts.append(verdict)
        return verdicts, state

    def decode(self, values: dict[str, Any]) -> Any:
        """The state that `encode` was given; see `BudgetManager.decode`."""
        try:
            return self.read(values)
        except (KeyError, TypeError, ValueError) as error:
            name = type(self).__name__
            raise ValueError(f"not a state of the manager {name}: {error!r}") from error
