"""The table of faults: what goes wrong, what the service does then, and the test that checks it.

Every module of faults exports its own faults as `FAULTS`. This module puts them in the order of the table.
"""

from __future__ import annotations

from tests.faults import (
    annotator_faults,
    broker_faults,
    clock_faults,
    crash_faults,
    early_faults,
    group_faults,
    hang_faults,
    label_faults,
    loss_faults,
    poison_faults,
    snapshot_faults,
    soak_faults,
)
from tests.faults.fault import Fault

__all__ = ["FAULTS", "Fault", "markdown"]

FAULTS: tuple[Fault, ...] = (
    *crash_faults.FAULTS,
    *group_faults.FAULTS,
    *early_faults.FAULTS,
    *label_faults.FAULTS,
    *poison_faults.FAULTS,
    *broker_faults.FAULTS,
    *annotator_faults.FAULTS,
    *loss_faults.FAULTS,
    *snapshot_faults.FAULTS,
    *clock_faults.FAULTS,
    *hang_faults.FAULTS,
    *soak_faults.FAULTS,
)


def markdown() -> str:
    """The table of the README."""
    rows = ["| fault | promise | test |", "|---|---|---|"]
    for fault in FAULTS:
        test = f"`tests/faults/test_faults.py::test_fault[{fault.name}]`"
        rows.append(f"| {fault.fault} | {fault.promise} | {test} |")
    return "\n".join(rows) + "\n"
