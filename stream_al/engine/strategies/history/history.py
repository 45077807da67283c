"""History: the last samples and queries of a partition.

A strategy that prefers samples unlike the recent queries has to remember these, and decisions depend on them.
So the history belongs to the partition's state, and is committed and moved with it in the metadata of the
offset commit. It is small for that reason: `SAMPLES` and `QUERIES` sketches of 16 bytes, and for each part of
the strategy the last `VALUES` utilities, to rank the next one among them. That leaves half of the 4,096 bytes
to the budget manager.
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

__all__ = ["QUERIES", "SAMPLES", "VALUES", "History", "HistoryCursor", "split"]

SAMPLES = 40
QUERIES = 32
VALUES = 48
_MAX_PARTS = 16


@dataclass(frozen=True, slots=True)
class History:
    """The last sketches and values of a partition, oldest first, concatenated.

    Attributes:
        samples: Sketches of the last `SAMPLES` samples (see `sketch.points`).
        queries: Sketches of the last `QUERIES` samples that were selected.
        values: For each part of the strategy its last `VALUES` utilities, as float32 holds them.

    >>> cursor = History().cursor()
    >>> cursor.remember(bytes(16), selected=True), cursor.remember(bytes(16), selected=False)
    (None, None)
    >>> [cursor.percentile_ranks(parts) for parts in [(0.5, 1.0), (0.25, 1.0), (0.375, 1.0)]]
    [[0.5, 0.5], [0.25, 0.5], [0.5, 0.5]]
    >>> after = cursor.history()
    >>> len(after.samples), len(after.queries), History.decode(after.encode()) == after
    (32, 16, True)
    """

    samples: bytes = b""
    queries: bytes = b""
    values: tuple[tuple[float, ...], ...] = ()

    def cursor(self) -> HistoryCursor:
        """A cursor that begins with this history; the history does not change."""
        return HistoryCursor(self)

    def encode(self) -> dict[str, Any]:
        """The history as JSON-ready values."""
        samples, queries = (b64encode(rows).decode() for rows in (self.samples, self.queries))
        return {"samples": samples, "queries": queries, "values": [pack(part) for part in self.values]}

    @classmethod
    def decode(cls, given: Any) -> History:
        """The history that `encode` was given.

        Raises:
            ValueError: These are not values that `encode` returned.
        """
        try:
            samples, queries = (b64decode(given[name], validate=True) for name in ("samples", "queries"))
            texts = [*given["values"]][: _MAX_PARTS + 1]
            values = tuple(unpack({"values": text}, "values", VALUES) for text in texts)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"not a history: {error!r}") from error
        if len(values) > _MAX_PARTS:
            raise ValueError("not a history: too many values")
        for rows, most in ((samples, SAMPLES), (queries, QUERIES)):
            if len(rows) % COMPONENTS or len(rows) > most * COMPONENTS:
                raise ValueError(f"not a history: {len(rows)} bytes of sketches")
        return cls(samples, queries, values)


class HistoryCursor:
    """A history in use, changed from sample to sample.

    Values must be ones that float32 can hold, so that a history that was stored ranks as this one does.
    """

    def __init__(self, history: History) -> None:
        self._samples = deque(split(history.samples), maxlen=SAMPLES)
        self._queries = deque(split(history.queries), maxlen=QUERIES)
        self._parts = [Window(values, limit=VALUES) for values in history.values]

    @property
    def samples(self) -> bytes:
        """See `History`."""
        return b"".join(self._samples)

    @property
    def queries(self) -> bytes:
        """See `History`."""
        return b"".join(self._queries)

    def last_queries(self, number: int) -> bytes:
        """The sketches of the last queries, at most `number` of them."""
        return self.queries[-number * COMPONENTS :] if number > 0 else b""

    def percentile_ranks(self, parts: Sequence[float]) -> list[float]:
        """The percentile rank of the value of each part among its last values, in (0, 1).

        Each has the middle rank of its equals. The values are then remembered as the last ones.
        """
        if len(self._parts) != len(parts):  # of another strategy
            self._parts = [Window(limit=VALUES) for _ in parts]
        known = [len(window.ranked) for window in self._parts]
        doubled = [window.add(value) for window, value in zip(self._parts, parts, strict=True)]
        return [(0.5 * rank + 0.5) / (number + 1) for rank, number in zip(doubled, known, strict=True)]

    def remember(self, sketch: Point, *, selected: bool) -> None:
        """Remember one more sample."""
        self._samples.append(sketch)
        if selected:
            self._queries.append(sketch)

    def history(self) -> History:
        """The history as it is now."""
        return History(self.samples, self.queries, tuple(tuple(part.values) for part in self._parts))


def split(rows: bytes) -> list[Point]:
    """The sketches in concatenated bytes, one by one."""
    return [rows[begin : begin + COMPONENTS] for begin in range(0, len(rows), COMPONENTS)]
