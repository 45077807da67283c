"""What the scripts about speed have in common: command line, progress bar, and reports."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.benchmarks.text_table import TextTable, wide_console

__all__ = ["Measure", "Report", "Tell", "Verdict", "main", "nearest_rank"]

VERDICTS = {True: "met", False: "MISSED"}

Tell = Callable[[str, int, int], None]
"""Called with the name of a step, how many steps are done, and how many there are."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target, and the figure found."""

    target: str
    met: bool
    found: str


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a script.

    Attributes:
        figures: All figures, for `--json`.
        tables: The tables.
        verdicts: The targets, each with its figure.
        notes: What a reader of the tables must know.
    """

    figures: dict[str, Any]
    tables: Sequence[TextTable]
    verdicts: Sequence[Verdict]
    notes: Sequence[str] = field(default=())

    def show(self, console: Console) -> None:
        """Print the report on a terminal."""
        for table in self.tables:
            console.print(table.rich())
        for verdict in self.verdicts:
            line = f"{verdict.target}: [bold]{VERDICTS[verdict.met]}[/] ({verdict.found})"
            console.print(line, highlight=False)
        for note in self.notes:
            console.print(note, style="dim", highlight=False)

    def markdown(self) -> str:
        """The same as Markdown, for `tests/benchmarks/README.md`."""
        held = [[verdict.target, VERDICTS[verdict.met], verdict.found] for verdict in self.verdicts]
        tables = [f"{table.title}\n\n{table.markdown()}" for table in self.tables]
        tables.append(TextTable("targets", ["target", "", "found"], held).markdown())
        return "\n\n".join([*tables, *self.notes]) + "\n"

    def json(self) -> str:
        """The report as JSON."""
        held = [
            {"target": verdict.target, "met": verdict.met, "found": verdict.found}
            for verdict in self.verdicts
        ]
        return json.dumps({**self.figures, "targets": held, "notes": list(self.notes)}, indent=1)


Measure = Callable[[bool, Tell], Awaitable[Report]]
"""Measures in the quick or the full form, and reports its progress."""


def nearest_rank(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all do not exceed.

    >>> nearest_rank([3.0, 1.0, 2.0, 4.0], 0.5), nearest_rank([3.0, 1.0, 2.0, 4.0], 0.99)
    (2.0, 4.0)
    """
    ranked = sorted(values)
    return ranked[max(0, ceil(share * len(ranked)) - 1)]


def main(description: str | None, measure: Measure, arguments: list[str] | None = None) -> int:
    """Measure, and show the report.

    Args:
        description: The first text of --help.
        measure: The measurement of the script.
        arguments: In place of those of the command line.

    Returns:
        The exit code.
    """
    given = _parser(description).parse_args(arguments)
    errors = Console(stderr=True)
    try:
        report = _run(measure, errors, quick=given.quick)
    except KeyboardInterrupt:
        errors.print("interrupted; no result was kept")
        return 130
    if given.markdown is not None:
        given.markdown.write_text(report.markdown(), encoding="utf-8")
    if given.json:
        sys.stdout.write(report.json() + "\n")
    else:
        report.show(wide_console())
    return 0


def _run(measure: Measure, errors: Console, *, quick: bool) -> Report:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    # Drawn rarely, because it needs time on the same cores.
    with Progress(*columns, console=errors, transient=True, refresh_per_second=2) as progress:
        task = progress.add_task("starting", total=None)

        def tell(what: str, done: int, total: int) -> None:
            progress.update(task, total=total, completed=done, description=f"{what:50.50}")

        async def whole() -> Report:
            return await measure(quick, tell)

        return asyncio.run(whole())


def _parser(description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--quick", action="store_true", help="smaller and fewer runs, in minutes")
    parser.add_argument("--json", action="store_true", help="the results as one JSON object")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables as Markdown as well")
    return parser
