"""Memory: what a partition remembers of its last samples and queries.

A strategy that wants samples unlike those already asked about has to remember these, and what it
remembers decides. So the memory belongs to the partition's state, and is committed and moved with it in
the metadata of the offset commit. It is small for that reason: `SAMPLES` and `QUERIES` sketches of 16
bytes, and of each part of the strategy the last `VALUES` utilities, to rank the next one among them. That
leaves the budget manager half of the 4,096 bytes.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stream_al.engine.encoding import pack, unpack
from stream_al.engine.model.sketch import COMPONENTS, Point
from stream_al.engine.window import Window

__all__ = ["QUERIES", "SAMPLES", "VALUES", "History", "HistoryCursor", "cut"]

SAMPLES = 40
QUERIES = 32
VALUES = 48
_MAX_PARTS = 16


@dataclass(frozen=True, slots=True)
class History:
    """The last sketches and values of a partition, oldest first, one behind the other.

    Attributes:
        samples: Sketches of the last `SAMPLES` samples (see `sketch.points`).
        queries: Sketches of the last `QUERIES` samples that were selected.
        values: For each part of the strategy its last `VALUES` utilities, as float32 holds them.

    >>> cursor = History().cursor()
    >>> cursor.remember(bytes(16), selected=True), cursor.remember(bytes(16), selected=False)
    (None, None)
    >>> [cursor.rank(parts) for parts in [(0.5, 1.0), (0.25, 1.0), (0.375, 1.0)]]
    [[0.5, 0.5], [0.25, 0.5], [0.5, 0.5]]
    >>> after = cursor.history()
    >>> len(after.samples), len(after.queries), History.decode(after.encode()) == after
    (32, 16, True)
    """

    samples: bytes = b""
    queries: bytes = b""
    values: tuple[tuple[float, ...], ...] = ()

    def cursor(self) -> HistoryCursor:
        """The memory in use; this one stays as it is."""
        return HistoryCursor(self)

    def encode(self) -> dict[str, Any]:
        """The memory as JSON-ready values."""
        samples, queries = (b64encode(rows).decode() for rows in (self.samples, self.queries))
        return {"samples": samples, "queries": queries, "values": [pack(part) for part in self.values]}

    @classmethod
    def decode(cls, given: Any) -> History:
        """The memory that `encode` was given.

        Raises:
            ValueError: These are not values that `encode` returned.
        """
        try:
            samples, queries = (b64decode(given[name], validate=True) for name in ("samples", "queries"))
            texts = [*given["values"]][: _MAX_PARTS + 1]
            values = tuple(unpack({"values": text}, "values", VALUES) for text in texts)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"not a memory: {error!r}") from error
        if len(values) > _MAX_PARTS:
            raise ValueError("not a memory: too many values")
        for rows, most in ((samples, SAMPLES), (queries, QUERIES)):
            if len(rows) % COMPONENTS or len(rows) > most * COMPONENTS:
                raise ValueError(f"not a memory: {len(rows)} bytes of sketches")
        return cls(samples, queries, values)


class HistoryCursor:
    """A memory in use: asked, and changed from sample to sample.

    Values are ones that float32 can hold: a memory that was put away has to rank as this one does.
    """

    def __init__(self, history: History) -> None:
        self._samples = deque(cut(history.samples), maxlen=SAMPLES)
        self._queries = deque(cut(history.queries), maxlen=QUERIES)
        self._parts = [Window(values, most=VALUES) for values in history.values]

    @property
    def samples(self) -> bytes:
        """As in `History`."""
        return b"".join(self._samples)

    @property
    def queries(self) -> bytes:
        """As in `History`."""
        return b"".join(self._queries)

    def last_queries(self, number: int) -> bytes:
        """The sketches of the last queries, at most so many."""
        return self.queries[-number * COMPONENTS :] if number > 0 else b""

    def rank(self, parts: Sequence[float]) -> list[float]:
        """Where the value of each part stands among the last ones, in (0, 1), in the middle of its equals.

        They are remembered then, as the last ones.
        """
        if len(self._parts) != len(parts):  # of another strategy
            self._parts = [Window(most=VALUES) for _ in parts]
        known = [len(window.ranked) for window in self._parts]
        halves = [window.add(value) for window, value in zip(self._parts, parts, strict=True)]
        return [(0.5 * both + 0.5) / (most + 1) for both, most in zip(halves, known, strict=True)]

    def remember(self, sketch: Point, *, selected: bool) -> None:
        """Remember one more sample."""
        self._samples.append(sketch)
        if selected:
            self._queries.append(sketch)

    def history(self) -> History:
        """What is remembered now."""
        return History(self.samples, self.queries, tuple(tuple(part.values) for part in self._parts))


def cut(rows: bytes) -> list[Point]:
    """Sketches that lie one behind the other, one by one."""
    return [rows[begin : begin + COMPONENTS] for begin in range(0, len(rows), COMPONENTS)]
