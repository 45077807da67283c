"""Fixed uncertainty: buy the label of every sample that is less certain than a fixed threshold.

    buy if p1 <= 1/k + B (1 - 1/k),   p1 the highest of k posteriors, B the budget

(Zliobaite et al. 2014, algorithm "fixed uncertainty", with the threshold of the reference in
scikit-activeml.) For k classes least confidence is u = (1 - p1) k / (k - 1), and the rule becomes

    buy if u >= 1 - B

for every k: the utility already accounts for the number of classes. A model that is more certain than that
buys nothing at all; one that is less certain spends all that the estimate allows.
"""

from __future__ import annotations

from stream_al.engine.budgets.base import Decision
from stream_al.engine.budgets.zliobaite import State, Zliobaite, decision_by_threshold

__all__ = ["Fixed"]


class Fixed(Zliobaite):
    """Buy while there is budget and the utility is at least 1 - share."""

    def start(self) -> State:
        """An empty account; its threshold is the share and never moves."""
        return State(self.share, theta=self.share)

    def choose(self, state: State, utility: float, sample_id: str) -> tuple[Decision, State]:
        """See `Zliobaite.choose`."""
        threshold = 1.0 - self.share
        return decision_by_threshold(sample_id, utility, threshold, selected=utility >= threshold), state
