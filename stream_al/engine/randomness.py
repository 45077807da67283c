"""Randomness that a replay repeats.

A draw is a hash of the seed and of what is decided, and never the next number of a generator. The numbers of
a generator depend on how many were drawn before, and a service that crashes, replays and moves partitions
between processes cannot know that. Draws for one sample differ by their `purpose`, so that the draw for
exploring is independent of a random utility.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

__all__ = ["Draws", "uniform"]

_GOLDEN, _FIRST, _SECOND = (
    np.uint64(0x9E3779B97F4A7C15),
    np.uint64(0xBF58476D1CE4E5B9),
    np.uint64(0x94D049BB133111EB),
)
_UNIT = 2.0**-53  # a float holds 53 bits, so every draw is exact


def uniform(seed: int, purpose: str, sample_id: str) -> float:
    """A number in [0, 1), always the same for the same arguments.

    Args:
        seed: The application's seed.
        purpose: What the number decides.
        sample_id: The sample that it is drawn for.

    >>> uniform(0, "coin", "txn-1") == uniform(0, "coin", "txn-1")
    True
    >>> uniform(0, "coin", "txn-1") == uniform(1, "coin", "txn-1")
    False
    """
    text = f"{seed}\0{purpose}\0{sample_id}"
    # JSON strings, and so ids, may hold lone surrogates, which strict UTF-8 refuses.
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) * _UNIT


class Draws:
    """Many numbers for one step of a computation, always the same for the same seed, purpose and step.

    The n-th number is a hash of the key and n: the finaliser of SplitMix64, over a key that is hashed from
    the arguments. Nothing is left behind when the step is over.

        Steele, Lea, Flood: Fast splittable pseudorandom number generators. OOPSLA 2014.

    Args:
        seed: The application's seed.
        purpose: What the numbers decide.
        step: The number of the step.

    Examples:
        >>> Draws(0, "splits", 7).uniform(3).tolist() == Draws(0, "splits", 7).uniform(3).tolist()
        True
        >>> sorted(Draws(0, "order", 1).permutation(4).tolist())
        [0, 1, 2, 3]
    """

    def __init__(self, seed: int, purpose: str, step: int) -> None:
        key = blake2b(f"{seed}\0{purpose}\0{step}".encode(), digest_size=8).digest()
        self._key = np.frombuffer(key, "<u8")
        self._drawn = 0

    def uniform(self, *shape: int) -> NDArray[np.float64]:
        """Numbers in [0, 1)."""
        number = math.prod(shape)
        drawn = _hashed(self._key, self._drawn, number).reshape(shape)
        self._drawn += number
        return drawn

    @staticmethod
    def normals(seed: int, purpose: str, steps: Sequence[int], number: int) -> NDArray[np.float64]:
        """Numbers of the standard normal distribution for each of several steps, a row a step.

        They are made by Box and Muller's transform. A row depends on its own step alone.

        >>> two = Draws.normals(0, "directions", [3, 4], 5)
        >>> bool((two[1] == Draws.normals(0, "directions", [4], 5)[0]).all())
        True
        """
        keys = np.array([Draws(seed, purpose, step)._key for step in steps])
        drawn = _hashed(keys, 0, 2 * number)
        return _normal(drawn[:, :number], drawn[:, number:])

    def permutation(self, number: int) -> NDArray[np.intp]:
        """The numbers below a number, in random order."""
        return np.argsort(self.uniform(number), kind="stable")


def _hashed(key: NDArray[np.uint64], first: int, number: int) -> NDArray[np.float64]:
    """The numbers in [0, 1) from place `first` on; a row a key if there are several."""
    bits = np.arange(first + 1, first + 1 + number, dtype=np.uint64) * _GOLDEN + key
    bits ^= bits >> np.uint64(30)
    bits *= _FIRST
    bits ^= bits >> np.uint64(27)
    bits *= _SECOND
    bits ^= bits >> np.uint64(31)
    drawn: NDArray[np.float64] = (bits >> np.uint64(11)) * np.float64(_UNIT)
    return drawn


def _normal(radius: NDArray[np.float64], angle: NDArray[np.float64]) -> NDArray[np.float64]:
    drawn: NDArray[np.float64] = np.sqrt(-2.0 * np.log1p(-radius)) * np.cos(2.0 * math.pi * angle)
    return drawn
