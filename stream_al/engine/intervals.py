"""Intervals of a share.

Wilson's interval (Probable Inference, the Law of Succession, and Statistical Inference, 1927) also holds near
0 and 1 and with few samples. Labels that were bought with different propensities are as certain as a plain
sample of Kish's effective size, n = (sum w)^2 / sum(w^2) (Kish: Survey Sampling, 1965).
"""

from __future__ import annotations

from typing import TypeVar

from stream_al.engine.samples.table import Floats

__all__ = ["Z_95", "Z_99", "interval", "wilson"]

Z_95 = 1.959963984540054  # the 97.5% quantile of the normal distribution
Z_99 = 2.5758293035489004  # the 99.5% quantile

Number = TypeVar("Number", float, Floats)


def interval(share: float, n: float, z: float = Z_95) -> tuple[float, float]:
    """The ends of the interval of a share, within [0, 1] and around the share itself.

    Args:
        share: The share found, in [0, 1] but for rounding.
        n: How many samples it was found from.
        z: The quantile of the normal distribution; that of 95% by default.

    >>> interval(0.0, 12.0)[0], round(interval(0.0, 12.0)[1], 3)
    (0.0, 0.242)
    """
    low, high = wilson(min(1.0, share), n, z)
    # Rounding must not push an end past 0 or 1, nor past the share, which can be an end itself.
    return min(share, max(0.0, low)), max(share, min(1.0, high))


def wilson(share: Number, n: Number, z: float) -> tuple[Number, Number]:
    """The ends of the interval of a share, or of each of many.

    Args:
        share: The share found, in [0, 1].
        n: How many samples it was found from.
        z: The quantile of the normal distribution: 1.96 for 95%.

    >>> [round(end, 3) for end in wilson(0.8, 10.0, 1.96)]
    [0.49, 0.943]
    """
    z2 = z * z
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = z / (1 + z2 / n) * (share * (1 - share) / n + z2 / (4 * n * n)) ** 0.5
    return centre - half, centre + half
