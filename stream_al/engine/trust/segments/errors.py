"""Errors: the error within many segments and outside them, weighted to the whole stream.

A case that was selected with probability p counts w = 1 / p times (`engine.labels.evaluation`). With e = 1
where the prediction was wrong, the error of a set of cases is sum(w e) / sum(w), and by linearisation its
variance is about sum(w^2 (e - error)^2) / sum(w)^2 (Saerndal, Swensson, Wretman: Model Assisted Survey
Sampling, 1992, section 5.7). The statistic of a segment is

    t = (error within - error outside) / sqrt(variance within + variance outside)

All of it follows from four sums, so thousands of segments are compared by one product of matrices.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["SUMS", "statistics", "terms"]

Floats = NDArray[np.float64]
SUMS = 4  # w, w e, w^2, w^2 e


def terms(wrong: NDArray[np.bool_], propensity: Floats) -> Floats:
    """The four numbers of each case whose sums are compared, shape (cases, 4)."""
    w = 1.0 / propensity
    return np.stack([w, w * wrong, w * w, w * w * wrong], axis=1)


def statistics(within: Floats, total: Any) -> Floats:
    """The statistic of each segment.

    Args:
        within: The sums of the cases within, shape (..., segments, 4).
        total: The sums of all cases, which broadcast with it.

    >>> cases = terms(np.array([True, True, True, False, False, True]), np.ones(6))
    >>> statistics(cases[None, :3].sum(axis=1), cases.sum(axis=0)).round(2)
    array([2.45])
    """
    error, variance = _error(within)
    rest, rest_variance = _error(total - within)
    spread = np.sqrt(np.maximum(variance + rest_variance, 1e-12))
    found: Floats = (error - rest) / spread
    return found


def _error(sums: Any) -> tuple[Floats, Floats]:
    weight = np.maximum(sums[..., 0], 1e-100)  # its square must not vanish
    error = sums[..., 1] / weight
    squares = sums[..., 3] * (1.0 - 2.0 * error) + error * error * sums[..., 2]
    return error, np.maximum(squares, 0.0) / (weight * weight)
