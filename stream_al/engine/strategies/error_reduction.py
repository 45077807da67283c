"""Error reduction: how much more certain of its answers would the answer make the model?

    error   = mean over the last examples x of 1 - max_c P(c | x)
    utility = error now / (error now + sum_y p(y) error after learning y)

The expected error by the model's own belief, under 0/1 loss, over the last examples: Roy, McCallum: Toward
Optimal Active Learning through Sampling Estimation of Error Reduction (ICML 2001), over a recent window
instead of a pool. As a share it lies in [0, 1] whatever the level of the error: 1/2 says that nothing
would change, 1 that no error would be left. It costs a copy of the model a likely label.
"""

from __future__ import annotations

from stream_al.engine.strategies.base import Candidate
from stream_al.engine.strategies.lookahead import RecentPredictions, lookahead


def error_reduction(candidate: Candidate) -> float:
    """The expected error now, beside the one after an answer."""
    now = expected_error(candidate.model.recent_predictions())
    after = sum(p * expected_error(then) for p, then in lookahead(candidate))
    return now / (now + after) if now + after > 0.0 else 0.5


def expected_error(recent_predictions: RecentPredictions) -> float:
    """The error that a model believes it makes.

    >>> expected_error([{"x": 0.75, "y": 0.25}, {"x": 0.5, "y": 0.5}, {}])
    0.375
    """
    known = [max(opinion.values()) for opinion in recent_predictions if opinion]
    return 1.0 - sum(known) / len(known) if known else 0.0
