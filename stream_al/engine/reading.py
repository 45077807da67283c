"""Reading: samples out of records, fast where records resemble each other.

`engine.sample` says what a record means and what is wrong with it. Most records of a stream have the same
members with the same kinds of values as one that was read before, and of such a record nearly everything is
known beforehand: which members are features, that none of them is nested too deep, that none is of a kind
that cannot be used. So each layout that is met is remembered, as a plan of what to take over; what depends on
the values themselves is still checked. Whatever fits no plan is read at length.

    layout = names and kinds of the members of the object that holds the features

The plans are at most `LAYOUTS`, all forgotten together when that is passed: a stream with a layout of its own
for every record gains nothing by them.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any, NamedTuple

from stream_al.engine.sample import AUTO, WHOLE, InputRules, flat_features, members_taken, read_sample
from stream_al.engine.table import LARGEST, Sample, Shape, is_numeric
from stream_al.errors import BadMessage
from stream_al.messages import MAX_ID_CHARACTERS

__all__ = ["Reader"]

LAYOUTS = 256
SCALARS = (float, int, str, bool, type(None))
_Layout = tuple[bool, tuple[str, ...], tuple[type, ...]]


class _Plan(NamedTuple):
    """How to take the features of a layout.

    Attributes:
        shape: What they are called.
        take: Their values out of all values; None if they are all.
        whole: Places of whole numbers among them.
        texts: Places of texts among them.
    """

    shape: Shape
    take: Callable[[tuple[Any, ...]], tuple[Any, ...]] | None
    whole: tuple[int, ...]
    texts: tuple[int, ...]


class Reader:
    """Reads the samples of a stream.

    Args:
        rules: Where things lie in a record, and how large they may be.

    >>> reader = Reader(InputRules())
    >>> [reader.read({"id": "a", "x": x}, key=None, position=str).features for x in (1.5, 2)]
    [{'x': 1.5}, {'x': 2}]
    """

    def __init__(self, rules: InputRules) -> None:
        self.rules = rules
        self._plans: dict[_Layout, _Plan | None] = {}
        self._auto = rules.features == AUTO and rules.max_depth > 1
        self._plain = rules.features in (AUTO, WHOLE) and rules.payload is None and rules.id in (AUTO, "id")

    def read(self, record: Any, *, key: bytes | None, position: Callable[[], str]) -> Sample:
        """The sample in a decoded record, as `read_sample` has it; `position` is asked when it is needed."""
        if self._plain and isinstance(record, dict):
            identity = record.get("id")
            if type(identity) is str and 0 < len(identity) <= MAX_ID_CHARACTERS:
                inner = record.get("features") if self._auto else None
                native = isinstance(inner, dict)
                source: dict[str, Any] = inner if isinstance(inner, dict) else record
                # Beside the features there may be a payload, or members nested too deep.
                if not native or len(record) == 2:
                    values = self._values(source, native=native)
                    if values is not None:
                        return Sample(identity, *values)
        return read_sample(record, self.rules, key=key, position=position())

    def _values(self, source: dict[str, Any], *, native: bool) -> tuple[Shape, tuple[Any, ...]] | None:
        """Shape and values of the features; None where only reading at length can tell."""
        found = tuple(source.values())
        layout = native, tuple(source), tuple(map(type, found))
        try:
            plan = self._plans[layout]
        except KeyError:
            if len(self._plans) >= LAYOUTS:
                self._plans.clear()
            plan = self._plans[layout] = self._plan(source, native=native)
        if plan is None:
            return None
        values = found if plan.take is None else plan.take(found)
        for place in plan.whole:
            if not -LARGEST < values[place] < LARGEST:
                return None
        for place in plan.texts:
            if len(values[place]) > self.rules.max_text:
                return None
        return plan.shape, values

    def _plan(self, source: dict[str, Any], *, native: bool) -> _Plan | None:
        """The plan for an object like this one; None if it is nested or cannot be used."""
        if not all(type(value) in SCALARS for value in source.values()):
            return None
        try:
            features = flat_features(source, self.rules, () if native else members_taken(self.rules))
        except BadMessage:
            return None
        places = {name: place for place, name in enumerate(source)}
        taken = [places[name] for name in features]
        values = list(features.values())
        if any(source[name] is not value for name, value in features.items()):
            return None  # one is too large for what it is, and was put otherwise
        return _Plan(
            Shape(tuple(features), is_numeric(values)),
            None if taken == list(range(len(source))) else _taker(taken),
            tuple(place for place, value in enumerate(values) if type(value) is int),
            tuple(place for place, value in enumerate(values) if type(value) is str),
        )


def _taker(places: list[int]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    if len(places) == 1:  # an itemgetter of one gives no tuple
        return lambda values: (values[places[0]],)
    return itemgetter(*places)
