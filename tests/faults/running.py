"""Run faults one after the other, each in an arena of its own, under one deadline."""

from __future__ import annotations

import asyncio
from pathlib import Path
from time import monotonic
from typing import Any

from tests.broker.kafka import KafkaBroker
from tests.faults.arena import Arena, Figures
from tests.faults.fault import Fault

__all__ = ["QUICK_SECONDS", "run_fault", "run_one"]

QUICK_SECONDS = 240.0
FULL_SECONDS = 7200.0


async def run_fault(fault: Fault, directory: Path, kafka: KafkaBroker, *, seed: int, quick: bool) -> Figures:
    """Run a fault. Raises whatever says that the promise does not hold."""
    limit = QUICK_SECONDS if quick else FULL_SECONDS
    async with Arena.open(directory / fault.name, kafka, seed=seed, quick=quick) as arena:
        async with asyncio.timeout(limit):
            return await fault.run(arena)


def run_one(
    fault: Fault, directory: Path, kafka: KafkaBroker, *, seed: int, quick: bool
) -> tuple[dict[str, Any], BaseException | None]:
    """Run a fault in an event loop of its own: its line of the report, and what went wrong."""
    began = monotonic()
    figures: Figures = {}
    error: BaseException | None = None
    try:
        figures = asyncio.run(run_fault(fault, directory, kafka, seed=seed, quick=quick))
    except Exception as caught:  # noqa: BLE001 - it is reported, and the next fault has its turn
        error = caught
    line = {
        "fault": fault.name,
        "seed": seed,
        "passed": error is None,
        "seconds": round(monotonic() - began, 1),
        "figures": figures,
    }
    return line, error
