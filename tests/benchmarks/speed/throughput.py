"""The measurement of `throughput.py`.

    floor     an aiokafka loop that parses every value with orjson and does nothing else, CPU a sample
    river     River alone, for the same predictions: sample by sample or by batches, the faster
    select    the service's process, from its first sample to the last one decided, while nobody answers
    stages    what of `select` is the engine's, by stage (see `stages`)
    service   the same while every query is answered, from the first sample until all labels are learned

The model has learned some thousand examples beforehand. CPU time is of the whole process, in user and system
mode, all threads. The four take turns, so that what the machine does besides hits them alike; the median of
the rounds counts. `service` is charged with everything, also with labels that are learned after the last
sample is decided: one in twenty samples is asked about, and each label comes back through three topics.
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
from tests.benchmarks.speed.cases import CASES, LEARNED, Case
from tests.benchmarks.speed.rig import Annotator, Rig, cpu_seconds, program, rig

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

    def __init__(self, rig_: Rig, share: float) -> None:
        self.rig = rig_
        self.share = share

    async def prepare(self, case: Case) -> int:
        """Fill a topic with the samples of a case; their number."""
        number = max(2000, int(SAMPLES * case.share * self.share))
        topic = f"samples-{case.name}"
        await self.rig.create({topic: PARTITIONS, f"{topic}.dlq": 1})
        await self.rig.fill(topic, (row.encoded() for row in case.rows(number)), PARTITIONS)
        self.answers = {row.id.encode(): row.answer() for row in case.rows(number)}
        self.examples = [replace(row, id=f"e{row.id}").example() for row in case.rows(LEARNED, seed=1)]
        return number

    async def round(self, measured: Measured) -> None:
        """Measure everything once."""
        case, number = measured.case, measured.samples
        floor = await program("floor", self.rig.bootstrap, f"samples-{case.name}", number)
        river = await program("river_cost", case.name, min(number, 3000))
        fastest = min(found for found in river.values() if found is not None)
        measured.rounds["floor_us"].append(1e6 * floor["cpu"] / number)
        measured.rounds["river_us"].append(1e6 * fastest / min(number, 3000))
        for column, answered in (("select_us", False), ("service_us", True)):
            cpu, wall, labels = await self.serve(measured, answered=answered)
            measured.rounds[column].append(1e6 * cpu / number)
            if answered:
                measured.walls.append(1e6 * wall / number)
                measured.labels = labels

    async def serve(self, measured: Measured, *, answered: bool) -> tuple[float, float, int]:
        """Let the service decide all samples: CPU and wall seconds, and labels learned."""
        case, samples = measured.case, f"samples-{measured.case.name}"
        more = [f"model.definition={case.model}", f"strategy={measured.strategy}"]
        more += [f"budget.share={SHARE}", "budget.pending=1000000"]
        name, settings = self.rig.settings(samples, *more)
        await self.rig.topics(name, PARTITIONS)
        await self.rig.fill(f"{name}-examples", self.examples, 1)
        annotator = Annotator(self.rig.bootstrap, name, self.answers)
        if answered:
            await annotator.start()
        try:
            async with self.rig.serving(settings, name) as server:
                loop = asyncio.get_running_loop()
                cpu, wall = cpu_seconds(server.pid), loop.time()
                await self.rig.until_decided(name, samples, PARTITIONS, measured.samples)
                labels = 0
                if answered:
                    labels = await self.rig.until_learned(server, annotator, LEARNED)
                return cpu_seconds(server.pid) - cpu, loop.time() - wall, labels
        finally:
            await annotator.stop()


async def measure(asked: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Measure what was asked for."""
    cases = [case for case in CASES if case.name in asked.cases]
    pairs = [(case, strategy) for case in cases for strategy in asked.strategies]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    found = []
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("measuring", total=len(pairs) * asked.rounds)
        async with rig() as rig_:
            runner = Runner(rig_, 0.1 if asked.quick else 1.0)
            for case in cases:
                number = await runner.prepare(case)
                for strategy in asked.strategies:
                    measured = Measured(case, strategy, number)
                    for _ in range(asked.rounds):
                        bar.update(task, description=f"{case.name}, {strategy}")
                        await runner.round(measured)
                        bar.advance(task)
                    measured.stages = await program("stages", case.name, strategy, min(number, 4000))
                    found.append(measured.summary())
    few = ACTIVEML_SAMPLES // (5 if asked.quick else 1)
    activeml = {} if asked.no_activeml else await program("activeml", few)
    return {"cases": found, "scikit_activeml_us": {k: round(v, 1) for k, v in activeml.items()}}


def main(description: str | None, arguments: Sequence[str] | None = None) -> int:
    """The command; the exit code."""
    asked = _parser(description).parse_args(arguments)
    asked.rounds = asked.rounds or (1 if asked.quick else 5)
    console = Console(stderr=True)
    if unknown := [name for name in asked.cases if name not in {case.name for case in CASES}]:
        known = ", ".join(case.name for case in CASES)
        console.print(f"--cases: there is no {', '.join(unknown)}; write some of {known}")
        return 2
    try:
        found = asyncio.run(measure(asked, console))
    except KeyboardInterrupt:
        return 130
    if asked.markdown:
        asked.markdown.write_text(markdown(found), encoding="utf-8")
    if asked.json:
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
    parser.add_argument("--rounds", type=int, metavar="N", help="medians are of so many (default: 5)")
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
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help="write the table for the README as well"
    )
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
    """The tables for the README."""
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
