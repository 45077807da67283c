"""Fixed uncertainty: buy whatever is less certain than a threshold that never moves.

    buy if p1 <= 1/k + B (1 - 1/k),   p1 the highest of k posteriors, B the budget

(Zliobaite et al. 2014, algorithm "fixed uncertainty", with the threshold of the reference in
scikit-activeml.) For k classes least confidence is u = (1 - p1) k / (k - 1), and the rule becomes

    buy if u >= 1 - B

whatever k is: the utility carries the number of classes, and the manager need not know it. A model that
is surer than that buys nothing at all, one that is less sure spends all that the estimate allows.
"""

from __future__ import annotations

from stream_al.engine.budgets.base import Verdict
from stream_al.engine.budgets.zliobaite import State, Zliobaite, verdict_of

__all__ = ["Fixed"]


class Fixed(Zliobaite):
    """Buy while there is budget and the utility is at least 1 - share."""

    def start(self) -> State:
        """An empty account; its threshold is the share and stays so."""
        return State(self.share, theta=self.share)

    def choose(self, state: State, utility: float, sample_id: str) -> tuple[Verdict, State]:
        """See `Zliobaite.choose`."""
        threshold = 1.0 - self.share
        return verdict_of(selected=utility >= threshold, threshold=threshold), state
