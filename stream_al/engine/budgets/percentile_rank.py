"""Percentile ranks: how high a utility lies among those just before it.

A sample's *percentile rank* is the rank of its utility among the last `NEIGHBOURS` utilities, in the middle
of equal ones. Which rank is a high one is decided by the last `RANKS` percentile ranks. Utilities drift, as a
model learns and as a stream changes. A rank among neighbours means the same all the time, and while utilities
rise for a long time, a rank above the neighbours is nothing special and a higher one is required.

A percentile rank is kept as a doubled rank out of 2 `NEIGHBOURS`, a whole number that fits a byte.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from math import nextafter
from typing import Any

from stream_al.engine.encoding import pack, unpack
from stream_al.engine.window import Window

__all__ = ["NEIGHBOURS", "RANKS", "PercentileRanks", "decode", "encode"]

NEIGHBOURS = 48  # utilities that a sample's own is compared with
RANKS = 200  # percentile ranks that a sample's own is compared with


class PercentileRanks:
    """The last utilities and their percentile ranks, changed from sample to sample.

    Args:
        utilities: The last `NEIGHBOURS`, oldest first, as float32 holds them.
        ranks: The last `RANKS` percentile ranks, oldest first, a byte each.

    >>> last = PercentileRanks()
    >>> for utility in (0.25, 0.75, 0.5, 0.5):
    ...     last.remember(utility)
    >>> list(last.ranks)
    [48, 96, 48, 48]
    >>> last.utility_at((1, 2)), last.utility_at((3, 4))
    (0.5, 0.7500000000000001)
    """

    def __init__(self, utilities: Sequence[float] = (), ranks: bytes = b"") -> None:
        self._utilities = Window(utilities, limit=NEIGHBOURS)
        self._ranks = Window(ranks, limit=RANKS)

    @property
    def utilities(self) -> tuple[float, ...]:
        """The utilities given, and those remembered since."""
        return tuple(self._utilities.values)

    @property
    def ranks(self) -> bytes:
        """The percentile ranks given, and those remembered since."""
        return bytes(self._ranks.values)

    def utility_at(self, quantile: tuple[int, int]) -> float:
        """The lowest utility whose percentile rank now reaches this quantile of the last percentile ranks.

        Args:
            quantile: As numerator and denominator.

        Returns:
            A utility. It is 0 while nothing is remembered. Where no utility below 1 reaches the quantile, it
            is 1, which nothing exceeds.
        """
        neighbours, ranked = self._utilities.ranked, self._ranks.ranked
        if not ranked:
            return 0.0
        required = -(-ranked[len(ranked) * quantile[0] // quantile[1]] * len(neighbours) // NEIGHBOURS)
        if not required:
            return 0.0
        value = neighbours[(required - 1) // 2]
        return value if self._utilities.doubled_rank(value) >= required else nextafter(value, 1.0)

    def remember(self, utility: float) -> None:
        """Take in the utility of one more sample."""
        known = len(self._utilities.ranked)
        doubled = self._utilities.add(utility)
        self._ranks.add(doubled * NEIGHBOURS // known if known else NEIGHBOURS)


def encode(utilities: Sequence[float], ranks: bytes) -> dict[str, Any]:
    """Utilities and percentile ranks as JSON-ready values."""
    return {"recent": pack(utilities), "standings": b64encode(ranks).decode()}


def decode(values: Mapping[str, Any]) -> tuple[tuple[float, ...], bytes]:
    """The utilities and percentile ranks that `encode` was given.

    Raises:
        ValueError: These are not values that `encode` returned; KeyError and TypeError likewise.
    """
    ranks = b64decode(values["standings"], validate=True)
    if len(ranks) > RANKS or (ranks and max(ranks) > 2 * NEIGHBOURS):
        raise ValueError("percentile ranks are out of their range")
    return unpack(values, "recent", NEIGHBOURS), ranks
