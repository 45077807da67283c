"""Sketches: samples as small fixed vectors, so that nearness can be judged and remembered.

A strategy that asks how near two samples are needs them as points, and an account that travels in the
metadata of an offset commit has room for very small ones only. A sketch is `COMPONENTS` numbers of one
byte each, a random projection of the sample:

    component j = sum over the features of z * sign(feature, j) / sqrt(number of known features)

z is a number's distance from its mean in standard deviations; a text stands for its words, each with a
row of signs of its own. Signs instead of a Gaussian matrix keep distances as well (Achlioptas:
Database-friendly Random Projections, PODS 2001); drawn by hashing the names they need no table, as with
the hashing trick (Weinberger et al.: Feature Hashing for Large Scale Multitask Learning, ICML 2009).

All sums are of integers, hence exact: every replica makes the same bytes of the same sample.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from math import isfinite, sqrt
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["COMPONENTS", "Point", "Points", "numeric", "points", "project", "spread", "squared_distances"]

COMPONENTS = 16
FARTHEST = 8.0  # standard deviations; beyond, a value is an outlier and no more
GRAIN = 64  # steps of a standard deviation in the sums
STEP = 32  # steps of a standard deviation in a sketch: one byte holds almost 4 of them
WORDS = 100  # of a text that are looked at

Point: TypeAlias = bytes
"""A sketch: `COMPONENTS` signed bytes."""
Points: TypeAlias = NDArray[np.int64]
"""Sketches, one a row."""
Signs: TypeAlias = NDArray[np.int64]


def project(features: Mapping[str, object], scale: Mapping[str, Sequence[float]]) -> Point:
    """The sketch of a sample.

    Args:
        features: The sample's features. What is missing counts as average; what `scale` does not know
            has no say.
        scale: Feature to (mean, standard deviation) of its numbers.

    Examples:
        >>> scale = {"x": (0.0, 1.0), "y": (5.0, 2.0)}
        >>> project({"x": 0.0, "y": 5.0}, scale) == project({}, scale) == bytes(COMPONENTS)
        True
        >>> len(project({"x": 9.0, "y": "red"}, scale))
        16
    """
    names: list[str] = []
    steps: list[int] = []
    total = np.zeros(COMPONENTS, dtype=np.int64)
    for name, value in features.items():
        known = scale.get(name)
        if known is None:
            continue
        if isinstance(value, str):
            words = value.split()[:WORDS] or [""]
            weight = round(GRAIN / sqrt(len(words)))
            total += weight * _signs(f"{name}\0{word}" for word in words).sum(axis=0)
        elif (number := numeric(value)) is not None:
            names.append(name)
            steps.append(_steps(number, *known))
    if names:
        total += np.asarray(steps, dtype=np.int64) @ _signs_of(tuple(names))
    scaled = total * (STEP / GRAIN / sqrt(max(1, len(scale))))
    sketch: Point = np.clip(np.rint(scaled), -127, 127).astype(np.int8).tobytes()
    return sketch


def numeric(value: object) -> float | None:
    """A feature's value as a number that can be computed with; None if it is none."""
    if not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if isfinite(number) else None


def points(rows: bytes) -> Points:
    """Sketches that lie one behind the other.

    >>> points(bytes(2 * COMPONENTS)).shape
    (2, 16)
    """
    return np.frombuffer(rows, dtype=np.int8).reshape(-1, COMPONENTS).astype(np.int64)


def squared_distances(these: Points, point: Point) -> NDArray[np.int64]:
    """The squared Euclidean distance of each sketch to one, in steps."""
    gaps = these - np.frombuffer(point, dtype=np.int8)
    found: NDArray[np.int64] = np.einsum("ij,ij->i", gaps, gaps)
    return found


def spread(these: Points) -> float:
    """The mean squared distance between sketches, over pairs half of them apart in time; 0 for fewer than 2.

    Neighbours in a stream often resemble each other; those half a memory apart resemble each other as
    much as any two.
    """
    half = len(these) // 2
    if not half:
        return 0.0
    gaps = these[half : 2 * half] - these[:half]
    return float(np.einsum("ij,ij->", gaps, gaps)) / half


def _steps(number: float, mean: float, deviation: float) -> int:
    """A number's place on its feature's scale, in grains."""
    gap = number - mean  # may overflow to an infinite, and then is an outlier all the same
    z = gap / deviation if deviation > 0.0 else FARTHEST * ((gap > 0.0) - (gap < 0.0))
    return 0 if z != z else round(GRAIN * min(FARTHEST, max(-FARTHEST, z)))  # noqa: PLR0124 -- NaN alone differs


@lru_cache(maxsize=16)
def _signs_of(names: tuple[str, ...]) -> Signs:
    return _signs(names)


def _signs(keys: Iterable[Any]) -> Signs:
    """A row of signs for each key, out of its hash."""
    encoded = (str(key).encode("utf-8", "surrogatepass") for key in keys)
    hashes = b"".join(blake2b(key, digest_size=COMPONENTS // 8).digest() for key in encoded)
    bits = np.unpackbits(np.frombuffer(hashes, dtype=np.uint8)).reshape(-1, COMPONENTS)
    return 2 * bits.astype(np.int64) - 1
