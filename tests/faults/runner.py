"""Runs faults, each on a testbed of its own and under a deadline."""

from __future__ import annotations

import asyncio
from pathlib import Path
from time import monotonic
from typing import Any

from tests.broker.kafka import KafkaBroker
from tests.faults.fault import Fault
from tests.faults.testbed import Figures, Testbed

__all__ = ["QUICK_SECONDS", "run_and_report", "run_fault"]

QUICK_SECONDS = 600.0  # for a busy machine: each takes less than a minute on an idle one
FULL_SECONDS = 7200.0


async def run_fault(fault: Fault, directory: Path, kafka: KafkaBroker, *, seed: int, quick: bool) -> Figures:
    """Run a fault; its figures. Any exception says that the promise does not hold."""
    limit = QUICK_SECONDS if quick else FULL_SECONDS
    async with Testbed.open(directory / fault.name, kafka, seed=seed, quick=quick) as testbed:
        async with asyncio.timeout(limit):
            return await fault.run(testbed)


def run_and_report(
    fault: Fault, directory: Path, kafka: KafkaBroker, *, seed: int, quick: bool
) -> tuple[dict[str, Any], BaseException | None]:
    """Run a fault in an event loop of its own; its line of the report, and the exception if it failed."""
    began = monotonic()
    figures: Figures = {}
    error: BaseException | None = None
    try:
        figures = asyncio.run(run_fault(fault, directory, kafka, seed=seed, quick=quick))
    except Exception as caught:  # noqa: BLE001 - it is reported, and the next fault runs
        error = caught
    line = {
        "fault": fault.name,
        "seed": seed,
        "passed": error is None,
        "seconds": round(monotonic() - began, 1),
        "figures": figures,
    }
    return line, error
