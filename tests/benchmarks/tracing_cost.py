"""What tracing costs the selecting stage: CPU time a sample, off, on, and on with a header on every sample.

    python -m tests.benchmarks.tracing_cost --samples 20000

The stage reads, decides and applies batches as in the service, without a broker. Spans pass the queue and the
thread that export them, and then are dropped. The best of several rounds counts.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import process_time
from unittest.mock import patch

import msgspec
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from stream_al.errors import BadMessage
from stream_al.service.app import App
from stream_al.service.broker.protocols import Ack, Headers, Record
from stream_al.service.telemetry import exporters
from stream_al.settings import load
from tests.support.memory_broker import MemoryBroker, Partition
from tests.support.memory_client import MemoryClient
from tests.support.stream import sample

BATCH = 500
ROUNDS = 5
TRACED: Headers = (("traceparent", b"00-" + b"7" * 32 + b"-" + b"7" * 16 + b"-01"),)


class NoExporter(SpanExporter):
    """Drops the spans that it gets."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.SUCCESS


def without_export() -> list[SpanProcessor]:
    return [BatchSpanProcessor(NoExporter())]


def seconds(samples: int, share: float, headers: Headers, *, on: bool) -> float:
    """CPU seconds that the stage takes for so many samples."""
    given = [f"budget.share={share}", f"tracing.enabled={on}", "budget.pending=1000000"]
    broker = MemoryBroker()
    broker.topics["samples"] = [Partition()]
    app = App(load(overrides=[*given, "model.definition=GaussianNB()"], environ={}), MemoryClient(broker))
    stage, state = app.selection, app.selection.decode(0, "")
    values = [msgspec.json.encode(sample(number)) for number in range(BATCH)]
    began = process_time()
    for start in range(0, samples, BATCH):
        records = [
            Record("samples", 0, start + n, 1_700_000_000_000, b"%d" % (start + n), value, headers)
            for n, value in enumerate(values)
        ]
        read = zip(records, stage.read(records), strict=True)
        draft = stage.begin()
        state = draft.decide(0, [(r, said) for r, said in read if not isinstance(said, BadMessage)], state)
        work = draft.work()
        work.applied([[Ack(0, start + n, 1_700_000_000_000) for n in range(len(work.sends[0]))]])
    return process_time() - began


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=20_000)
    samples = parser.parse_args().samples
    cases: dict[str, Callable[[float], float]] = {
        "off": lambda share: seconds(samples, share, (), on=False),
        "off, header on every sample": lambda share: seconds(samples, share, TRACED, on=False),
        "on": lambda share: seconds(samples, share, (), on=True),
        "on, header on every sample": lambda share: seconds(samples, share, TRACED, on=True),
    }
    print("CPU µs a sample".ljust(30), "1% queried", "5% queried", sep="  ")  # noqa: T201 - this is a command
    with patch.object(exporters, "processors", without_export):
        for name, run in cases.items():
            best = [min(run(share) for _ in range(ROUNDS)) / samples * 1e6 for share in (0.01, 0.05)]
            print(name.ljust(30), *(f"{one:8.1f}" for one in best), sep="  ")  # noqa: T201


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
