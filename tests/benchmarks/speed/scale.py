"""What a sample costs with more replicas, partitions and pending queries.

On a machine with few cores more replicas make nothing faster. The question is whether they make a sample
dearer. The cost is the CPU time of all replicas together, divided by the samples. It counts from the first
sample until all samples are decided and every replica has learned all labels. A tenth of the samples comes
before and does not count. Rounds alternate between the cases, and every case is compared with the first one.

Two costs do not depend on the samples, and grow with the number of replicas by design:

    idle      polls, heartbeats and metrics, per second; measured before the samples come, and shown
    labels    every replica reads every query and learns every label, because each holds the whole model

So the cases run at two budgets. At 5% of the samples a stream at full speed buys thousands of labels a
second. At 0.1% it buys about as many as people can give. The target is for the second budget, which shows
what deciding costs. The figures of the first are shown too.

The pending queries are in their topic before the service starts, and they get no labels.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from statistics import median
from time import monotonic

from aiokafka import TopicPartition

from tests.benchmarks.speed.bench import Annotator, Bench, bench, cpu_seconds
from tests.benchmarks.speed.command import Report, Tell, Verdict
from tests.benchmarks.speed.stored import CASE, queries, repeated
from tests.benchmarks.text_table import TextTable
from tests.support.processes import Server

__all__ = ["measure"]

MOST = 1.1
IDLE_SECONDS = 2.0
CALM_SECONDS = 0.5
ENOUGH_SECONDS = 300.0
UNLIMITED = 1_000_000_000  # so pending queries are never the limit
FEW_LABELS, MANY_LABELS = 0.001, 0.05


@dataclass(frozen=True, slots=True)
class Plan:
    """How many samples, how often, and up to how many pending queries."""

    samples: int = 200_000
    rounds: int = 5
    pending: tuple[int, ...] = (0, 10_000, 100_000, 1_000_000)


@dataclass(frozen=True, slots=True)
class Setup:
    """A case.

    Attributes:
        replicas: How many processes.
        partitions: How many partitions the samples have.
        share: The budget, as a share of the samples.
        pending: How many queries are pending before the start.
    """

    replicas: int
    partitions: int
    share: float
    pending: int = 0

    def __str__(self) -> str:
        said = f"{self.replicas} of {self.partitions} partitions, {self.share:.1%}"
        return f"{said}, {self.pending:,} pending"


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU microseconds a sample, its idle part, and CPU milliseconds a second of an idle replica."""

    sample: float
    idle_sample: float
    idle: float


SCALED = ((1, 1), (1, 2), (1, 8), (2, 8), (4, 8))


async def measure(quick: bool, tell: Tell) -> Report:
    """Run all cases in every round."""
    plan = Plan(50_000, 2, (0, 100_000)) if quick else Plan()
    scaled = [Setup(*shape, share) for share in (FEW_LABELS, MANY_LABELS) for shape in SCALED]
    waiting = [Setup(1, 2, FEW_LABELS, pending) for pending in plan.pending]
    setups = list(dict.fromkeys([*scaled, *waiting]))
    rows = list(repeated(plan.samples, "s"))
    values, labels = [row.encoded() for row in rows], {row.id.encode(): row.label_message() for row in rows}
    costs: dict[Setup, list[Cost]] = {setup: [] for setup in setups}
    async with bench() as here:
        for number in range(plan.rounds):
            for position, setup in enumerate(setups):
                tell(str(setup), number * len(setups) + position, plan.rounds * len(setups))
                costs[setup].append(await _run(here, setup, values, labels))
    return _report(plan, scaled, waiting, costs)


async def _run(here: Bench, setup: Setup, values: Sequence[bytes], labels: dict[bytes, bytes]) -> Cost:
    name, settings = here.settings(
        "?",
        f"model.definition={CASE.model}",
        f"budget.share={setup.share}",
        f"budget.pending={UNLIMITED}",
    )
    samples = f"{name}-samples"
    await here.create({samples: setup.partitions, f"{samples}.dlq": 1})
    await here.topics(name, setup.partitions)
    await here.store(f"{name}-queries", queries(setup.pending), 1)
    await here.begin(name, samples, setup.partitions)
    async with AsyncExitStack() as stack:
        annotator = Annotator(here.bootstrap, name, labels)
        await annotator.start()
        stack.push_async_callback(annotator.stop)
        own = [*settings, f"topics.samples={samples}"]
        starts = (
            stack.enter_async_context(here.serving(own, f"{name}-{replica}"))
            for replica in range(setup.replicas)
        )
        servers = await asyncio.gather(*starts)
        await _assigned_evenly(servers, samples, setup.partitions)
        warm = len(values) // 10  # so every process has done everything once
        for begin, end in ((0, warm), (warm, len(values))):
            before, began = _used(servers), monotonic()
            await asyncio.sleep(IDLE_SECONDS)
            idle = (_used(servers) - before) / (monotonic() - began)
            before, began = _used(servers), monotonic()
            await here.fill(samples, values[begin:end], setup.partitions)
            await here.until_decided(name, samples, setup.partitions, end)
            await _learned(here, name, annotator)
            spent, took = _used(servers) - before, monotonic() - began
    number = len(values) - warm
    return Cost(1e6 * spent / number, 1e6 * idle * took / number, 1e3 * idle / setup.replicas)


def _used(servers: Sequence[Server]) -> float:
    return sum(cpu_seconds(server.pid) for server in servers)


async def _assigned_evenly(servers: Sequence[Server], samples: str, partitions: int) -> None:
    """Wait until every replica has the same number of partitions."""
    until = monotonic() + ENOUGH_SECONDS
    fair = partitions // len(servers)
    while any(_held(server, samples) != fair for server in servers):
        if monotonic() > until:
            raise RuntimeError(f"the partitions are not assigned evenly:\n{servers[0].tail()}")
        await asyncio.sleep(0.1)


def _held(server: Server, samples: str) -> int:
    """How many partitions a replica has, by the last line that it logged about them."""
    given = re.findall(rf'"topic": "{samples}", "partitions": \[([^\]]*)\]', server.said())
    return len(given[-1].split(",")) if given and given[-1] else 0


async def _learned(here: Bench, name: str, annotator: Annotator) -> None:
    """Wait until every label is an example, and all replicas had time to learn the last ones."""
    examples = TopicPartition(f"{name}-examples", 0)
    until = monotonic() + ENOUGH_SECONDS
    while True:
        labels = annotator.labels
        await asyncio.sleep(CALM_SECONDS)
        there = await here.ends([examples])
        if there[examples] == labels == annotator.labels:
            return
        if monotonic() > until:
            raise RuntimeError(f"{labels} labels gave {there[examples]} examples")


def _report(
    plan: Plan, scaled: Sequence[Setup], waiting: Sequence[Setup], costs: dict[Setup, list[Cost]]
) -> Report:
    ratios = {
        setup: median(own.sample / first.sample for own, first in zip(costs[setup], costs[base], strict=True))
        for group in (scaled[: len(SCALED)], scaled[len(SCALED) :], waiting)
        for base in group[:1]
        for setup in group
    }
    header = ["replicas", "partitions", "budget", "pending"]
    header += ["CPU us a sample", "idle part", "to the first", "an idle replica, ms/s"]

    def row(setup: Setup) -> list[str]:
        found = costs[setup]
        return [
            *(f"{setup.replicas}", f"{setup.partitions}", f"{setup.share:.1%}", f"{setup.pending:,}"),
            f"{median(cost.sample for cost in found):.2f}",
            f"{median(cost.idle_sample for cost in found):.2f}",
            f"{ratios[setup]:.2f}x",
            f"{median(cost.idle for cost in found):.0f}",
        ]

    of = f"medians of {plan.rounds}, {plan.samples:,} samples each, {CASE.model}"
    tables = [
        TextTable(f"Replicas and partitions: {of}", header, [row(setup) for setup in scaled]),
        TextTable(f"Pending queries: {of}", header, [row(setup) for setup in waiting]),
    ]
    judged = {
        "replicas and partitions": scaled[: len(SCALED)],
        "pending queries": waiting,
    }
    verdicts = [
        Verdict(
            f"a sample costs at most {MOST - 1:.0%} more with more {what}",
            max(ratios[setup] for setup in setups) <= MOST,
            f"{max(ratios[setup] for setup in setups) - 1:+.0%}",
        )
        for what, setups in judged.items()
    ]
    notes = [
        f"The target is for a budget of {FEW_LABELS:.1%}. At {MANY_LABELS:.0%} a replica learns many labels.",
        "Idle part: what the replicas would have used in the same time without samples.",
    ]
    cases = [
        {
            **asdict(setup),
            "us": median(cost.sample for cost in found),
            "idle_us": median(cost.idle_sample for cost in found),
            "ratio": ratios[setup],
        }
        for setup, found in costs.items()
    ]
    figures = {"cases": cases, "rounds": plan.rounds, "samples": plan.samples}
    return Report(figures, tables, verdicts, notes)
