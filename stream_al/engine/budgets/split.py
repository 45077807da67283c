"""Split: some samples are bought at random, the others by variable uncertainty.

    with probability v:  buy with probability B, whatever the utility
    otherwise:           buy if confidence < theta, and move theta as `variable` does

Zliobaite et al. 2014, algorithm "split", where v is `exploration` and B the budget. The random part neither
reads nor moves the threshold. Both parts stop where the estimated spending reaches B. Given the state, a
sample is bought with probability v B + (1 - v) [confidence < theta] while there is budget, and with
probability 0 when it is spent.
"""

from __future__ import annotations

from typing import ClassVar

from stream_al.engine.budgets.base import Decision, Reason
from stream_al.engine.budgets.zliobaite import State, Zliobaite, clipped
from stream_al.engine.randomness import uniform

__all__ = ["Split"]


class Split(Zliobaite):
    """Buy while there is budget, at random or below a moving threshold."""

    explores: ClassVar[bool] = True

    def choose(self, state: State, utility: float, sample_id: str) -> tuple[Decision, State]:
        """See `Zliobaite.choose`."""
        threshold = 1.0 - state.theta
        taken = utility > threshold
        propensity = self.exploration * self.share + (1.0 - self.exploration) * taken
        if uniform(self.seed, "explore", sample_id) < self.exploration:
            selected, reason = uniform(self.seed, "buy", sample_id) < self.share, Reason.EXPLORE
        else:
            selected, reason = taken, Reason.UNCERTAIN
            state = state.moved(bought=taken)
        reason = reason if selected else Reason.BELOW
        return Decision(sample_id, selected, utility, clipped(threshold), propensity, reason), state
