"""Explorer: the last samples and the pending queries on a map, searched, and looked at one by one.

Nothing of this is computed before somebody asks. Then it is done in time slices, one request after the
other, so that the event loop is never held: samples are read from their records again, encoded, and
projected (`engine.explore`). A map is kept for some seconds, for all who ask meanwhile, and longer if it took
long, so that making maps takes a small share of a processor however often people ask. Its vectors are kept
until the next map, for the neighbours of a sample. To look at a sample of the map makes no new map.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_al.engine.explore.explanation import why
from stream_al.engine.explore.filter import parse
from stream_al.engine.explore.projection import Moments, Plane, plane
from stream_al.engine.explore.vectors import WIDTH, Scale, needs_scale, vectors
from stream_al.engine.samples.table import Sample
from stream_al.errors import BadMessage, Unavailable
from stream_al.messages import iso
from stream_al.service.desk.items import Item, Items
from stream_al.service.desk.points import Found, Points, packed
from stream_al.service.desk.recent_samples import Kept
from stream_al.service.timing.clock import Clock
from stream_al.service.timing.deadline import Deadline, within
from stream_al.service.timing.time_slices import TimeSlices

__all__ = ["MOST_PENDING", "SORTS", "Explorer"]

MAP_SECONDS = 5.0  # for which a map is kept at least
MOST_SHARE = 0.02  # of a processor, for the maps of all viewers together
MOST_PENDING = 2000  # older pending queries on the map, the newest ones
CHUNK, CHUNK_VALUES = 50, 50_000  # samples that are encoded at once, unless they have more values together
PLACED_AT_ONCE = 1000
MOST_SCALED = 1000  # samples that the scale of the features is measured by
SORTS = ("utility", "newest", "id")
NEIGHBOURS = 8
SEARCH_SECONDS = 5.0  # of processor time
LATE_SECONDS = 15.0  # less than the desk waits for a response
TOO_SLOW = (
    f"the search took more than {SEARCH_SECONDS:g} s of work: write fewer comparisons, or name a feature in "
    "the place of a text alone, which is looked for in all features"
)
MOST_CHARACTERS = 200  # of a value in a table


@dataclass(frozen=True, slots=True)
class Map:
    """A map.

    Attributes:
        body: What is sent, as JSON.
        until: How long it is kept, in monotonic seconds.
        items: The items, in the order of the points.
        vectors: A row for each of them.
        plane: The plane on which they are shown.
        scale: The scale of the features, where the model has none.
    """

    body: bytes
    until: float
    items: list[Item]
    vectors: NDArray[np.float32]
    plane: Plane
    scale: dict[str, tuple[float, float]]

    def place(self, number: int) -> int | None:
        """Where the item of a number is; None if it is not on the map."""
        return next((place for place, one in enumerate(self.items) if one.number == number), None)


class Explorer:
    """Looks at the last samples.

    Args:
        items: The samples.
        clock: Measures the work, and says how old a map is.
    """

    def __init__(self, items: Items, clock: Clock) -> None:
        self.items = items
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()
        self._map: Map | None = None
        self._numbers: dict[str, int] = {}  # of older pending queries
        self._lowest = 0

    async def map(self) -> Map:
        """The map of now, or of a few seconds ago."""
        async with self._one_at_a_time:
            if self._map is None or self._clock.monotonic() >= self._map.until:
                self._map = await self._made()
            return self._map

    def item(self, number: int) -> tuple[Item, Sample] | None:
        """The item of a number; None if it is not kept any longer."""
        found = self._find(number)
        sample = self.items.sample(found) if found else None
        return (found, sample) if found and sample else None

    async def neighbours(self, item: Item, sample: Sample) -> list[dict[str, Any]]:
        """The nearest neighbours of an item on the last map, the nearest first."""
        found = self._map or await self.map()
        place = found.place(item.number)
        if place is None:  # it came after the last map
            found = await self.map()
            place = found.place(item.number)
        if place is None:
            here = vectors(self.items.local_model.model, [sample], found.scale)[0].astype(np.float32)
        else:
            here = found.vectors[place]
        gaps = found.vectors - here
        distances = np.sqrt(np.einsum("ij,ij->i", gaps, gaps))
        nearest = np.argsort(distances, kind="stable")[: NEIGHBOURS + 1].tolist()
        others = [one for one in nearest if one != place][:NEIGHBOURS]
        return [{**self.short(found.items[n]), "distance": float(distances[n])} for n in others]

    async def search(self, where: str, sort: str, limit: int, offset: int) -> dict[str, Any]:
        """A page of the items that a filter finds, and the numbers of all of them.

        Raises:
            BadMessage: `bad_filter`, or `slow_filter` if it takes more than `SEARCH_SECONDS` of work.
            Unavailable: It is not done in `LATE_SECONDS`, since this process has much else to do.
        """
        test, now_ms = parse(where), self._clock.wall_ms()
        found, total, slices = Found(), 0, TimeSlices(self._clock)
        deadline = Deadline(LATE_SECONDS, self._clock)
        await within(deadline.left, "the search of somebody else", self._one_at_a_time.acquire())
        try:
            async for item in self._each(slices):
                if slices.worked > SEARCH_SECONDS:
                    raise BadMessage("slow_filter", TOO_SLOW)
                if not deadline.left:
                    raise Unavailable("this process has too much else to do now: search again in a while")
                if where.strip():  # without a filter no sample need be read
                    sample = self.items.sample(item)
                    if sample is None:
                        continue
                    state, label = self.items.fate(item, sample)
                    if not test(self.items.row(item, sample, state, label, now_ms)):
                        total += 1
                        continue
                total += 1
                found.append(item)
        finally:
            self._one_at_a_time.release()
        order = found.order(sort)
        page = [found.items[place] for place in order[offset : offset + limit].tolist()]
        return {
            "total": total,
            "matched": len(order),
            "offset": offset,
            "items": [self.short(item, features=True) async for item in slices.one_by_one(page)],
            "numbers": packed(np.asarray(found.numbers, dtype=np.int64)[order].astype("<i4")),
        }

    def full(self, item: Item, sample: Sample) -> dict[str, Any]:
        """All that is known of an item."""
        decision = item.decision
        return {
            **self.short(item, sample),
            "why": why(decision, item.probabilities, item.failure),
            "at": iso(item.at_ms),
            "features": sample.features,
            "payload": sample.payload,
            "probabilities": item.named_probabilities(),
            "threshold": decision.threshold,
            "propensity": decision.propensity,
            "selected": decision.selected,
            "examples": item.examples,
        }

    def short(self, item: Item, sample: Sample | None = None, *, features: bool = False) -> dict[str, Any]:
        """An item in a list."""
        sample = sample or self.items.sample(item)
        state, label = ("none", None) if sample is None else self.items.fate(item, sample)
        found: dict[str, Any] = {
            "number": item.number,
            "id": item.id,
            "utility": item.decision.utility,
            "reason": item.decision.reason.value,
            "class": item.predicted,
            "state": state,
            "label": label,
        }
        if features and sample is not None:
            first = list(sample.features.items())[:12]
            found["features"] = {
                name: value[:MOST_CHARACTERS] if isinstance(value, str) else value for name, value in first
            }
        return found

    def _find(self, number: int) -> Item | None:
        if number >= 0:
            kept = self.items.recent.get(number)
            return Item.of_kept(kept) if kept else None
        query_id = next((one for one, known in self._numbers.items() if known == number), None)
        pending = self.items.pending.get(query_id) if query_id is not None else None
        return Item.of_query(number, pending.query) if pending else None

    async def _each(self, slices: TimeSlices) -> AsyncIterator[Item]:
        """The items: the last samples, and pending queries that are older; other tasks run between them."""
        shown: set[str] = set()
        numbers: dict[str, int] = {}
        async for one in slices.one_by_one(self._given(), self._size):
            if isinstance(one, str):
                pending = None if one in shown else self.items.pending.get(one)
                if pending is None:
                    continue
                number = self._numbers.get(one)
                if number is None:
                    self._lowest -= 1
                    number = self._lowest
                numbers[one] = number
                yield Item.of_query(number, pending.query)
            else:
                shown.add(one.arrival.id)
                yield Item.of_kept(one)
        self._numbers = numbers

    def _given(self) -> Iterator[Kept | str]:
        """The last samples, and the ids of pending queries."""
        return chain[Kept | str](self.items.recent, self.items.pending.newest(MOST_PENDING))

    def _size(self, one: Kept | str) -> int:
        """The bytes that are read to know a sample."""
        if isinstance(one, str):
            entry = self.items.pending.entry(one)
            return len(entry.value) if entry else 0
        return len(one.record.value or b"")

    async def _read(self, slices: TimeSlices) -> AsyncIterator[tuple[Item, Sample]]:
        """The items whose samples can be read, with them."""
        async for item in self._each(slices):
            sample = self.items.sample(item)
            if sample is not None:
                yield item, sample

    async def _scale(self, slices: TimeSlices) -> dict[str, tuple[float, float]]:
        """The scale of the features, by samples evenly spread over those that are shown."""
        scale, every = Scale(), 1 + (len(self.items.recent) + MOST_PENDING) // MOST_SCALED
        async for one in slices.one_by_one(islice(self._given(), 0, None, every), self._size):
            if isinstance(one, str):
                pending = self.items.pending.get(one)
                item = Item.of_query(0, pending.query) if pending else None
            else:
                item = Item.of_kept(one)
            sample = self.items.sample(item) if item else None
            if sample is not None:
                scale.add([sample])
        return scale.found()

    async def _made(self) -> Map:
        """Make the map anew."""
        model, slices = self.items.local_model.model, TimeSlices(self._clock)
        scale = await self._scale(slices) if needs_scale(model) else {}
        before = self._map.plane if self._map else None
        points = Points(model.classes)
        chunk: list[Sample] = []
        blocks: list[NDArray[np.float32]] = []
        moments, values = Moments(WIDTH), 0

        def encode_chunk() -> None:
            block = vectors(model, chunk, scale)
            moments.add(block)
            blocks.append(block.astype(np.float32))
            chunk.clear()

        async for item, sample in self._read(slices):
            points.append(item, *self.items.fate(item, sample))
            chunk.append(sample)
            values += len(sample.shape.names)
            if len(chunk) == CHUNK or values >= CHUNK_VALUES:
                encode_chunk()
                values = 0
        encode_chunk()
        await asyncio.sleep(0)
        found = np.concatenate(blocks)
        shown = plane(moments, before)
        places = np.zeros((len(found), 2))
        for first in range(0, len(found), PLACED_AT_ONCE):
            with slices.working():
                some = found[first : first + PLACED_AT_ONCE].astype(np.float64)
                places[first : first + PLACED_AT_ONCE] = shown.place(some)
            await slices.over()
        await asyncio.sleep(0)
        body = points.body(places, shown)
        until = self._clock.monotonic() + max(MAP_SECONDS, slices.worked / MOST_SHARE)
        return Map(body, until, points.items, found, shown, scale)
