"""Sketches: samples as small vectors of fixed size, between which distances can be measured.

Strategies that compare samples need them as points, and a history that is stored in the metadata of an offset
commit has room only for very small ones. A sketch is `COMPONENTS` numbers of one byte each, a random
projection of the sample:

    component j = sum over the features of z * sign(feature, j) / sqrt(number of known features)

For a number, z is its distance from its mean in standard deviations. A text is the sum of its words, each
with a row of signs of its own. Random signs keep distances as well as a Gaussian matrix does (Achlioptas:
Database-friendly Random Projections, PODS 2001). They are hashes of the names and so need no table, as in
feature hashing (Weinberger et al.: Feature Hashing for Large Scale Multitask Learning, ICML 2009).

All sums are of integers, hence exact: every replica makes the same bytes of the same sample.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from math import isfinite, sqrt
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stream_al.engine.samples.table import Floats, Sample, Table, sample_of

__all__ = [
    "COMPONENTS",
    "Point",
    "Points",
    "Sketches",
    "numeric",
    "points",
    "project",
    "project_all",
    "spread",
    "squared_distances",
]

COMPONENTS = 16
FARTHEST = 8.0  # standard deviations; values beyond count as this far
GRAIN = 64  # steps of a standard deviation in the sums
STEP = 32  # steps of a standard deviation in a sketch: one byte holds almost 4 of them
WORDS = 100  # of a text that are read
WORDS_KEPT = 4096  # whose signs are cached

Point: TypeAlias = bytes
"""A sketch: `COMPONENTS` signed bytes."""
Points: TypeAlias = NDArray[np.int64]
"""Sketches, one a row."""
Sketches: TypeAlias = NDArray[np.int8]
"""Sketches, one a row, in one byte each."""


def project(features: Mapping[str, object], scale: Mapping[str, Sequence[float]]) -> Point:
    """The sketch of a sample.

    Args:
        features: The sample's features. A missing feature counts as average; a feature that is not in
            `scale` is ignored.
        scale: Feature to (mean, standard deviation) of its numbers.

    >>> scale = {"x": (0.0, 1.0), "y": (5.0, 2.0)}
    >>> project({"x": 0.0, "y": 5.0}, scale) == project({}, scale) == bytes(COMPONENTS)
    True
    >>> len(project({"x": 9.0, "y": "red"}, scale))
    16
    """
    return project_all([sample_of("", features)], scale).tobytes()


def project_all(samples: Sequence[Sample], scale: Mapping[str, Sequence[float]]) -> Sketches:
    """The sketches of samples, a row each."""
    numeric_ones = [place for place, sample in enumerate(samples) if sample.shape.numeric]
    totals = np.zeros((len(samples), COMPONENTS))
    if numeric_ones:
        totals[numeric_ones] = _totals(Table.of([samples[place] for place in numeric_ones]), scale)
    if len(numeric_ones) < len(samples):
        for place in sorted({*range(len(samples))}.difference(numeric_ones)):
            totals[place] = _total(samples[place], scale)
    scaled = totals * (STEP / GRAIN / sqrt(max(1, len(scale))))
    found: Sketches = np.minimum(np.maximum(np.rint(scaled), -127), 127).astype(np.int8)
    return found


def _totals(table: Table, scale: Mapping[str, Sequence[float]]) -> Floats:
    """The sums of numeric samples; they are of integers, and exact in any order."""
    scales = [scale.get(name, (0.0, 0.0)) for name in table.names]
    mean, deviation = np.asarray(scales, dtype=np.float64).T
    known = np.asarray([name in scale for name in table.names])
    columns, values = table.columns, table.values
    with np.errstate(all="ignore"):  # a gap that overflows to infinity counts as FARTHEST
        gaps = values - mean[columns]
        z = np.where(deviation[columns] > 0.0, gaps / deviation[columns], FARTHEST * np.sign(gaps))
    steps = np.rint(GRAIN * np.minimum(np.maximum(z, -FARTHEST), FARTHEST))
    counted = np.where(np.isfinite(values) & known[columns], steps, 0.0)
    signs = _signs_of(tuple(table.names))
    if table.regular:
        found: Floats = counted.reshape(-1, len(table.names)) @ signs
        return found
    return table.sums(counted[:, None] * signs[columns])


def _total(sample: Sample, scale: Mapping[str, Sequence[float]]) -> Floats:
    """The sum of a sample that has text features."""
    numbers: dict[str, float] = {}
    total = np.zeros(COMPONENTS)
    for name, value in zip(sample.shape.names, sample.values, strict=True):
        if name not in scale:
            continue
        if isinstance(value, str):
            words = value.split()[:WORDS] or [""]
            weight = round(GRAIN / sqrt(len(words)))
            total += weight * np.sum([_row(f"{name}\0{word}") for word in words], axis=0)
        elif (number := numeric(value)) is not None:
            numbers[name] = number
    if numbers:
        total += _totals(Table.of([sample_of("", numbers)]), scale)[0]
    return total


def numeric(value: object) -> float | None:
    """A feature's value as a finite float; None if it is none."""
    if not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if isfinite(number) else None


def points(rows: bytes) -> Points:
    """The sketches in concatenated bytes.

    >>> points(bytes(2 * COMPONENTS)).shape
    (2, 16)
    """
    return np.frombuffer(rows, dtype=np.int8).reshape(-1, COMPONENTS).astype(np.int64)


def squared_distances(these: Points, those: Points) -> NDArray[np.int64]:
    """The squared Euclidean distances, in steps: a row for each of these, a column for each of those.

    >>> squared_distances(points(bytes(16)), points(bytes([1] * 16 + [2] * 16))).tolist()
    [[16, 64]]
    """
    one, other = these.astype(np.float64), those.astype(np.float64)  # exact: integers, and far below 2^53
    squares = np.einsum("ij,ij->i", one, one)[:, None] + np.einsum("ij,ij->i", other, other)
    found: NDArray[np.int64] = (squares - 2.0 * (one @ other.T)).astype(np.int64)
    return found


def spread(these: Points) -> float:
    """The mean squared distance between sketches; 0 for fewer than 2.

    The pairs are half of the sketches apart in time, since neighbours in a stream often resemble each other.
    """
    half = len(these) // 2
    if not half:
        return 0.0
    gaps = these[half : 2 * half] - these[:half]
    return float(np.einsum("ij,ij->", gaps, gaps)) / half


@lru_cache(maxsize=16)
def _signs_of(names: tuple[str, ...]) -> Floats:
    return np.asarray([_row(name) for name in names])


@lru_cache(maxsize=WORDS_KEPT)
def _row(key: str) -> Floats:
    """A row of signs, from the key's hash."""
    encoded = key.encode("utf-8", "surrogatepass")
    digest = blake2b(encoded, digest_size=COMPONENTS // 8).digest()
    bits = np.unpackbits(np.frombuffer(digest, dtype=np.uint8))
    return 2.0 * bits.astype(np.float64) - 1.0
