"""What the commands of the comparisons have in common: options, their values, and the progress bar."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.benchmarks.efficiency.jobs import Job

__all__ = ["common_options", "names", "names_of", "progress_bar", "shares"]

DATA = "STREAM_AL_DATA"


def common_options(description: str | None, out: str) -> argparse.ArgumentParser:
    """A parser with the options of every comparison.

    Args:
        description: The first text of --help.
        out: The default file of results.
    """
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
    parser.add_argument("--streams", type=names, metavar="A,B", help="only these")
    parser.add_argument("--samples", type=int, metavar="N", help="of a stream, at most (default: 10000)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes")
    parser.add_argument("--out", type=Path, default=Path(out), help="file of results")
    parser.add_argument("--json", action="store_true", help="the summary as one JSON object")
    return parser


def names(text: str) -> tuple[str, ...]:
    """Names between commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def names_of(known: Collection[str]) -> Callable[[str], tuple[str, ...]]:
    """Names between commas, all of them known."""

    def parse(text: str) -> tuple[str, ...]:
        if unknown := set(names(text)) - set(known):
            raise argparse.ArgumentTypeError(f"there is no {unknown.pop()!r}; there are {', '.join(known)}")
        return names(text)

    return parse


def shares(text: str) -> tuple[float, ...]:
    """Shares between commas, each more than 0 and less than 1."""
    found = tuple(float(name) for name in names(text))
    if not all(0.0 < share < 1.0 for share in found):
        raise argparse.ArgumentTypeError("write shares between 0 and 1, such as 0.01,0.05")
    return found


@contextmanager
def progress_bar(errors: Console) -> Iterator[Callable[[Job | None, int], None]]:
    """A bar on a console, and what to call with each job that is done and the number of jobs."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True) as progress:
        task = progress.add_task("planning", total=None)

        def done(job: Job | None, total: int) -> None:
            what = "running" if job is None else f"{job.stream} {job.learner} {job.name}"
            progress.update(task, total=total, advance=job is not None, description=f"{what:50.50}")

        yield done
