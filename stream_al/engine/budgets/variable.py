"""Variable uncertainty: buy the labels of the least certain samples, by a threshold that moves.

    buy if confidence < theta;   theta <- theta (1 - s) if bought, theta (1 + s) if not

Zliobaite et al. 2014, algorithm "variable uncertainty"; the spending, the confidence and the step are
those of `zliobaite`.
"""

from __future__ import annotations

from stream_al.engine.budgets.base import Decision
from stream_al.engine.budgets.zliobaite import State, Zliobaite, decision_by_threshold

__all__ = ["Variable"]


class Variable(Zliobaite):
    """Buy while there is budget and the confidence is below a moving threshold."""

    def choose(self, state: State, utility: float, sample_id: str) -> tuple[Decision, State]:
        """See `Zliobaite.choose`."""
        threshold = 1.0 - state.theta
        decision = decision_by_threshold(sample_id, utility, threshold, selected=utility > threshold)
        return decision, state.moved(bought=decision.selected)
