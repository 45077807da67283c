"""Model change: how much would the label change the predictions?

    utility = sum_y p(y) mean over the last examples x of 1/2 sum_c |P'_y(c | x) - P(c | x)|

P'_y is the model after it has learned the label y of this sample. It is the expected model change of Settles,
Craven, Ray: Multiple-Instance Active Learning (NIPS 2007), measured by the predictions of a model (the total
variation of its distributions, in [0, 1]) and not by its parameters. So it works with any model, also with
trees and forests. It costs one copy of the model for each likely label.
"""

from __future__ import annotations

from stream_al.engine.strategies.base import Candidate
from stream_al.engine.strategies.lookahead.lookahead import RecentPredictions, lookahead, without_lookahead


def model_change(candidate: Candidate) -> float:
    """The expected change of the distributions over the last examples."""
    if not candidate.model.copies_fast():
        return without_lookahead(candidate)
    now = candidate.model.recent_predictions()
    return sum(p * variation(now, then) for p, then in lookahead(candidate))


def variation(now: RecentPredictions, then: RecentPredictions) -> float:
    """The mean total variation between two lists of predictions, where both have one.

    >>> variation([{"x": 1.0, "y": 0.0}, {}], [{"x": 0.5, "y": 0.5}, {"x": 1.0}])
    0.5
    """
    pairs = [(one, other) for one, other in zip(now, then, strict=True) if one and other]
    if not pairs:
        return 0.0
    gaps = (abs(one.get(label, 0.0) - p) for one, other in pairs for label, p in other.items())
    return sum(gaps) / 2.0 / len(pairs)
