"""The law of time slices: however many samples are on the map, no callback of the loop does much at once."""

from __future__ import annotations

import asyncio
import sys
from asyncio.events import Handle
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from types import FrameType
from typing import Any

import pytest

from stream_al.engine.budgets import Decision, Reason
from stream_al.engine.explore.vectors import vectors
from stream_al.engine.model.model import Model
from stream_al.engine.samples.table import Floats, Sample
from stream_al.engine.strategies import ScoredSample
from stream_al.messages import encode
from stream_al.service.broker.protocols import Record
from stream_al.service.desk import explorer
from stream_al.service.desk.explorer import MAP_SECONDS, Explorer
from stream_al.service.desk.items import Items
from stream_al.service.desk.recent_samples import MOST, RecentSamples
from stream_al.service.timing.clock import Clock
from tests.support.replica import Replica
from tests.support.stream import sample
from tests.support.world import MakeWorld

LINE_SECONDS = 1e-6  # about what a line takes
MOST_LINES = 10_000  # a slice is half of it


class Lines(Clock):
    """Counts the lines of Python that run, and takes them for the time: so nothing here depends on a clock.

    Attributes:
        most: The most lines of one callback of the event loop.
    """

    def __init__(self) -> None:
        super().__init__()
        self.all = self.most = 0

    def thread_time(self) -> float:
        return self.all * LINE_SECONDS

    def monotonic(self) -> float:
        return self.thread_time()

    def _trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        self.all += event == "line"
        return self._trace

    async def of(self, monkeypatch: pytest.MonkeyPatch, work: Callable[[], Awaitable[Any]]) -> int:
        """The most lines of a callback while something is done."""
        self.most, run = 0, Handle._run

        def counted(handle: Handle) -> None:
            before, traced = self.all, sys.gettrace()
            sys.settrace(self._trace)
            try:
                run(handle)
            finally:
                sys.settrace(traced)
            self.most = max(self.most, self.all - before)

        with monkeypatch.context() as patched:
            patched.setattr(Handle, "_run", counted)
            await asyncio.sleep(0)  # from the next callback on it counts
            await work()
        return self.most


def full(replica: Replica, most: int = MOST, more: Mapping[str, float] | None = None) -> RecentSamples:
    """As many last samples as are kept, or fewer, with more features."""
    recent = RecentSamples(replica.app.selection.sample, 2**40, lambda: 0.0)
    for begin in range(0, most, 500):
        numbers = range(begin, min(most, begin + 500))
        bodies = [
            encode({**(one := sample(n)), "features": {**one["features"], **(more or {})}}) for n in numbers
        ]
        records = [
            Record("samples", 0, n, 1000 + n, None, body) for n, body in zip(numbers, bodies, strict=True)
        ]
        scored = [ScoredSample(f"s{n}", {"up": 0.6, "down": 0.4}, n % 100 / 100) for n in numbers]
        made = [Decision(f"s{n}", False, n % 100 / 100, 0.5, 0.1, Reason.BELOW) for n in numbers]
        recent.add([(record, (None, one)) for record, one in zip(records, scored, strict=True)], made, 0)
    return recent


async def test_wide_samples_are_encoded_few_at_once(
    memory_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many features they have: at most as many values as are worth a slice, and one sample more."""
    world, encoded = await memory_world(), list[int]()

    def noted(model: Model, samples: Sequence[Sample], scale: dict[str, tuple[float, float]]) -> Floats:
        encoded.append(sum(len(one.shape.names) for one in samples))
        return vectors(model, samples, scale)

    monkeypatch.setattr(explorer, "vectors", noted)
    replica = await world.start("a")
    wide = full(replica, 100, {f"f{n}": float(n) for n in range(3000)})
    found = await Explorer(Items(wide, replica.app.pending, replica.app.local_model, ()), Clock()).map()
    assert len(found.items) == 100
    assert sum(encoded) > 4 * explorer.CHUNK_VALUES
    assert max(encoded) < explorer.CHUNK_VALUES + 4000


@pytest.mark.long
async def test_no_callback_does_much_however_many_samples_there_are(
    memory_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = await memory_world()
    replica = await world.start("a")
    lines, app = Lines(), replica.app
    shown = Explorer(Items(full(replica), app.pending, app.local_model, ()), lines)
    assert len((await shown.map()).items) == MOST
    shown._map = None
    assert await lines.of(monkeypatch, shown.map) < MOST_LINES
    found = await shown.map()
    assert found.until - lines.monotonic() > 4 * MAP_SECONDS  # in proportion to the work that it took
    for where, sort in (("", "id"), ("", "newest"), ("x > 0.5", "utility")):
        work = partial(shown.search, where, sort, 200, 0)
        assert await lines.of(monkeypatch, work) < MOST_LINES
    assert lines.all > 20 * MOST_LINES
