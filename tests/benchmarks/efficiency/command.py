"""The command: `python tests/benchmarks/label_efficiency.py`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from stream_al.errors import Misconfigured
from tests.benchmarks.efficiency.claims import claims
from tests.benchmarks.efficiency.jobs import Job, Known, run_all
from tests.benchmarks.efficiency.learners import LEARNERS
from tests.benchmarks.efficiency.plan import Plan, jobs
from tests.benchmarks.efficiency.policies import POLICIES, ours
from tests.benchmarks.efficiency.prequential import REAL
from tests.benchmarks.efficiency.summary import summarise
from tests.benchmarks.efficiency.tables import markdown, show

__all__ = ["main"]

DATA = "STREAM_AL_DATA"
SCORES = ("accuracy", "kappa", "g_mean", "minority_recall")
WIDTH = 150  # of tables that go to a file


def main(description: str | None, arguments: list[str] | None = None) -> int:
    """Compare policies, and show the result.

    Args:
        description: The first text of --help.
        arguments: In place of those of the command line.

    Returns:
        The exit code.
    """
    given = _parser(description).parse_args(arguments)
    errors = Console(stderr=True)
    try:
        if given.list:
            sys.stdout.write("\n".join(POLICIES) + "\n")
            return 0
        lines = _run(_plan(given), given, errors)
    except Misconfigured as error:
        errors.print(str(error), highlight=False, markup=False)
        return 2
    except KeyboardInterrupt:
        errors.print(f"interrupted; the same command continues with the results in {given.out}")
        return 130
    summary = summarise(lines, given.score)
    found = claims(lines, summary)
    if given.markdown is not None:
        given.markdown.write_text(markdown(summary, found), encoding="utf-8")
    if given.json:
        whole = {"default": ours.DEFAULT, "runs": len(lines), **summary, "claims": found}
        sys.stdout.write(json.dumps(whole, indent=1) + "\n")
    else:
        wide = Console()
        show(summary, found, wide if wide.is_terminal else Console(width=WIDTH))
    return 0


def _plan(given: argparse.Namespace) -> Plan:
    plan = Plan.quick(given.data) if given.quick else Plan(given.data)
    chosen: dict[str, Any] = {
        "streams": given.streams,
        "learners": given.learners,
        "policies": given.policies,
        "budgets": given.budgets,
        "delays": given.delays,
        "seeds": given.seeds,
        "baseline_seeds": given.baseline_seeds,
        "slow_seeds": given.slow_seeds,
        "samples": given.samples,
        "full": given.full or None,
    }
    return replace(plan, **{name: value for name, value in chosen.items() if value is not None})


def _run(plan: Plan, given: argparse.Namespace, errors: Console) -> list[dict[str, Any]]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=errors, transient=True) as progress:
        task = progress.add_task("planning", total=None)
        todo = jobs(plan)

        def done(job: Job | None, total: int) -> None:
            what = "running" if job is None else f"{job.stream} {job.learner} {job.name}"
            progress.update(task, total=total, advance=job is not None, description=f"{what:50.50}")

        return run_all(todo, Known(given.out), given.jobs, done)


def _parser(description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    data = os.environ.get(DATA)
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(data) if data else None,
        metavar="DIR",
        help=f"recorded streams, label column last (default: {DATA} of the environment, or none)",
    )
    parser.add_argument("--streams", type=_names, metavar="A,B", help="only these")
    parser.add_argument("--learners", type=_learners, metavar="A,B", help=f"of {', '.join(LEARNERS)}")
    parser.add_argument("--policies", type=_names, metavar="A,B", help="only these, and random")
    parser.add_argument("--budgets", type=_budgets, metavar="A,B", help="shares (default: 0.01,0.05,0.1)")
    parser.add_argument("--delays", type=_delays, metavar="A,B", help=f"in samples, or {REAL}")
    parser.add_argument("--seeds", type=int, metavar="N", help="of ours and random (default: 10)")
    parser.add_argument(
        "--baseline-seeds", "--rival-seeds", type=int, metavar="N", help="of the baselines (default: 3)"
    )
    parser.add_argument("--slow-seeds", type=int, metavar="N", help="of slow baselines (default: 1)")
    parser.add_argument("--samples", type=int, metavar="N", help="of a stream, at most (default: 10000)")
    parser.add_argument(
        "--full", action="store_true", help="all policies on all streams and seeds; takes days"
    )
    parser.add_argument("--quick", action="store_true", help="few streams, 3,000 samples; takes minutes")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes")
    parser.add_argument("--out", type=Path, default=Path("label_efficiency.jsonl"), help="file of results")
    parser.add_argument("--score", default=SCORES[0], choices=SCORES, help="for ranks and tests")
    parser.add_argument("--json", action="store_true", help="the summary as one JSON object")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables as Markdown as well")
    parser.add_argument("--list", action="store_true", help="the names of all policies")
    return parser


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _learners(text: str) -> tuple[str, ...]:
    if unknown := set(_names(text)) - set(LEARNERS):
        raise argparse.ArgumentTypeError(f"there is no {unknown.pop()!r}; there are {', '.join(LEARNERS)}")
    return _names(text)


def _budgets(text: str) -> tuple[float, ...]:
    found = tuple(float(name) for name in _names(text))
    if not all(0.0 < share < 1.0 for share in found):
        raise argparse.ArgumentTypeError("write shares between 0 and 1, such as 0.01,0.05")
    return found


def _delays(text: str) -> tuple[int | str, ...]:
    found = tuple(name if name == REAL else int(name) for name in _names(text))
    if any(delay != REAL and int(delay) < 0 for delay in found):
        raise argparse.ArgumentTypeError(f"write numbers of samples, or {REAL}")
    return found
