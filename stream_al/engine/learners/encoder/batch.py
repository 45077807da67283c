"""Batches: many samples read at once, into numbers and tokens.

Samples of the same features, in the same order, are read together: all of them as one array where every value
is a number, which is the usual case, else feature by feature, each text once. What is read of a sample does
not depend on the others.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from stream_al.engine.learners.encoder.features import FULL, PLAIN, Feature
from stream_al.engine.learners.encoder.rows import Bools, Floats, Ints
from stream_al.engine.learners.encoder.values import LINEAR, NOTHING, Value
from stream_al.engine.learners.encoder.vocabulary import MISSING

__all__ = ["Batch", "Record"]

Record = tuple[Sequence[Hashable], Sequence[Any]]
"""A sample: the names of its features, and their values in the same order."""


class Batch:
    """Samples as numbers and tokens.

    Args:
        features: The features that are known.
        vocabulary: The numbers of the tokens that are known.
        usual: Of each feature whether a sample without it gets a token for that.
        records: The samples.
        width: How many columns there are.

    Attributes:
        numbers: A row a sample, a number a column; NaN where there is none.
        tokens: The tokens of all samples, end to end, rising within a sample.
        owners: The sample of each token, rising.
    """

    def __init__(
        self,
        features: Mapping[str, Feature],
        vocabulary: Mapping[str, int],
        usual: Bools,
        records: Sequence[Record],
        width: int,
    ) -> None:
        self.numbers: Floats = np.full((len(records), width), np.nan)
        self._features = features
        self._vocabulary = vocabulary
        self._usual = usual
        self._known = list(features.values())  # by their places
        self._expected = set(np.flatnonzero(usual).tolist())
        self._found: list[tuple[int, int]] = []  # sample and token
        alike: dict[tuple[Hashable, ...], list[int]] = {}
        for place, (names, _) in enumerate(records):
            alike.setdefault(tuple(names), []).append(place)
        for names, places in alike.items():
            self._read(names, places, [records[place][1] for place in places])
        pairs = np.asarray(self._found, np.intp).reshape(len(self._found), 2)
        # Whatever the order of the features, sums over tokens run in the order of their numbers.
        pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
        self.owners: Ints = pairs[:, 0]
        self.tokens: Ints = pairs[:, 1]

    def _read(self, names: tuple[Hashable, ...], places: list[int], rows: list[Sequence[Any]]) -> None:
        """Read the samples at these places, which have the same features."""
        features = [self._features.get(str(name)) for name in names]
        lacking = self._expected.copy()
        block = _plain(rows, len(names))
        if block is not None:
            columns = [feature.column if feature else -1 for feature in features]
            known = [number for number, column in enumerate(columns) if column >= 0]
            value_read = block if len(known) == len(names) else block[:, known]
            self.numbers[np.asarray(places)[:, None], [columns[number] for number in known]] = value_read
        for number, feature in enumerate(features):
            if feature is None:
                continue
            lacking.discard(feature.place)
            if block is None:
                self._read_values(feature, [row[number] for row in rows], places)
            elif feature.column == FULL:
                self._read_values(feature, block[:, number].tolist(), places)
            elif self._usual[feature.place]:
                self._lack(feature, np.asarray(places)[np.isnan(block[:, number])].tolist())
        for place in sorted(lacking):
            self._lack(self._known[place], places)

    def _read_values(self, feature: Feature, values: Sequence[Any], places: Sequence[int]) -> None:
        """Read the values of one feature, of any types."""
        memo: dict[tuple[type, Any], tuple[Value, list[int]]] = {}
        nothing: list[int] = []
        for place, value in zip(places, values, strict=True):
            kind = type(value)
            key = (kind, value) if kind is str or kind in PLAIN else (kind, id(value))
            if key not in memo:
                value_read = feature.read(value)
                tokens = dict.fromkeys(feature.tokens(value_read))
                memo[key] = (
                    value_read,
                    [self._vocabulary[token] for token in tokens if token in self._vocabulary],
                )
            value_read, known = memo[key]
            if value_read.number is not None and feature.column >= 0:
                self.numbers[place, feature.column] = value_read.number
            elif value_read.date is not None and feature.dates:
                self.numbers[place, feature.dates] = value_read.date
            elif value_read == NOTHING:
                nothing.append(place)
            self._found += [(place, token) for token in known]
        if self._usual[feature.place]:
            self._lack(feature, nothing)

    def _lack(self, feature: Feature, places: Sequence[int]) -> None:
        """Note that these samples lack the feature."""
        token = self._vocabulary.get(f"{feature.name}{MISSING}")
        if token is not None:
            self._found += [(place, token) for place in places]


def _plain(rows: Sequence[Sequence[Any]], width: int) -> Floats | None:
    """The values as an array, if all of them are numbers of moderate size."""
    if not set(map(type, chain.from_iterable(rows))) <= PLAIN:
        return None
    try:
        block = np.fromiter(chain.from_iterable(rows), np.float64, len(rows) * width)
    except OverflowError:
        return None
    if (np.abs(block) > LINEAR).any():
        return None
    return block.reshape(len(rows), width)
