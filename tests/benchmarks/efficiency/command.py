"""The command: `python tests/benchmarks/label_efficiency.py`."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from stream_al.errors import Misconfigured
from tests.benchmarks.efficiency.claims import claims
from tests.benchmarks.efficiency.jobs import Known, run_all
from tests.benchmarks.efficiency.learners import LEARNERS
from tests.benchmarks.efficiency.options import common_options, names, names_of, progress_bar, shares
from tests.benchmarks.efficiency.plan import Plan, jobs
from tests.benchmarks.efficiency.policies import POLICIES, ours
from tests.benchmarks.efficiency.prequential import REAL
from tests.benchmarks.efficiency.summary import summarise
from tests.benchmarks.efficiency.tables import markdown, show
from tests.benchmarks.text_table import wide_console

__all__ = ["main"]

SCORES = ("accuracy", "kappa", "g_mean", "minority_recall")


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
        show(summary, found, wide_console())
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
    with progress_bar(errors) as done:
        return run_all(jobs(plan), Known(given.out), given.jobs, done)


def _parser(description: str | None) -> argparse.ArgumentParser:
    parser = common_options(description, "label_efficiency.jsonl")
    parser.add_argument(
        "--learners", type=names_of(LEARNERS), metavar="A,B", help=f"of {', '.join(LEARNERS)}"
    )
    parser.add_argument("--policies", type=names, metavar="A,B", help="only these, and random")
    parser.add_argument("--budgets", type=shares, metavar="A,B", help="shares (default: 0.01,0.05,0.1)")
    parser.add_argument("--delays", type=_delays, metavar="A,B", help=f"in samples, or {REAL}")
    parser.add_argument("--seeds", type=int, metavar="N", help="of ours and random (default: 10)")
    parser.add_argument(
        "--baseline-seeds", "--rival-seeds", type=int, metavar="N", help="of the baselines (default: 3)"
    )
    parser.add_argument("--slow-seeds", type=int, metavar="N", help="of slow baselines (default: 1)")
    parser.add_argument(
        "--full", action="store_true", help="all policies on all streams and seeds; takes days"
    )
    parser.add_argument("--quick", action="store_true", help="few streams, 3,000 samples; takes minutes")
    parser.add_argument("--score", default=SCORES[0], choices=SCORES, help="for ranks and tests")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables as Markdown as well")
    parser.add_argument("--list", action="store_true", help="the names of all policies")
    return parser


def _delays(text: str) -> tuple[int | str, ...]:
    found = tuple(name if name == REAL else int(name) for name in names(text))
    if any(delay != REAL and int(delay) < 0 for delay in found):
        raise argparse.ArgumentTypeError(f"write numbers of samples, or {REAL}")
    return found
