"""What the service adds to the time that Kafka takes anyway.

A sample is acknowledged; some time later its query can be read. In between, the sample is fetched, decided
about, its query sent and acknowledged by the broker. The relay does the same without deciding
(`speed.relay`), so the difference is what deciding, committing, learning from the labels that return, and
the pauses between these cost. The load is an open loop (`speed.stopwatch`): nothing is sent later because
something is late.

Service and relay run all the time and have a topic of samples each. Rounds take turns between the topics, so
that what else the machine does falls on both, and the one whose turn it is not reads nothing. Percentiles
are of a round, and the medians of the rounds are shown; a round at 1,000 a second has some 50 queries a
second, too few for its 99.9th percentile, which therefore is that of all rounds together.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from tests.benchmarks.grid import Grid
from tests.benchmarks.speed.command import Report, Tell, Verdict, nearest_rank
from tests.benchmarks.speed.rig import ROOT, Rig, program, rig
from tests.benchmarks.speed.stopwatch import Load
from tests.benchmarks.speed.stored import CASE

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
    """Milliseconds, by round.

    >>> times = Times([[1.0, 2.0], [3.0, 4.0], [5.0, 9.0]])
    >>> times.figures()
    {'p50': 3.0, 'p99': 4.0, 'p99.9': 9.0}
    """

    rounds: list[list[float]] = field(default_factory=list)

    def figures(self) -> dict[str, float]:
        """The medians of the rounds' percentiles, and the last of all rounds."""
        with_shared_shapes = {
            name: median(nearest_rank(one, share) for one in self.rounds) for name, share in SHARES.items()
        }
        return {
            **with_shared_shapes,
            "p99.9": nearest_rank([value for one in self.rounds for value in one], 0.999),
        }


SHARES = {"p50": 0.5, "p99": 0.99}


@dataclass(frozen=True, slots=True)
class Subject:
    """Who is measured, and the topics."""

    name: str
    samples: str
    queries: str
    labels: str | None = None


async def measure(quick: bool, tell: Tell) -> Report:
    """Take turns."""
    plan = Plan(6.0, 3) if quick else Plan()
    async with rig() as here:
        await here.create({"samples": 2, "samples.dlq": 1, "relay-samples": 2, "relay-out": 1})
        name, settings = here.settings("samples", f"model.definition={CASE.model}", f"budget.share={SHARE}")
        await here.topics(name, 2)
        ours = Subject("stream_al", "samples", f"{name}-queries", f"{name}-labels")
        relay = Subject("relay", "relay-samples", "relay-out")
        async with here.serving(settings, "latency") as server, _relaying(here, relay):
            return await _rounds(here, plan, (relay, ours), server.url, tell)


async def _rounds(here: Rig, plan: Plan, subjects: Sequence[Subject], url: str, tell: Tell) -> Report:
    rates = tuple(MOST_MORE_MS)
    found = {(subject.name, rate): Times() for rate in rates for subject in subjects}
    late = {(subject.name, rate): Times() for rate in rates for subject in subjects}
    predicted = Times()
    total, done = (plan.rounds + 1) * (len(found) + 1), 0
    ours = subjects[-1]
    for number in range(plan.rounds + 1):  # what is first warms up
        for rate in rates:
            for subject in subjects:
                tell(f"{subject.name} at {rate:,} samples a second", done, total)
                load = _load(here, subject, f"r{number}x{rate}x", rate, plan.seconds)
                said = await program("stopwatch", load.arguments())
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
    """Milliseconds that predictions take while samples flow."""
    flowing = asyncio.create_task(program("stopwatch", load.arguments()))
    await asyncio.sleep(4.0)  # until the stopwatch has made its samples and begun
    asked: dict[str, Any] = await program("asker", url, PREDICT_RATE, plan.seconds - 2.0)
    await flowing
    taken: list[float] = asked["taken"]
    return taken


def _load(here: Rig, subject: Subject, prefix: str, rate: int, seconds: float) -> Load:
    return Load(here.bootstrap, subject.samples, subject.queries, subject.labels, prefix, rate, seconds)


@asynccontextmanager
async def _relaying(here: Rig, subject: Subject) -> AsyncIterator[None]:
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
    title = f"Medians of {plan.rounds} rounds of {plan.seconds:g} s; {CASE.model}, {SHARE:.0%} asked"
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
    notes = ["p99.9 is of all rounds together. Acknowledged after: by the schedule, the load's own delay."]
    return Report(
        {"rounds": plan.rounds, "seconds": plan.seconds, **figures, "predict": http},
        [Grid(title, header, rows)],
        verdicts,
        notes,
    )
