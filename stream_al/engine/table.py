"""Tables: samples that have the same features, side by side.

What is computed of one sample is computed of hundreds at once for little more, if their numbers lie in one
matrix. Samples come as JSON, each with names of its own, so they are put into groups of one *shape*: the same
names in the same order. A stream from a program has one shape, one of sparse features has many; a group of
one is no special case.

Whatever is computed of a table must not depend on what else is in it: a sample that is read again, in another
batch, has to be judged alike to the last bit. So only what goes row by row may be done with it: arithmetic
between elements, and sums along a row, which NumPy takes in an order that depends on the row's length alone.
(Products of matrices do not qualify, but for sums of integers, which are exact in any order.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

__all__ = ["LARGEST", "Feature", "Floats", "Sample", "Shape", "Table", "is_numeric", "sample_of", "tables"]

LARGEST = 2**63  # past it an integer no longer fits what River's arithmetic is done in
Feature = str | int | float | bool
Floats = NDArray[np.float64]


class Shape(NamedTuple):
    """Names of features in their order, and whether all of them are numbers or truth values."""

    names: tuple[str, ...]
    numeric: bool


class Sample(msgspec.Struct, frozen=True, gc=False):
    """One arrival.

    Attributes:
        id: Its id.
        shape: What its features are called.
        values: Their values, in that order.
        payload: What else the annotator is to see.

    >>> sample_of("s", {"x": 2.0, "color": "red"}).features
    {'x': 2.0, 'color': 'red'}
    """

    id: str
    shape: Shape
    values: tuple[Feature, ...]
    payload: Any = None

    @property
    def features(self) -> dict[str, Feature]:
        """Its features as River takes them."""
        return dict(zip(self.shape.names, self.values, strict=True))


def sample_of(sample_id: str, features: Mapping[str, Any], payload: Any = None) -> Sample:
    """The sample with these features."""
    values = tuple(features.values())
    return Sample(sample_id, Shape(tuple(features), is_numeric(values)), values, payload)


def is_numeric(values: Sequence[object]) -> bool:
    """Whether all of these are truth values or numbers that a float can stand for."""
    return all(
        isinstance(value, float) or (isinstance(value, int) and abs(value) < LARGEST) for value in values
    )


@dataclass(frozen=True)
class Table:
    """Samples of one shape.

    Attributes:
        shape: The shape.
        places: Where in the batch each of them was.
        samples: The samples.
    """

    shape: Shape
    places: list[int]
    samples: list[Sample]

    @cached_property
    def matrix(self) -> Floats:
        """Their values, a sample a row; of a numeric shape."""
        width = len(self.shape.names)
        values = chain.from_iterable([sample.values for sample in self.samples])
        flat: Floats = np.fromiter(values, dtype=np.float64, count=width * len(self.samples))
        return flat.reshape(len(self.samples), width)


def tables(samples: Sequence[Sample]) -> list[Table]:
    """The samples by shape.

    >>> batch = [sample_of("a", {"x": 1}), sample_of("b", {"y": 1}), sample_of("c", {"x": 2.5})]
    >>> [(table.shape.names, table.places, table.matrix.tolist()) for table in tables(batch)]
    [(('x',), [0, 2], [[1.0], [2.5]]), (('y',), [1], [[1.0]])]
    """
    found: dict[Shape, Table] = {}
    last: Table | None = None
    for place, sample in enumerate(samples):
        shape = sample.shape
        if last is None or (shape is not last.shape and shape != last.shape):
            last = found.get(shape)
            if last is None:
                last = found[shape] = Table(shape, [], [])
        last.places.append(place)
        last.samples.append(sample)
    return list(found.values())
