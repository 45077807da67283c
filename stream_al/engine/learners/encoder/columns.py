"""Columns: samples of any kind as numbers and tokens, learned from the examples.

Streams bring numbers, truth values, categories, texts, dates, ids, and nothing, with features that come and
go. What a feature is shows in its values (`values.read`) and in how they repeat:

    number    has a column, standardised (`scales`); where it is missing, the mean stands in. A feature that
              most examples lack is 0 where it lacks, as in a sparse record
    date      three numbers: seconds since 1970, second of the day, day of the week
    text      a token for the whole, if it is short, and one for each word, if there are several
    missing   a token, where most examples have the feature
    id        left out: a word that is new nearly every time, an integer that rises from example to example,
              or one that is new every time and whose name ends like an id's

The features of a sample have no order; they are taken by name, so that two senders who order them differently
mean the same.

Everything has a limit: `MAX_FEATURES` names of `MAX_NAME` characters, `MAX_NUMBERS` columns of numbers
(further ones are taken by their order of magnitude, as tokens), the vocabulary's own. All of it takes less
than 10 MB of memory for 500 features, and less than 70 MB at the limits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from stream_al.engine.learners.encoder.batch import Batch, Record
from stream_al.engine.learners.encoder.features import FULL, MANY, NEARLY_ALL, NONE, Feature
from stream_al.engine.learners.encoder.rows import STEPS, Bools, Floats, Ints, Rows, Scale
from stream_al.engine.learners.encoder.scales import Scales, grown
from stream_al.engine.learners.encoder.values import DATE_PARTS, NOTHING, Value, read
from stream_al.engine.learners.encoder.vocabulary import MAX_INDICATORS, MISSING, WORD, Vocabulary

__all__ = ["MAX_FEATURES", "MAX_NAME", "MAX_NUMBERS", "Columns"]

MAX_FEATURES = 4096
MAX_NAME = 200  # characters
MAX_NUMBERS = 1536


class Columns:
    """The encoder of samples, learned from examples one by one.

    Attributes:
        examples: How many were learned.
        width: How many columns there are.
        scales: Of the columns.
        vocabulary: The tokens.

    Examples:
        >>> columns = Columns()
        >>> for amount, color in [(1.0, "red"), (3.0, "blue"), (2.0, "red")]:
        ...     _ = columns.learn({"amount": amount, "color": color})
        >>> rows = columns.encode([(("amount", "color"), (3.0, "red"))])
        >>> rows.numbers.tolist(), rows.tokens.tolist()
        ([[3.0, 1.0]], [0])
    """

    def __init__(self) -> None:
        self.examples = 0
        self.width = 0
        self.scales = Scales()
        self.vocabulary = Vocabulary()
        self._features: dict[str, Feature] = {}
        self._refused = 0  # names for which there was no room, once for each time they came
        self._indicators = 0
        # Of each feature: the example it came with, and how many have had it since.
        self._since = np.zeros(0, np.int64)
        self._present = np.zeros(0, np.int64)
        # Of each column: the feature it belongs to (-1 if it tells of a token), how many values it had,
        # how many of them were integers, and larger than the one before.
        self._feature_of = np.zeros(0, np.intp)
        self._values = np.zeros(0, np.int64)
        self._whole = np.zeros(0, np.int64)
        self._rises = np.zeros(0, np.int64)
        self._last = np.zeros(0)
        self._looks_like_id = np.zeros(0, np.bool_)
        self._new: list[int] = []  # of each column that there is no room for yet: the feature
        self._scale = self._measure()

    def learn(self, x: Mapping[Any, Any]) -> tuple[Rows, Ints]:
        """Learn the features of one example.

        Returns:
            The example as a row, and the tokens whose numbers mean something else from now on.
        """
        self.examples += 1
        numbers: dict[int, float] = {}
        tokens: list[str] = []
        here: list[int] = []
        ids: dict[int, bool] = {}
        features = self._features
        for name, value in sorted(((str(name), value) for name, value in x.items()), key=_by_name):
            feature = features.get(name)
            if feature is not None and feature.takes_plainly(value):
                here.append(feature.place)
                numbers[feature.column] = value
                continue
            if feature is not None:
                feature.note_comma(value)
            value_read = feature.read(value) if feature is not None else read(value)
            feature = feature or self._admit(name, value_read)
            if feature is None or value_read == NOTHING:
                continue
            here.append(feature.place)
            self._learn_numbers(feature, value_read, numbers)
            tokens += feature.tokens(value_read)
            if value_read.text is not None:
                is_number = value_read.number is not None
                count = 1 if is_number else value_read.text.count(" ") + 1
                feature.note(value_read.text, count, is_number=is_number)
            elif value_read.number is not None and feature.names_id and feature.column >= 0:
                feature.note(repr(value_read.number), 1, is_number=True)
            if feature.names_id and feature.column >= 0:
                ids[feature.column] = feature.is_id
        self._widen()
        self._looks_like_id[list(ids)] = list(ids.values())
        self._present[here] += 1
        tokens += self._missing(here)
        tokens = list(dict.fromkeys(tokens))
        known, given_up = self.vocabulary.learn(tokens, self.examples)
        self._give_columns(tokens[: len(known)])
        self._widen()
        known = np.sort(known)
        row = np.full((1, self.width), np.nan)
        row[0, list(numbers)] = list(numbers.values())
        self._learn_columns(row[0], known)
        self._scale = self._measure()
        return self._rows(row, known, np.zeros(len(known), np.intp)), given_up

    def encode(self, records: Sequence[Record]) -> Rows:
        """Samples as rows. Nothing is learned.

        Args:
            records: Of each sample the names of its features and their values, in the same order.
        """
        batch = Batch(self._features, self.vocabulary.numbers, self._usual(), records, self.width)
        return self._rows(batch.numbers, batch.tokens, batch.owners)

    def left_out(self) -> dict[str, str]:
        """Which features are not used, and why."""
        gone = self._is_left_out()
        reasons: dict[str, str] = {}
        for feature in self._features.values():
            column = feature.dates[0] if feature.dates else feature.column
            if column >= 0 and gone[column]:
                if feature.dates:
                    reasons[feature.name] = (
                        "rises from example to example; its time of day and weekday are used"
                    )
                elif self._looks_like_id[column]:
                    reasons[feature.name] = "an id, new every time"
                else:
                    reasons[feature.name] = "rises from example to example"
            elif feature.is_id and not feature.is_numeric and not feature.dates:
                reasons[feature.name] = "an id, new every time"
        return reasons

    def kinds(self) -> dict[str, str]:
        """What each feature is taken for: number, date, text, category, id or unknown."""
        left = self.left_out()
        return {name: feature.kind(is_left_out=name in left) for name, feature in self._features.items()}

    # ------------------------------------------------------------------ what is learned

    def _admit(self, name: str, value_read: Value) -> Feature | None:
        if value_read == NOTHING:
            return None  # what it is shows when it has a value
        if len(name) > MAX_NAME or len(self._features) >= MAX_FEATURES:
            self._refused += 1
            return None
        feature = Feature(name, len(self._features))
        self._features[name] = feature
        return feature

    def _learn_numbers(self, feature: Feature, value_read: Value, numbers: dict[int, float]) -> None:
        if value_read.date is not None:
            if not feature.dates and self._room() >= len(DATE_PARTS):
                feature.dates = tuple(self._add_column(feature.place) for _ in DATE_PARTS)
            numbers.update(zip(feature.dates, value_read.date, strict=False))
        elif value_read.number is not None:
            if feature.column == NONE:
                feature.column = self._add_column(feature.place) if self._room() else FULL
            if feature.column >= 0:
                numbers[feature.column] = value_read.number

    def _room(self) -> int:
        return MAX_NUMBERS - (self.width - self._indicators)

    def _add_column(self, feature: int) -> int:
        """A new column for a feature; -1 for a token. `_widen` makes room for it."""
        self._new.append(feature)
        self.width += 1
        return self.width - 1

    def _widen(self) -> None:
        """Make room for what is new, at once: a first record of 1,500 numbers brings 1,500 columns."""
        fresh = len(self._features) - len(self._since)
        if fresh:
            self._since = np.append(self._since, np.full(fresh, self.examples - 1))
            self._present = grown(self._present, len(self._features))
        if self._new:
            self.scales.widen(self.width)
            self._feature_of = np.append(self._feature_of, np.array(self._new, np.intp))
            for name in ("_values", "_whole", "_rises", "_last", "_looks_like_id"):
                setattr(self, name, grown(getattr(self, name), self.width))
            self._new = []

    def _missing(self, here: Sequence[int]) -> list[str]:
        """The tokens of the features that most examples have and this one has not."""
        usual = self._usual()
        usual[here] = False
        if not usual.any():
            return []
        names = list(self._features)
        return [f"{names[place]}{MISSING}" for place in np.flatnonzero(usual).tolist()]

    def _usual(self) -> Bools:
        """Of each feature whether most examples since it came have it."""
        usual: Bools = self._present * 2 > self.examples - self._since
        return usual

    def _give_columns(self, tokens: Sequence[str]) -> None:
        """Give the categories that were met before a column of their own."""
        vocabulary = self.vocabulary
        for token in tokens:
            if self._indicators >= MAX_INDICATORS:
                return
            number = vocabulary.numbers[token]
            if vocabulary.dense[number] < 0 and vocabulary.met[number] >= 2 and WORD not in token:
                vocabulary.dense[number] = self._add_column(-1)
                self._indicators += 1

    def _learn_columns(self, row: Floats, tokens: Ints) -> None:
        indicator = self._feature_of < 0
        value_read = ~np.isnan(row)
        self._values += value_read
        with np.errstate(invalid="ignore"):
            self._whole += row == np.floor(row)
            self._rises += row > self._last
        self._last[value_read] = row[value_read]
        values = np.where(~value_read & self._is_sparse(), 0.0, row)
        values[indicator] = 0.0
        dense = self.vocabulary.dense[tokens]
        values[dense[dense >= 0]] = 1.0
        self.scales.learn(values)

    def _is_sparse(self) -> Any:
        """Of each column whether most examples since it came lack it."""
        if not len(self._since):
            return np.zeros(self.width, np.bool_)
        since = self._since[np.maximum(self._feature_of, 0)]
        return (self._feature_of >= 0) & (self._values * 2 < self.examples - since)

    def _is_left_out(self) -> Any:
        """Of each column whether it holds ids."""
        many = (self._values >= MANY) & (self._whole == self._values)
        return many & ((self._rises >= NEARLY_ALL * (self._values - 1)) | self._looks_like_id)

    def _measure(self) -> Scale:
        """The scale as it stands after an example."""
        scales = self.scales
        mean, deviation = scales.mean.copy(), scales.deviation()
        used = (deviation > 0.0) & ~self._is_left_out()
        rate = np.divide(STEPS, deviation, out=np.zeros_like(deviation), where=used)
        indicator = self._feature_of < 0
        fill = np.where(self._is_sparse() | indicator, 0.0, mean)
        low, high = scales.bounds()
        return Scale(mean, rate, fill, low, high, scales.count.copy(), ~indicator)

    def _rows(self, numbers: Floats, tokens: Ints, owners: Ints) -> Rows:
        return Rows.of(numbers, tokens, owners, self._scale, self.vocabulary.dense, self.vocabulary.group)


def _by_name(item: tuple[str, Any]) -> str:
    return item[0]
