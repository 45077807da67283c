"""Projection: vectors as points of a plane, so that a person sees which samples resemble each other.

Principal component analysis (Pearson 1901; Hotelling 1933): the plane through the mean along the two
orthogonal directions in which the vectors vary most. It is computed from their *moments*, which are sums
and can be added block by block, so no computation is long and the order of the blocks does not matter:

    n, s = sum(v), S = sum(v v')        covariance = S / n - (s / n) (s / n)'

An axis may point either way, and two axes of equal variance may be turned. A map must not jump when it is
made again, so the plane is turned, and mirrored if need be, to lie as near as possible to the one before it
(orthogonal Procrustes problem: Schoenemann, Psychometrika 31, 1966). Without one before it, the largest
component of each axis is positive.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stream_al.engine.samples.table import Floats

__all__ = ["Moments", "Plane", "plane"]


class Moments:
    """Sums over vectors, from which their plane follows.

    Args:
        width: How many components the vectors have.

    Attributes:
        number: How many vectors were added.
    """

    def __init__(self, width: int) -> None:
        self.number = 0
        self.sums: Floats = np.zeros(width)
        self.products: Floats = np.zeros((width, width))

    def add(self, vectors: Floats) -> None:
        """Add vectors, a row each; their values are finite."""
        self.number += len(vectors)
        self.sums += vectors.sum(axis=0)
        self.products += vectors.T @ vectors


@dataclass(frozen=True)
class Plane:
    """A plane.

    Attributes:
        mean: The point of the space that lies at (0, 0).
        axes: A column for each of the two axes: a direction of length 1, or zeros where nothing varies.
        share: How much of the variance the plane shows, from 0 to 1.
    """

    mean: Floats
    axes: Floats
    share: float

    def place(self, vectors: Floats) -> Floats:
        """Where vectors lie on it: a row each, of two numbers. No row depends on the others."""
        gaps = vectors - self.mean
        return np.stack([(gaps * axis).sum(axis=1) for axis in self.axes.T], axis=1)


def plane(moments: Moments, before: Plane | None = None) -> Plane:
    """The plane in which vectors vary most.

    Args:
        moments: Of the vectors.
        before: The plane that a person has seen last; one of another width is not regarded.

    >>> moments = Moments(3)
    >>> moments.add(np.array([[3.0, 1.0, 5.0], [-3.0, 1.0, 5.0], [0.0, 2.0, 5.0], [0.0, 0.0, 5.0]]))
    >>> found = plane(moments)
    >>> found.place(np.array([[3.0, 2.0, 9.0]])).round(6).tolist(), found.share
    ([[3.0, 1.0]], 1.0)
    """
    width = len(moments.sums)
    number = max(1, moments.number)
    mean: Floats = moments.sums / number
    covariance = moments.products / number - np.outer(mean, mean)
    variances, directions = np.linalg.eigh(covariance)  # rising
    variances = np.maximum(variances, 0.0)
    axes: Floats = np.zeros((width, 2))
    tiny = 1e-12 * max(1.0, float(variances[-1])) if width else 0.0
    for place in range(min(2, width)):
        if variances[-1 - place] > tiny:
            axes[:, place] = directions[:, -1 - place]
    axes = (
        _turned(axes, before.axes)
        if before is not None and before.axes.shape == axes.shape
        else _upright(axes)
    )
    total = float(variances.sum())
    return Plane(mean, axes, round(float(variances[-2:].sum()) / total, 9) if total > 0.0 else 0.0)


def _upright(axes: Floats) -> Floats:
    """The axes, the largest component of each being positive; the first of equals decides."""
    if not len(axes):
        return axes
    sizes = np.abs(axes)
    largest = (sizes >= sizes.max(axis=0) - 1e-9).argmax(axis=0)
    signs = np.where(axes[largest, range(2)] < 0.0, -1.0, 1.0)
    upright: Floats = axes * signs
    return upright


def _turned(axes: Floats, before: Floats) -> Floats:
    """The axes, turned and mirrored within their plane to lie as near as possible to those before."""
    left, _, right = np.linalg.svd(axes.T @ before)
    turned: Floats = axes @ (left @ right)
    return turned
