"""Several faults at the same time: each job is a process with a broker of its own.

A fault mostly waits, for an outage to end or a session to run out, so that two jobs share two cores well.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

import structlog

from tests.broker.kafka import KafkaBroker
from tests.faults.fault import Fault
from tests.faults.runner import run_and_report
from tests.faults.table import FAULTS

__all__ = ["run_all", "say"]


@dataclass(frozen=True)
class _Job:
    """What a process that runs faults has for all of them."""

    directory: Path
    broker: KafkaBroker
    seed: int
    quick: bool


_job: _Job | None = None


def run_all(
    chosen: Sequence[Fault], scratch: Path, *, jobs: int, seed: int, quick: bool
) -> Iterator[tuple[dict[str, Any], str]]:
    """Run faults; the line of the report of each as it ends, and the traceback of one that fails."""
    # Spawned, so that no job shares a broker, a thread or a socket with another one.
    context = get_context("spawn")
    with ProcessPoolExecutor(jobs, context, initializer=_begin, initargs=(scratch, seed, quick)) as pool:
        titles = [f"[{place}/{len(chosen)}] {one.name}: {one.fault}" for place, one in enumerate(chosen, 1)]
        running = [pool.submit(_run, one.name, title) for one, title in zip(chosen, titles, strict=True)]
        for done in as_completed(running):
            yield done.result()


def say(text: str) -> None:
    """Print a line of progress, or a mistake."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _begin(scratch: Path, seed: int, quick: bool) -> None:
    """Start the broker of a job. It ends with the job."""
    global _job  # noqa: PLW0603 - a pool passes nothing else from its start to its tasks
    _quiet()
    directory = scratch / f"job-{os.getpid()}"
    broker = KafkaBroker.start(directory / "broker")
    Finalize(broker, broker.stop, exitpriority=1)
    _job = _Job(directory, broker, seed, quick)


def _run(name: str, title: str) -> tuple[dict[str, Any], str]:
    assert _job is not None
    say(title)
    fault = next(fault for fault in FAULTS if fault.name == name)
    line, error = run_and_report(fault, _job.directory, _job.broker, seed=_job.seed, quick=_job.quick)
    return line, "".join(traceback.format_exception(error)) if error is not None else ""


def _quiet() -> None:
    """Keep out of the report what our own clients log about broken connections."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    for name in ("aiokafka", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
