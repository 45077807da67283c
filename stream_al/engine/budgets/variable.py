"""Variable uncertainty: buy the least certain, by a threshold that moves with what is bought.

    buy if confidence < theta;   theta <- theta (1 - s) if bought, theta (1 + s) if not

Zliobaite et al. 2014, algorithm "variable uncertainty"; the spending, the confidence and the step are
those of `zliobaite`.
"""

from __future__ import annotations

from stream_al.engine.budgets.base import Verdict
from stream_al.engine.budgets.zliobaite import State, Zliobaite, verdict_of

__all__ = ["Variable"]


class Variable(Zliobaite):
    """Buy while there is budget and the confidence is below a moving threshold."""

    def choose(self, state: State, utility: float, sample_id: str) -> tuple[Verdict, State]:
        """See `Zliobaite.choose`."""
        threshold = 1.0 - state.theta
        verdict = verdict_of(selected=utility > threshold, threshold=threshold)
        return verdict, state.moved(bought=verdict.selected)
