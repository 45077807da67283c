"""The command: `python tests/benchmarks/model_comparison.py`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from itertools import product
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from stream_al.errors import Misconfigured
from tests.benchmarks.efficiency.jobs import Job, Known, run_all
from tests.benchmarks.efficiency.learners import MODELS
from tests.benchmarks.efficiency.model_tables import groups, tables
from tests.benchmarks.efficiency.streams import WARM_START, available, load

__all__ = ["main"]

DATA = "STREAM_AL_DATA"
QUICK_STREAMS = ("electricity", "ozone", "river_segments", "sms_spam", "sea", "sine_rare")
QUICK_MODELS = ("auto", "our_linear", "our_neighbours", "our_extra_trees", "nb", "tree", "softmax", "amf")
WIDTH = 150  # of tables that go to a file


def main(description: str | None, arguments: list[str] | None = None) -> int:
    """Compare models, and show the result.

    Args:
        description: The first text of --help.
        arguments: In place of those of the command line.

    Returns:
        The exit code.
    """
    given = _parser(description).parse_args(arguments)
    errors = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=errors, transient=True) as progress:
            task = progress.add_task("planning", total=None)

            def done(job: Job | None, total: int) -> None:
                what = "running" if job is None else f"{job.stream} {job.learner} {job.name}"
                progress.update(task, total=total, advance=job is not None, description=f"{what:50.50}")

            lines = run_all(_jobs(given), Known(given.out), given.jobs, done)
    except Misconfigured as error:
        errors.print(str(error), highlight=False, markup=False)
        return 2
    except KeyboardInterrupt:
        errors.print(f"interrupted; the same command continues with the results in {given.out}")
        return 130
    found = groups(lines)
    if given.json:
        sys.stdout.write(json.dumps({"runs": len(lines), "groups": found}, indent=1) + "\n")
        return 0
    wide = Console()
    console = wide if wide.is_terminal else Console(width=WIDTH)
    for table in tables(found):
        console.print(table.rich({"auto": "bold"}))
    return 0


def _jobs(given: argparse.Namespace) -> list[Job]:
    """The jobs; those of one stream and seed follow each other, so that a process reads the stream once."""
    data = str(given.data) if given.data else None
    there = available(given.data)
    streams = given.streams or tuple(name for name in there if not given.quick or name in QUICK_STREAMS)
    models = given.models or (QUICK_MODELS if given.quick else MODELS)
    budgets = given.budgets or ((0.05,) if given.quick else (0.01, 0.05))
    delays = given.delays or ((0, 500) if given.quick else (0, 500, 2000))
    samples = given.samples or (3000 if given.quick else 10_000)
    found = []
    for stream, seed in product(streams, range(given.seeds)):
        longest = len(load(stream, given.data, samples, 0).samples) - WARM_START - 1
        for model, budget, delay, policy in product(models, budgets, delays, given.policies):
            if delay <= longest:  # with a longer delay no label would come
                found.append(Job(stream, model, budget, delay, seed, policy, 0.0, samples, data))
    return found


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
    parser.add_argument("--models", type=_models, metavar="A,B", help=f"of {', '.join(MODELS)}")
    parser.add_argument(
        "--policies", type=_names, default=("random", "ours"), metavar="A,B", help="who selects"
    )
    parser.add_argument("--budgets", type=_shares, metavar="A,B", help="shares (default: 0.01,0.05)")
    parser.add_argument("--delays", type=_numbers, metavar="A,B", help="in samples (default: 0,500,2000)")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="how many (default: 1)")
    parser.add_argument("--samples", type=int, metavar="N", help="of a stream, at most (default: 10000)")
    parser.add_argument("--quick", action="store_true", help="few streams and models, 3,000 samples")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes")
    parser.add_argument("--out", type=Path, default=Path("model_comparison.jsonl"), help="file of results")
    parser.add_argument("--json", action="store_true", help="the summary as one JSON object")
    return parser


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _models(text: str) -> tuple[str, ...]:
    if unknown := set(_names(text)) - set(MODELS):
        raise argparse.ArgumentTypeError(f"there is no {unknown.pop()!r}; there are {', '.join(MODELS)}")
    return _names(text)


def _shares(text: str) -> tuple[float, ...]:
    found = tuple(float(name) for name in _names(text))
    if not all(0.0 < share < 1.0 for share in found):
        raise argparse.ArgumentTypeError("write shares between 0 and 1, such as 0.01,0.05")
    return found


def _numbers(text: str) -> tuple[int, ...]:
    found = tuple(int(name) for name in _names(text))
    if any(delay < 0 for delay in found):
        raise argparse.ArgumentTypeError("write numbers of samples")
    return found
