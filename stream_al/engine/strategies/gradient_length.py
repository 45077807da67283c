"""Gradient length: how far would a label move a linear model?

    length  = sum_y p(y) |p - e_y| |x'|,   e_y the class y as a unit vector
    utility = length / (1 + length)

The gradient of the log loss of a softmax model is the outer product of (p - e_y) and x', so its length is
the product of theirs; its expectation over what the model believes is taken, since the label is not known.
x' is what the last step sees, after the scalers, with a 1 for the intercept, and |x'| is the root of the
mean square over its values, so that utilities do not saturate where there are many features. Settles,
Craven, Ray: Multiple-Instance Active Learning (NIPS 2007); a logistic model is the softmax of two classes.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import hypot, sqrt

from stream_al.engine.model.sketch import numeric
from stream_al.engine.strategies.base import Candidate


def gradient_length(candidate: Candidate) -> float:
    """The expected length of the gradient, squashed."""
    if (surprise := _surprise(candidate.probabilities.values())) == 0.0:
        return 0.0
    seen = [numeric(value) for value in candidate.model.transformed(candidate.features).values()]
    inputs = [value for value in seen if value is not None]
    length = surprise * hypot(1.0, *inputs) / sqrt(1 + len(inputs))
    return 1.0 - 1.0 / (1.0 + length)


def _surprise(probabilities: Iterable[float]) -> float:
    """The expected length of p - e_y: sum_y p(y) root((1 - p(y))^2 + the squares of the others)."""
    *others, best = sorted(probabilities)
    rest = sum(p * p for p in others)  # kept apart from the best, beside whose square it would get lost
    lengths = (p * sqrt((1.0 - p) ** 2 + best * best + rest - p * p) for p in others)
    return best * hypot(1.0 - best, sqrt(rest)) + sum(lengths)
