"""What a replay pays for looking for corrections first: CPU time an example, beside that of learning it.

    python -m tests.benchmarks.scout_cost --examples 100000

The examples lie in a real Kafka. The scout (`service.model.scout`) reads all of them, once without a
correction among them and once with one at the end. Then they are read and folded, as a replay does it. The
time is that of this process, with the client that fetches.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import process_time

from stream_al.engine.labels.exclusions import Exclusions
from stream_al.engine.labels.learner import Learner
from stream_al.messages import Example, decode, encode
from stream_al.service.broker.kafka.cluster import Kafka
from stream_al.service.broker.protocols import Reader
from stream_al.service.broker.readers import is_behind
from stream_al.service.engine_settings import fresh_learner
from stream_al.service.model.scout import Scout
from stream_al.service.timing.clock import SYSTEM_CLOCK
from stream_al.service.timing.time_slices import TimeSlices
from stream_al.settings import Settings, load
from tests.benchmarks.speed.bench import bench
from tests.benchmarks.speed.stored import examples
from tests.benchmarks.text_table import TextTable

BYTES = 1_000_000
FEW, MANY = 1000, 1_000_000  # examples that a model learns at most, for its time an example
MODELS = {"StandardScaler() | LogisticRegression()": MANY, "auto": FEW}


async def main_async(number: int) -> TextTable:
    """Write the examples, and measure."""
    async with bench() as here:
        await here.create({"plain": 1, "corrected": 1})
        first, *_ = stored = list(examples(number))
        name = first[0].decode()
        made = encode(Example(name, "low", reason="correction", corrects=True))
        await here.store("plain", stored, 1)
        await here.store("corrected", [*stored, (first[0], made)], 1)
        given = [f"kafka.bootstrap_servers={here.bootstrap}"]
        rows = []
        for topic in ("plain", "corrected"):
            us = await _measured(load(overrides=given, environ={}), topic, number, _scouted)
            rows.append([f"scout, {'no' if topic == 'plain' else 'one'} correction", f"{us:.1f}"])
        for model, few in MODELS.items():
            settings = load(overrides=[*given, f"model.definition={model}"], environ={})
            us = await _measured(settings, "plain", min(few, number), _folded)
            rows.append([f"read and fold, {model}", f"{us:.1f}"])
    return TextTable(f"{number:,} examples", ["what", "CPU us an example"], rows)


Work = Callable[[Settings, Reader, int], Awaitable[None]]


async def _measured(settings: Settings, topic: str, number: int, work: Work) -> float:
    """CPU microseconds an example."""
    broker = Kafka(settings)
    reader = broker.reader(topic)
    await reader.start()
    try:
        began = process_time()
        await work(settings, reader, number)
        return 1e6 * (process_time() - began) / number
    finally:
        await reader.stop(5.0)
        await broker.stop(5.0)


async def _scouted(settings: Settings, reader: Reader, number: int) -> None:
    slices, ledger = TimeSlices(SYSTEM_CLOCK), fresh_learner(settings).ledger
    scout = Scout(reader, 0, Exclusions(), BYTES, slices, lambda: None)
    await scout.corrections(ledger, 0, (await reader.end_offsets())[0])


async def _folded(settings: Settings, reader: Reader, number: int) -> None:
    slices, learner = TimeSlices(SYSTEM_CLOCK), fresh_learner(settings)
    await reader.seek(0, 0)
    end = {0: min(number, (await reader.end_offsets())[0])}
    while learner.offset < end[0] and await is_behind(reader, end):
        async for record in slices.one_by_one(await reader.poll(500, 1.0)):
            _fold(learner, record.value or b"", record.offset)


def _fold(learner: Learner, value: bytes, offset: int) -> None:
    learner.fold(decode(Example, value, max_bytes=BYTES), offset)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=100_000)
    print(asyncio.run(main_async(parser.parse_args().examples)).markdown())  # noqa: T201 - this is a command


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
