"""The measurement of `throughput.py`.

    floor     an aiokafka loop that parses every value with orjson and does nothing else, CPU a sample
    river     River alone, for the same predictions: one by one or in batches, the faster
    select    the process of the service, from the first sample until all are decided, without labels
    stages    the part of the engine in `select`, by stage (see `stages`)
    service   as `select`, with a label for every query, until all labels are learned

The model has learned some thousand examples before. CPU time is that of the whole process, in user and system
mode, over all threads. Rounds alternate between the four, so other work of the machine affects them alike.
The median of the rounds counts. `service` has all costs, also of labels that are learned after the last
decision: one sample in twenty is queried, and each label passes three topics.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from stream_al.settings import Settings
from tests.benchmarks.speed.bench import Annotator, Bench, bench, cpu_seconds, program
from tests.benchmarks.speed.cases import CASES, LEARNED, Case

__all__ = ["main"]

SAMPLES = 300_000
PARTITIONS = 2
SHARE = 0.05
ACTIVEML_SAMPLES = 500
COLUMNS = ("floor_us", "river_us", "select_us", "service_us")


@dataclass
class Measured:
    """The rounds of a case under a strategy, in CPU microseconds a sample."""

    case: Case
    strategy: str
    samples: int
    rounds: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in COLUMNS})
    walls: list[float] = field(default_factory=list)
    labels: int = 0
    stages: dict[str, float] = field(default_factory=dict)

    def summary(self) -> dict[str, Any]:
        """One line of the table."""
        found = {name: round(median(values), 2) for name, values in self.rounds.items()}
        return {
            "case": self.case.name,
            "model": self.case.model,
            "kind": self.case.kind,
            "features": self.case.features,
            "strategy": self.strategy,
            "samples": self.samples,
            "labels": self.labels,
            "rounds": len(self.walls),
            **found,
            "wall_us": round(median(self.walls), 2),
            "stages_us": {name: round(cost, 2) for name, cost in self.stages.items()},
            "ratio_to_floor": round(found["service_us"] / found["floor_us"], 2),
            "select_ratio_to_floor": round(found["select_us"] / found["floor_us"], 2),
            "over_river_us": round(found["service_us"] - found["river_us"], 2),
            "ratio_to_river": round(found["service_us"] / found["river_us"], 2),
        }


class Runner:
    """Measures one case after the other on one broker."""

    def __init__(self, bench_: Bench, share: float) -> None:
        self.bench = bench_
        self.share = share

    async def prepare(self, case: Case) -> int:
        """Fill a topic with the samples of a case; their number."""
        number = max(2000, int(SAMPLES * case.share * self.share))
        topic = f"samples-{case.name}"
        await self.bench.create({topic: PARTITIONS, f"{topic}.dlq": 1})
        await self.bench.fill(topic, (row.encoded() for row in case.rows(number)), PARTITIONS)
        self.labels = {row.id.encode(): row.label_message() for row in case.rows(number)}
        self.examples = [replace(row, id=f"e{row.id}").example() for row in case.rows(LEARNED, seed=1)]
        return number

    async def round(self, measured: Measured) -> None:
        """Measure each of the four once."""
        case, number = measured.case, measured.samples
        floor = await program("floor", self.bench.bootstrap, f"samples-{case.name}", number)
        river = await program("river_cost", case.name, min(number, 3000))
        fastest = min(found for found in river.values() if found is not None)
        measured.rounds["floor_us"].append(1e6 * floor["cpu"] / number)
        measured.rounds["river_us"].append(1e6 * fastest / min(number, 3000))
        for column, labelled in (("select_us", False), ("service_us", True)):
            cpu, wall, labels = await self.serve(measured, labelled=labelled)
            measured.rounds[column].append(1e6 * cpu / number)
            if labelled:
                measured.walls.append(1e6 * wall / number)
                measured.labels = labels

    async def serve(self, measured: Measured, *, labelled: bool) -> tuple[float, float, int]:
        """Let the service decide all samples: CPU seconds, wall seconds, and how many labels it learned."""
        case, samples = measured.case, f"samples-{measured.case.name}"
        more = [f"model.definition={case.model}", f"strategy={measured.strategy}"]
        more += [f"budget.share={SHARE}", "budget.pending=1000000"]
        name, settings = self.bench.settings(samples, *more)
        await self.bench.topics(name, PARTITIONS)
        await self.bench.fill(f"{name}-examples", self.examples, 1)
        annotator = Annotator(self.bench.bootstrap, name, self.labels)
        if labelled:
            await annotator.start()
        try:
            async with self.bench.serving(settings, name) as server:
                loop = asyncio.get_running_loop()
                cpu, wall = cpu_seconds(server.pid), loop.time()
                await self.bench.until_decided(name, samples, PARTITIONS, measured.samples)
                labels = 0
                if labelled:
                    labels = await self.bench.until_learned(server, annotator, LEARNED)
                return cpu_seconds(server.pid) - cpu, loop.time() - wall, labels
        finally:
            await annotator.stop()


async def measure(given: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Measure the cases and strategies of the command line."""
    cases = [case for case in CASES if case.name in given.cases]
    pairs = [(case, strategy) for case in cases for strategy in given.strategies]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    found = []
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("measuring", total=len(pairs) * given.rounds)
        async with bench() as bench_:
            runner = Runner(bench_, 0.1 if given.quick else 1.0)
            for case in cases:
                number = await runner.prepare(case)
                for strategy in given.strategies:
                    measured = Measured(case, strategy, number)
                    for _ in range(given.rounds):
                        bar.update(task, description=f"{case.name}, {strategy}")
                        await runner.round(measured)
                        bar.advance(task)
                    measured.stages = await program("stages", case.name, strategy, min(number, 4000))
                    found.append(measured.summary())
    few = ACTIVEML_SAMPLES // (5 if given.quick else 1)
    activeml = {} if given.no_activeml else await program("activeml", few)
    return {"cases": found, "scikit_activeml_us": {k: round(v, 1) for k, v in activeml.items()}}


def main(description: str | None, arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code."""
    given = _parser(description).parse_args(arguments)
    given.rounds = given.rounds or (1 if given.quick else 5)
    console = Console(stderr=True)
    if unknown := [name for name in given.cases if name not in {case.name for case in CASES}]:
        known = ", ".join(case.name for case in CASES)
        console.print(f"--cases: there is no {', '.join(unknown)}; write some of {known}")
        return 2
    try:
        found = asyncio.run(measure(given, console))
    except KeyboardInterrupt:
        return 130
    if given.markdown:
        given.markdown.write_text(markdown(found), encoding="utf-8")
    if given.json:
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        _show(found)
    return 0


def _parser(description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [case.name for case in CASES]
    parser.add_argument("--quick", action="store_true", help="a tenth of the samples, one round")
    parser.add_argument("--rounds", type=int, metavar="N", help="how many rounds (default: 5)")
    parser.add_argument("--cases", type=_listed, default=names, metavar="A,B", help=f"of {', '.join(names)}")
    parser.add_argument(
        "--strategies",
        type=_listed,
        default=[Settings().strategy],
        metavar="A,B",
        help="query strategies (default: %(default)s)",
    )
    parser.add_argument("--no-activeml", action="store_true", help="without scikit-activeml's strategies")
    parser.add_argument("--json", action="store_true", help="the results as one JSON object")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table as Markdown as well")
    return parser


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


HEAD = ("case", "strategy", "floor", "River", "select", "service", "x floor", "over River", "wall")


def _rows(found: dict[str, Any]) -> list[tuple[str, ...]]:
    return [
        (
            line["case"],
            line["strategy"],
            f"{line['floor_us']:.1f}",
            f"{line['river_us']:.1f}",
            f"{line['select_us']:.1f}",
            f"{line['service_us']:.1f}",
            f"{line['select_ratio_to_floor']:.1f} to {line['ratio_to_floor']:.1f}",
            f"{line['over_river_us']:+.1f} ({line['ratio_to_river']:.2f}x)",
            f"{line['wall_us']:.1f}",
        )
        for line in found["cases"]
    ]


def markdown(found: dict[str, Any]) -> str:
    """The tables as Markdown, for `tests/benchmarks/README.md`."""
    lines = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    lines += ["| " + " | ".join(row) + " |" for row in _rows(found)]
    if peers := found["scikit_activeml_us"]:
        lines += ["", "| scikit-activeml | us a sample | samples a second |", "|---|---|---|"]
        lines += [f"| {name} | {cost:.0f} | {1e6 / cost:,.0f} |" for name, cost in peers.items()]
    return "\n".join(lines) + "\n"


def _show(found: dict[str, Any]) -> None:
    console = Console()
    table = Table(*HEAD, title="CPU microseconds a sample")
    for row in _rows(found):
        table.add_row(*row)
    console.print(table)
    for name, cost in found["scikit_activeml_us"].items():
        console.print(f"scikit-activeml {name}: {cost:.0f} us a sample, {1e6 / cost:,.0f} a second")
