"""Tables: many samples as one array.

A computation on hundreds of samples costs little more than on one, if their numbers are in one array. Samples
come as JSON, each with names of its own: a stream from a program has the same names in every record, a stream
of sparse features has others in each. So the numbers of all samples are concatenated, and beside each is the
column that its feature has:

    values   1.5  0.2  7.0 | 0.3  2.0 | 4.0
    columns   0    1    2  |  1    3  |  0        names   0 amount, 1 age, 2 visits, 3 refunds

The result for a sample must not depend on the other samples of the table: a sample that is read again, in
another batch, must get the same result to the last bit. So only two kinds of computation are allowed: number
by number, and sums over the numbers of one sample, which NumPy adds in an order that depends only on how many
they are. (Products of matrices are not allowed, except for sums of integers, which are exact in any order.)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

__all__ = [
    "LARGEST",
    "Feature",
    "Floats",
    "Sample",
    "Shape",
    "Table",
    "at_position",
    "is_numeric",
    "sample_of",
    "with_shared_shapes",
]

LARGEST = 2**63  # from it on, an integer does not fit the integers of numpy
NUMBERS = {float, int, bool}
Feature = str | int | float | bool
Floats = NDArray[np.float64]


class Shape(NamedTuple):
    """The names of features in their order, and whether all values are numbers or truth values."""

    names: tuple[str, ...]
    numeric: bool


class Sample(msgspec.Struct, frozen=True, gc=False):
    """One sample.

    Attributes:
        id: Its id.
        shape: The names of its features.
        values: Their values, in that order.
        payload: What else the annotator sees.
        draw: What every random choice about it is drawn from; empty for its id. See `at_position`.

    >>> sample_of("s", {"x": 2.0, "color": "red"}).features
    {'x': 2.0, 'color': 'red'}
    """

    id: str
    shape: Shape
    values: tuple[Feature, ...]
    payload: Any = None
    draw: str = ""

    @property
    def features(self) -> dict[str, Feature]:
        """Its features, in the form that River takes."""
        return dict(zip(self.shape.names, self.values, strict=True))


def at_position(sample: Sample, partition: int, offset: int) -> Sample:
    """The sample, as read from a position of the log; random choices about it are drawn from both.

    The id alone is not enough. Where records are keyed by customer, all samples of a customer would share
    one draw, and exploration would select some customers always and others never, whatever the propensity
    says. The position alone would give all streams the same draws.

    The sample is changed in place, so it must be one that was just read.
    """
    msgspec.structs.force_setattr(sample, "draw", f"{sample.id}@{partition}-{offset}")
    return sample


def sample_of(sample_id: str, features: Mapping[str, Any], payload: Any = None) -> Sample:
    """The sample with these features."""
    values = tuple(features.values())
    return Sample(sample_id, Shape(tuple(features), is_numeric(values)), values, payload)


def with_shared_shapes(samples: Iterable[Sample]) -> list[Sample]:
    """The samples, with equal shapes made one object, so that a regular table is recognised at once.

    >>> one, other = with_shared_shapes([sample_of("a", {"x": 1}), sample_of("b", {"x": 2.5})])
    >>> one.shape is other.shape
    True
    """
    shapes: dict[Shape, Shape] = {}
    return [
        Sample(sample.id, shapes.setdefault(sample.shape, sample.shape), sample.values, sample.payload)
        for sample in samples
    ]


def is_numeric(values: Sequence[object]) -> bool:
    """Whether there are values, and all are truth values or numbers that a float can represent."""
    kinds = set(map(type, values))
    if not kinds or not kinds <= NUMBERS:
        return False
    return all(type(value) is not int or -LARGEST < value < LARGEST for value in values)


@dataclass(frozen=True)
class Table:
    """Numeric samples.

    Attributes:
        names: The features that occur.
        values: The numbers of all samples, concatenated.
        columns: The place in `names` of the feature of each number.
        begins: Where the numbers of each sample begin.
        regular: Whether each sample has all the names, in their order.
    """

    names: list[str]
    values: Floats
    columns: NDArray[np.intp]
    begins: NDArray[np.intp]
    regular: bool = False

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> Table:
        """The table of samples, all of a numeric shape.

        >>> table = Table.of([sample_of("a", {"x": 1}), sample_of("b", {"y": 2.5, "x": True})])
        >>> table.names, table.values.tolist(), table.columns.tolist(), table.begins.tolist()
        (['x', 'y'], [1.0, 2.5, 1.0], [0, 1, 0], [0, 1])
        """
        values = np.fromiter(chain.from_iterable([sample.values for sample in samples]), dtype=np.float64)
        first = samples[0].shape
        if all(sample.shape is first for sample in samples):
            width, number = len(first.names), len(samples)
            places = np.arange(number * width)
            return cls(list(first.names), values, places % width, places[::width], True)
        number_of: dict[str, int] = {}
        columns: list[int] = []
        begins: list[int] = []
        for sample in samples:
            begins.append(len(columns))
            columns += [number_of.setdefault(name, len(number_of)) for name in sample.shape.names]
        return cls(list(number_of), values, np.asarray(columns), np.asarray(begins))

    def sums(self, numbers: NDArray[Any]) -> NDArray[Any]:
        """The sum over the numbers of each sample, of a number or a row for each of the values."""
        return np.add.reduceat(numbers, self.begins, axis=0)
