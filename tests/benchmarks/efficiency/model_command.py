"""The command: `python tests/benchmarks/model_comparison.py`."""

from __future__ import annotations

import argparse
import json
import sys
from itertools import product

from rich.console import Console

from stream_al.errors import Misconfigured
from tests.benchmarks.efficiency.jobs import Job, Known, run_all
from tests.benchmarks.efficiency.learners import MODELS
from tests.benchmarks.efficiency.model_tables import groups, tables
from tests.benchmarks.efficiency.options import common_options, names, names_of, progress_bar, shares
from tests.benchmarks.efficiency.selection_gain import selection_gain, sentence
from tests.benchmarks.efficiency.streams import WARM_START, available, load
from tests.benchmarks.text_table import wide_console

__all__ = ["main"]

QUICK_STREAMS = ("electricity", "ozone", "river_segments", "sms_spam", "sea", "sine_rare")
QUICK_MODELS = ("auto", "our_linear", "our_neighbours", "our_extra_trees", "nb", "tree", "softmax", "amf")


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
    try:
        with progress_bar(errors) as done:
            lines = run_all(_jobs(given), Known(given.out), given.jobs, done)
    except Misconfigured as error:
        errors.print(str(error), highlight=False, markup=False)
        return 2
    except KeyboardInterrupt:
        errors.print(f"interrupted; the same command continues with the results in {given.out}")
        return 130
    found, gain = groups(lines), selection_gain(lines)
    if given.json:
        sys.stdout.write(
            json.dumps({"runs": len(lines), "groups": found, "selection": gain}, indent=1) + "\n"
        )
        return 0
    console = wide_console()
    for table in tables(found):
        console.print(table.rich({"auto": "bold"}))
    if gain is not None:
        console.print(sentence(gain), highlight=False, markup=False)
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
    parser = common_options(description, "model_comparison.jsonl")
    parser.add_argument("--models", type=names_of(MODELS), metavar="A,B", help=f"of {', '.join(MODELS)}")
    parser.add_argument(
        "--policies", type=names, default=("random", "ours"), metavar="A,B", help="who selects"
    )
    parser.add_argument("--budgets", type=shares, metavar="A,B", help="shares (default: 0.01,0.05)")
    parser.add_argument("--delays", type=_numbers, metavar="A,B", help="in samples (default: 0,500,2000)")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="how many (default: 1)")
    parser.add_argument("--quick", action="store_true", help="few streams and models, 3,000 samples")
    return parser


def _numbers(text: str) -> tuple[int, ...]:
    found = tuple(int(name) for name in names(text))
    if any(delay < 0 for delay in found):
        raise argparse.ArgumentTypeError("write numbers of samples")
    return found
