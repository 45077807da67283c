"""Recent samples: the last ones of this process, with what was decided about them.

Adding them must cost next to nothing, since every sample of the stream passes here. So a sample is kept as
what is there already: its record as bytes, its score and its decision. It is read again when a person looks.
Samples come and go in the pieces in which they were decided.

*Fast streams are thinned.* To keep a sample costs a microsecond, mostly since its memory is not used again at
once. And 10,000 samples of a stream of 5,000 a second would show two seconds of it. So of a stream of more
than `MOST_PER_SECOND` every k-th sample is kept, k following from the rate of the last second, and each one
whose label is asked for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from math import ceil
from typing import NamedTuple

from msgspec.structs import replace

from stream_al.engine.budgets import Decision
from stream_al.engine.samples.table import Sample
from stream_al.engine.strategies import ScoredSample
from stream_al.errors import BadMessage
from stream_al.service.broker.protocols import Record
from stream_al.service.loops.stage import Items

__all__ = ["MOST", "MOST_PER_SECOND", "Kept", "RecentSamples"]

MOST = 10_000
MOST_PER_SECOND = 500
OVERHEAD = 600  # bytes of memory for a sample besides its record
CLASS_BYTES = 64  # and for the probability of one class


class Kept(NamedTuple):
    """A sample that is kept.

    Attributes:
        number: Its number among the samples that this process has kept, counted from 0.
        record: Its record.
        arrival: What the model said of it.
        decision: What was decided.
        examples: How many examples the model had learned.
    """

    number: int
    record: Record
    arrival: ScoredSample
    decision: Decision
    examples: int


class _Piece(NamedTuple):
    first: int
    records: list[Record]
    arrivals: list[ScoredSample]
    decisions: Sequence[Decision]
    examples: int
    bytes: int

    def kept(self, place: int) -> Kept:
        arrival = self.arrivals[place]
        decision = self.decisions[place]
        if decision.id != arrival.id:  # it may be that of its draws
            decision = replace(decision, id=arrival.id)
        return Kept(self.first + place, self.records[place], arrival, decision, self.examples)


class RecentSamples:
    """The last samples of this process.

    Args:
        read: Reads a sample from its record, as selection did.
        max_bytes: Most bytes that they take, about.
        monotonic: Returns the seconds since an unknown moment.

    Attributes:
        read: As given.
        stride: Of how many samples one is kept now.
        total: How many samples were kept so far.
        bytes: The bytes that those kept take, about.
    """

    def __init__(
        self, read: Callable[[Record], Sample | BadMessage], max_bytes: int, monotonic: Callable[[], float]
    ) -> None:
        self.read = read
        self.max_bytes = max_bytes
        self.total = self.bytes = 0
        self.stride = 1
        self._monotonic = monotonic
        self._second, self._seen, self._skipped = monotonic(), 0, 0
        self._kept = 0
        self._pieces: deque[_Piece] = deque()

    def __len__(self) -> int:
        return min(self._kept, MOST)

    def add(self, items: Items, decisions: Sequence[Decision], examples: int) -> None:
        """Keep samples that were decided about.

        Args:
            items: Of each its record, and the sample with its score.
            decisions: The decision about each.
            examples: How many examples the model had learned.
        """
        self._follow_rate(len(items))
        if self.stride > 1:
            items, decisions = self._thinned(items, decisions)
        if not items:
            return
        records, arrivals = [record for record, _ in items], [arrival for _, (_, arrival) in items]
        each = OVERHEAD + CLASS_BYTES * len(arrivals[-1].probabilities)
        size = sum([len(record.value or b"") for record in records]) + each * len(records)
        self.total += len(records)
        if size > self.max_bytes:
            self._pieces.clear()
            self._kept = self.bytes = 0
            records, arrivals, decisions, size = self._last(records, arrivals, decisions, each)
        self._pieces.append(_Piece(self.total - len(records), records, arrivals, decisions, examples, size))
        self._kept += len(records)
        self.bytes += size
        while self.bytes > self.max_bytes or self._kept - len(self._pieces[0].records) >= MOST:
            oldest = self._pieces.popleft()
            self._kept -= len(oldest.records)
            self.bytes -= oldest.bytes

    def _follow_rate(self, number: int) -> None:
        """Choose the stride of the next second by the samples of the last one."""
        now = self._monotonic()
        gone = now - self._second
        if gone >= 1.0:
            self.stride = max(1, ceil(self._seen / gone / MOST_PER_SECOND))
            self._second, self._seen = now, 0
        self._seen += number

    def _thinned(self, items: Items, decisions: Sequence[Decision]) -> tuple[Items, Sequence[Decision]]:
        """Every k-th sample, counted on from piece to piece, and each one whose label is asked for."""
        first = -self._skipped % self.stride
        self._skipped = (self._skipped + len(items)) % self.stride
        chosen = [place for place, decision in enumerate(decisions) if decision.selected]
        places = sorted({*range(first, len(items), self.stride), *chosen})
        return [items[place] for place in places], [decisions[place] for place in places]

    def _last(
        self, records: list[Record], arrivals: list[ScoredSample], decisions: Sequence[Decision], each: int
    ) -> tuple[list[Record], list[ScoredSample], Sequence[Decision], int]:
        """As many of the last samples of one piece as there is room for."""
        size = number = 0
        for record in reversed(records):
            more = len(record.value or b"") + each
            if size + more > self.max_bytes:
                break
            size, number = size + more, number + 1
        begin = len(records) - number
        return records[begin:], arrivals[begin:], decisions[begin:], size

    def __iter__(self) -> Iterator[Kept]:
        """Those that are kept now, the oldest first."""
        begin = self.total - MOST
        for piece in list(self._pieces):
            for place in range(max(0, begin - piece.first), len(piece.records)):
                yield piece.kept(place)

    def get(self, number: int) -> Kept | None:
        """The sample of a number; None if it is not kept."""
        if number < self.total - MOST:
            return None
        for piece in reversed(self._pieces):
            if piece.first <= number < piece.first + len(piece.records):
                return piece.kept(number - piece.first)
        return None
