"""Error reduction: how much would the label lower the expected error of the model?

    error   = mean over the last examples x of 1 - max_c P(c | x)
    utility = error now / (error now + sum_y p(y) error after learning y)

This is the expected error by the model's own probabilities, under 0/1 loss, over the last examples: Roy,
McCallum: Toward Optimal Active Learning through Sampling Estimation of Error Reduction (ICML 2001), over a
recent window instead of a pool. As a share it lies in [0, 1] for any level of the error: 1/2 means that
nothing would change, 1 that no error would be left. It costs one copy of the model for each likely label.
"""

from __future__ import annotations

from stream_al.engine.strategies.base import Candidate
from stream_al.engine.strategies.lookahead.lookahead import RecentPredictions, lookahead, without_lookahead


def error_reduction(candidate: Candidate) -> float:
    """The expected error now, as a share of its sum with the expected error after the label."""
    if not candidate.model.copies_fast():
        return without_lookahead(candidate)
    now = expected_error(candidate.model.recent_predictions())
    after = sum(p * expected_error(then) for p, then in lookahead(candidate))
    return now / (now + after) if now + after > 0.0 else 0.5


def expected_error(recent_predictions: RecentPredictions) -> float:
    """The error that a model expects of itself.

    >>> expected_error([{"x": 0.75, "y": 0.25}, {"x": 0.5, "y": 0.5}, {}])
    0.375
    """
    known = [max(probabilities.values()) for probabilities in recent_predictions if probabilities]
    return 1.0 - sum(known) / len(known) if known else 0.0
