"""Variable uncertainty with randomisation: the moving threshold, with noise on it at every sample.

    buy if confidence < theta eta,   eta drawn from the normal distribution N(1, 1)
    theta <- theta (1 - s) if bought, theta (1 + s) if not

Zliobaite et al. 2014, algorithm "uncertainty strategy with randomization", delta = 1. Because of the noise
certain samples are bought now and then, so that a change far from the decision boundary is noticed. The
propensity is the probability that eta is large enough for this sample, P(eta > confidence / theta). It tends
to 0 where the model is certain, and is 0 while the budget is spent.
"""

from __future__ import annotations

from math import erfc, sqrt
from statistics import NormalDist

from stream_al.engine.budgets.base import Decision
from stream_al.engine.budgets.zliobaite import State, Zliobaite, decision_by_threshold
from stream_al.engine.randomness import uniform

__all__ = ["VariableRandom", "noise"]

_NOISE = NormalDist(1.0, 1.0)
_SMALLEST = 2.0**-54  # half a step of `uniform`, whose 0 would give minus infinity


def noise(seed: int, sample_id: str) -> float:
    """The factor eta of this sample, from N(1, 1) by the inverse of the distribution function."""
    return _NOISE.inv_cdf(max(_SMALLEST, uniform(seed, "threshold", sample_id)))


class VariableRandom(Zliobaite):
    """Buy while there is budget and the confidence is below a moving threshold with noise on it."""

    def choose(self, state: State, utility: float, sample_id: str) -> tuple[Decision, State]:
        """See `Zliobaite.choose`."""
        threshold = 1.0 - state.theta * noise(self.seed, sample_id)
        passes = 0.5 * erfc(((1.0 - utility) / state.theta - 1.0) / sqrt(2.0))  # exact in the far tail too
        selected = utility > threshold
        decision = decision_by_threshold(sample_id, utility, threshold, selected=selected, propensity=passes)
        return decision, state.moved(bought=decision.selected)
