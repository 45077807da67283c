"""Gradient length: how far would a label move a linear model?

    length  = sum_y p(y) |p - e_y| |x'|,   e_y the class y as a unit vector
    utility = length / (1 + length)

The gradient of the log loss of a softmax model is the outer product of (p - e_y) and x', so its length is the
product of their lengths. The label is not known, so the expectation over the model's probabilities is taken.
x' is what the last step gets, after the scalers, with a 1 for the intercept. |x'| is the root of the mean
square of its values, so that utilities do not saturate where there are many features. Settles, Craven, Ray:
Multiple-Instance Active Learning (NIPS 2007); a logistic model is the softmax of two classes.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import hypot, sqrt

from stream_al.engine.model.sketch import numeric
from stream_al.engine.strategies.base import Candidate


def gradient_length(candidate: Candidate) -> float:
    """The expected length of the gradient, mapped to [0, 1)."""
    if (surprise := _surprise(candidate.probabilities.values())) == 0.0:
        return 0.0
    values = [numeric(value) for value in candidate.model.transformed(candidate.features).values()]
    inputs = [value for value in values if value is not None]
    length = surprise * hypot(1.0, *inputs) / sqrt(1 + len(inputs))
    return 1.0 - 1.0 / (1.0 + length)


def _surprise(probabilities: Iterable[float]) -> float:
    """The expected length of p - e_y: sum_y p(y) root((1 - p(y))^2 + the squares of the others)."""
    *others, best = sorted(probabilities)
    # The square of the best is added last: beside it, small ones would be lost.
    rest = sum(p * p for p in others)
    lengths = (p * sqrt((1.0 - p) ** 2 + best * best + rest - p * p) for p in others)
    return best * hypot(1.0 - best, sqrt(rest)) + sum(lengths)
