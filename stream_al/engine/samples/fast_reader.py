"""The fast reader: samples out of flat records.

`engine.samples.sample` says what a record means and what is wrong with it (the slow reader). For a record
whose features are plain values, nearly all of that follows from its *layout*: the names of its members and
the types of their values. The layout tells which members are features, that none is nested too deep, and that
none is of a type that cannot be used. A stream has few layouts, so for each a plan is kept that says what to
take. What depends on the values themselves is still checked, with one exception. Any other record, and any
record with something wrong, goes to the slow reader.

*The exception: floats are not checked to be finite.* They need not be, since records come from
`messages.decode_json`: JSON has no NaN and no infinity, and the decoder refuses a number too large for a
float. A caller that reads records of another origin must use `read_sample`, which refuses them
(`not_finite`).

At most `LAYOUTS` plans are kept, of at most `NAMES` names with `CHARACTERS` characters together, and all are
dropped when there are more, since a stream of sparse features may have another layout in every record.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any, NamedTuple

from stream_al.engine.samples.deletion import MARKS
from stream_al.engine.samples.sample import AUTO, WHOLE, InputRules, is_kept, members_taken, read_sample
from stream_al.engine.samples.table import LARGEST, Sample, Shape
from stream_al.identity import MAX_ID_CHARACTERS

__all__ = ["Reader"]

LAYOUTS = 256
NAMES = 100_000
CHARACTERS = 4_000_000
_NULL = type(None)
SCALARS = frozenset({float, int, str, bool, _NULL})
_Layout = tuple[bool, tuple[str, ...], tuple[type, ...]]


class _Plan(NamedTuple):
    """How to take the features of a layout.

    Attributes:
        shape: Their names.
        take: From all values to theirs; None if all values are taken.
        whole: The places of whole numbers among them.
        texts: The places of texts among them.
    """

    shape: Shape
    take: Callable[[tuple[Any, ...]], tuple[Any, ...]] | None
    whole: tuple[int, ...]
    texts: tuple[int, ...]


class Reader:
    """Reads the samples of a stream.

    Args:
        rules: Where id, features and payload are in a record, and how large they may be.

    >>> reader = Reader(InputRules())
    >>> [reader.read({"id": "a", "x": x}, key=None, position=str).features for x in (1.5, 2)]
    [{'x': 1.5}, {'x': 2}]
    """

    def __init__(self, rules: InputRules) -> None:
        self.rules = rules
        self._plans: dict[_Layout, _Plan | None] = {}
        self._names = self._characters = 0  # of all plans
        self._taken = members_taken(rules)
        self._picks = bool(rules.include or rules.exclude)
        self._auto = rules.features == AUTO and rules.max_depth > 1
        self._plain = rules.features in (AUTO, WHOLE) and rules.payload is None and rules.id in (AUTO, "id")

    def read(self, record: Any, *, key: bytes | None, position: Callable[[], str]) -> Sample:
        """The sample in a record, equal to that of `read_sample`.

        Args:
            record: The values that `messages.decode_json` returned.
            key: The record's key.
            position: Returns the position; called only if it is needed.

        Raises:
            BadMessage: As `read_sample`, except for `not_finite`.
        """
        if self._plain and isinstance(record, dict):
            identity = record.get("id")
            marked = MARKS[0] in record or MARKS[1] in record  # a deletion, perhaps
            if not marked and type(identity) is str and 0 < len(identity) <= MAX_ID_CHARACTERS:
                inner = record.get("features") if self._auto else None
                native = isinstance(inner, dict)
                source: dict[str, Any] = inner if isinstance(inner, dict) else record
                # Other members than id and features may be a payload, or may be nested too deep.
                if not native or len(record) == 2:
                    values = self._values(source, native=native)
                    if values is not None:
                        return Sample(identity, *values)
        return read_sample(record, self.rules, key=key, position=position())

    def _values(self, source: dict[str, Any], *, native: bool) -> tuple[Shape, tuple[Any, ...]] | None:
        """The shape and the values of the features; None where the slow reader is needed."""
        found = tuple(source.values())
        layout = native, tuple(source), tuple(map(type, found))
        try:
            plan = self._plans[layout]
        except KeyError:
            self._make_room(layout[1])
            plan = self._plans[layout] = self._plan(*layout)
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

    def _make_room(self, names: tuple[str, ...]) -> None:
        """Drop all plans if one more, for these names, would be too many."""
        self._names += len(names)
        self._characters += sum(map(len, names))
        if len(self._plans) >= LAYOUTS or self._names > NAMES or self._characters > CHARACTERS:
            self._plans.clear()
            self._names, self._characters = len(names), sum(map(len, names))

    def _plan(self, native: bool, names: tuple[str, ...], kinds: tuple[type, ...]) -> _Plan | None:
        """The plan for a layout; None if it is nested or cannot be used."""
        if not SCALARS.issuperset(kinds):
            return None
        taken_out = () if native else self._taken
        places = [
            place
            for place, (name, kind) in enumerate(zip(names, kinds, strict=True))
            if kind is not _NULL and name not in taken_out
        ]
        if self._picks:
            places = [place for place in places if is_kept(names[place], self.rules)]
        if not 0 < len(places) <= self.rules.max_features or len(names) > self.rules.max_members:
            return None
        if any(len(names[place]) > self.rules.max_name for place in places):
            return None
        kept = [kinds[place] for place in places]
        return _Plan(
            Shape(tuple([names[place] for place in places]), str not in kept),
            None if len(places) == len(names) else _taker(places),
            tuple([place for place, kind in enumerate(kept) if kind is int]),
            tuple([place for place, kind in enumerate(kept) if kind is str]),
        )


def _taker(places: list[int]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    if len(places) == 1:  # an itemgetter of one gives no tuple
        return lambda values: (values[places[0]],)
    return itemgetter(*places)
