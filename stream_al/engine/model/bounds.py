"""Bounds: how large a number may be that a River model gets.

River keeps running sums of squares (variances, in Welford's form), products of features (polynomials,
factorisation machines) and gradients. One value such as 1.8e308 makes such a sum infinite, then NaN, and from
then on the model has no probabilities for any sample, for ever.

So a number beyond `LARGEST` counts as `LARGEST`, with its sign, when a model learns from it and when it
predicts. `LARGEST` is the largest number of 32-bit floats, 3.4e38. What people measure lies far below:
nanoseconds since 1970 are 2e18, ids of 64 bits 2e19, and amounts in the smallest unit of a currency with 18
decimals 1e30. What is computed from it stays finite:

    the sum of a billion squares         1e9 (2 LARGEST)^2    5e86
    the square of a product of three     LARGEST^6            2e231
    the largest number of 64-bit floats                       2e308

Nothing is bounded in the records: queries and examples hold the number as it came. `auto` and its members
need no bound (`engine.learners.encoder.values`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from stream_al.engine.samples.table import Floats

__all__ = ["LARGEST", "bounded", "bounded_table"]

LARGEST = float(np.finfo(np.float32).max)


def bounded(features: Mapping[Any, Any]) -> dict[Any, Any]:
    """The features, each number within the bounds.

    >>> bounded({"x": 1.5, "y": -1.8e308, "z": "1e400"}) == {"x": 1.5, "y": -LARGEST, "z": "1e400"}
    True
    """
    within = dict(features)
    for name, value in features.items():
        if (type(value) is float or type(value) is int) and not -LARGEST <= value <= LARGEST:
            within[name] = LARGEST if value > LARGEST else max(value, -LARGEST)  # NaN stays
    return within


def bounded_table(values: Floats) -> Floats:
    """The numbers, each within the bounds, as `bounded` has them."""
    within: Floats = np.clip(values, -LARGEST, LARGEST)
    return within
