"""Standing: how high does a utility stand among those around it?

An arrival's *standing* is its place among the last `NEAR` utilities, in the middle of its equals. What a
high standing is, the last `MEMORY` standings say. Utilities drift, as a model learns and as a stream changes;
among its neighbours each can be judged all the same, and while utilities rise for long, standing above the
neighbours is nothing special and more is asked for.

A standing is counted in halves of places, from 0 to 2 `NEAR`, hence in whole numbers that fit a byte.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from math import nextafter
from typing import Any

from stream_al.engine.encoding import pack, unpack
from stream_al.engine.window import Window

__all__ = ["MEMORY", "NEAR", "PercentileRanks", "decode", "encode"]

NEAR = 48  # utilities that an arrival's own is compared with
MEMORY = 200  # standings that its standing is compared with


class PercentileRanks:
    """The last utilities and how high they stood, changed from arrival to arrival.

    Args:
        utilities: The last `NEAR`, oldest first, as float32 holds them.
        places: The last `MEMORY` standings, oldest first, a byte each.

    >>> ranks = PercentileRanks()
    >>> for utility in (0.25, 0.75, 0.5, 0.5):
    ...     ranks.remember(utility)
    >>> list(ranks.places)
    [48, 96, 48, 48]
    >>> ranks.utility_at((1, 2)), ranks.utility_at((3, 4))
    (0.5, 0.7500000000000001)
    """

    def __init__(self, utilities: Sequence[float] = (), places: bytes = b"") -> None:
        self._near = Window(utilities, most=NEAR)
        self._places = Window(places, most=MEMORY)

    @property
    def utilities(self) -> tuple[float, ...]:
        """As given and remembered since."""
        return tuple(self._near.values)

    @property
    def places(self) -> bytes:
        """As given and remembered since."""
        return bytes(self._places.values)

    def utility_at(self, quantile: tuple[int, int]) -> float:
        """The least utility that now stands as high as this quantile of the last standings.

        Args:
            quantile: As numerator and denominator.

        Returns:
            A utility; 0 while nothing is remembered, and 1, which nothing exceeds, where none stands so high.
        """
        near, ranked = self._near.ranked, self._places.ranked
        if not ranked:
            return 0.0
        halves = -(-ranked[len(ranked) * quantile[0] // quantile[1]] * len(near) // NEAR)
        if not halves:
            return 0.0
        value = near[(halves - 1) // 2]
        return value if self._near.halves(value) >= halves else nextafter(value, 1.0)

    def remember(self, utility: float) -> None:
        """One more arrival."""
        known = len(self._near.ranked)
        halves = self._near.add(utility)
        self._places.add(halves * NEAR // known if known else NEAR)


def encode(utilities: Sequence[float], places: bytes) -> dict[str, Any]:
    """Utilities and standings as JSON-ready values."""
    return {"recent": pack(utilities), "standings": b64encode(places).decode()}


def decode(values: Mapping[str, Any]) -> tuple[tuple[float, ...], bytes]:
    """The utilities and standings that `encode` was given.

    Raises:
        ValueError: These are not values that `encode` returned; KeyError and TypeError likewise.
    """
    places = b64decode(values["standings"], validate=True)
    if len(places) > MEMORY or (places and max(places) > 2 * NEAR):
        raise ValueError("standings are out of their range")
    return unpack(values, "recent", NEAR), places
