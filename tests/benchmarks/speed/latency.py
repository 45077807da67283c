"""What the service adds to the time that Kafka needs.

The time is that from the acknowledgement of a sample until its query can be read. In between the service
fetches the sample, decides about it, and sends the query, and the broker acknowledges it. The relay
(`speed.relay`) does the same without a decision. So the difference is the cost of deciding, of committing, of
learning from the labels that come back, and of the pauses in between. The load is an open loop
(`speed.sample_load`): no sample is sent later because another one is late.

Service and relay run all the time, each on a topic of samples of its own. Rounds alternate between the
topics, so other work of the machine affects both. The medians of the percentiles of the rounds are shown. A
round at 1,000 samples a second has about 50 queries a second, which is too few for a 99.9th percentile. So
this one is that of all rounds together.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from tests.benchmarks.speed.bench import ROOT, Bench, bench, program
from tests.benchmarks.speed.command import Report, Tell, Verdict, nearest_rank
from tests.benchmarks.speed.sample_load import Load
from tests.benchmarks.speed.stored import CASE
from tests.benchmarks.text_table import TextTable

__all__ = ["measure"]

SHARE = 0.05
MOST_MORE_MS = {1_000: 5.0, 10_000: 10.0}
PREDICT_MS = 10.0
PREDICT_RATE = 50.0
BUSY_RATE = 10_000
FIGURES = ("p50", "p99", "p99.9")


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, and how often."""

    seconds: float = 16.0
    rounds: int = 5


@dataclass(slots=True)
class Times:
    """Milliseconds of each round.

    >>> times = Times([[1.0, 2.0], [3.0, 4.0], [5.0, 9.0]])
    >>> times.figures()
    {'p50': 3.0, 'p99': 4.0, 'p99.9': 9.0}
    """

    rounds: list[list[float]] = field(default_factory=list)

    def figures(self) -> dict[str, float]:
        """The medians of the percentiles of the rounds, and the 99.9th percentile of all rounds together."""
        medians = {
            name: median(nearest_rank(one, share) for one in self.rounds) for name, share in SHARES.items()
        }
        return {**medians, "p99.9": nearest_rank([value for one in self.rounds for value in one], 0.999)}


SHARES = {"p50": 0.5, "p99": 0.99}


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured, and its topics."""

    name: str
    samples: str
    queries: str
    labels: str | None = None


async def measure(quick: bool, tell: Tell) -> Report:
    """Measure the relay and the service, in alternating rounds."""
    plan = Plan(6.0, 3) if quick else Plan()
    async with bench() as here:
        await here.create({"samples": 2, "samples.dlq": 1, "relay-samples": 2, "relay-out": 1})
        name, settings = here.settings("samples", f"model.definition={CASE.model}", f"budget.share={SHARE}")
        await here.topics(name, 2)
        ours = Subject("stream_al", "samples", f"{name}-queries", f"{name}-labels")
        relay = Subject("relay", "relay-samples", "relay-out")
        async with here.serving(settings, "latency") as server, _relaying(here, relay):
            return await _rounds(here, plan, (relay, ours), server.url, tell)


async def _rounds(here: Bench, plan: Plan, subjects: Sequence[Subject], url: str, tell: Tell) -> Report:
    rates = tuple(MOST_MORE_MS)
    found = {(subject.name, rate): Times() for rate in rates for subject in subjects}
    late = {(subject.name, rate): Times() for rate in rates for subject in subjects}
    predicted = Times()
    total, done = (plan.rounds + 1) * (len(found) + 1), 0
    ours = subjects[-1]
    for number in range(plan.rounds + 1):  # the first round warms up
        for rate in rates:
            for subject in subjects:
                tell(f"{subject.name} at {rate:,} samples a second", done, total)
                load = _load(here, subject, f"r{number}x{rate}x", rate, plan.seconds)
                said = await program("sample_load", load.arguments())
                if number:
                    found[subject.name, rate].rounds.append(said["delay"])
                    late[subject.name, rate].rounds.append(said["acknowledged"])
                done += 1
        tell(f"predictions at {BUSY_RATE:,} samples a second", done, total)
        taken = await _predictions(_load(here, ours, f"h{number}x", BUSY_RATE, plan.seconds + 4.0), url, plan)
        if number:
            predicted.rounds.append(taken)
        done += 1
    return _report(plan, found, late, predicted)


async def _predictions(load: Load, url: str, plan: Plan) -> list[float]:
    """The milliseconds of predictions while samples flow."""
    flowing = asyncio.create_task(program("sample_load", load.arguments()))
    await asyncio.sleep(4.0)  # until the load has made its samples and begun
    asked: dict[str, Any] = await program("predict_load", url, PREDICT_RATE, plan.seconds - 2.0)
    await flowing
    taken: list[float] = asked["taken"]
    return taken


def _load(here: Bench, subject: Subject, prefix: str, rate: int, seconds: float) -> Load:
    return Load(here.bootstrap, subject.samples, subject.queries, subject.labels, prefix, rate, seconds)


@asynccontextmanager
async def _relaying(here: Bench, subject: Subject) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.benchmarks.speed.relay", here.bootstrap),
        *(subject.samples, subject.queries, str(SHARE)),
        cwd=ROOT,
    )
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


def _report(
    plan: Plan, found: dict[tuple[str, int], Times], late: dict[tuple[str, int], Times], predicted: Times
) -> Report:
    figures = {f"{name}_{rate}": times.figures() for (name, rate), times in found.items()}
    rows = [
        [
            f"{name}, {rate:,}/s",
            *(f"{figures[f'{name}_{rate}'][figure]:.1f}" for figure in FIGURES),
            f"{sum(map(len, times.rounds)):,}",
            f"{late[name, rate].figures()['p99']:.1f}",
        ]
        for (name, rate), times in found.items()
    ]
    header = ["ms from acknowledgement to query", *FIGURES, "queries", "acknowledged after, p99"]
    title = f"Medians of {plan.rounds} rounds of {plan.seconds:g} s; {CASE.model}, {SHARE:.0%} queried"
    verdicts = []
    for rate, most in MOST_MORE_MS.items():
        more = figures[f"stream_al_{rate}"]["p99"] - figures[f"relay_{rate}"]["p99"]
        claim = f"p99 at {rate:,}/s at most {most:g} ms more than the relay's"
        verdicts.append(Verdict(claim, more <= most, f"{more:+.1f} ms"))
    http = predicted.figures()
    asked = f"{sum(map(len, predicted.rounds)):,}"
    rows.append([f"/v1/predict, {BUSY_RATE:,}/s", *(f"{http[figure]:.1f}" for figure in FIGURES), asked, ""])
    claim = f"p99 of /v1/predict under {PREDICT_MS:g} ms while {BUSY_RATE:,} samples a second flow"
    verdicts.append(Verdict(claim, http["p99"] < PREDICT_MS, f"{http['p99']:.1f} ms"))
    notes = ["p99.9 is that of all rounds together. Acknowledged after: from the time when a sample was due."]
    return Report(
        {"rounds": plan.rounds, "seconds": plan.seconds, **figures, "predict": http},
        [TextTable(title, header, rows)],
        verdicts,
        notes,
    )
