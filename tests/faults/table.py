"""The table of faults: what goes wrong, what the service does then, and the test that checks it.

Every module of faults exports its own faults as `FAULTS`. This module puts them in the order of the table.
"""

from __future__ import annotations

from tests.faults.cases import (
    absent_annotators,
    attacks,
    broker_outages,
    clocks,
    contradictory_labels,
    crashes,
    early_labels,
    hung_consumers,
    kafka_contract,
    long_stream,
    lost_data,
    poison,
    rebalances,
    snapshots,
    trust,
)
from tests.faults.fault import Fault

__all__ = ["FAULTS", "Fault", "markdown"]

FAULTS: tuple[Fault, ...] = (
    *crashes.FAULTS,
    *rebalances.FAULTS,
    *early_labels.FAULTS,
    *contradictory_labels.FAULTS,
    *poison.FAULTS,
    *broker_outages.FAULTS,
    *absent_annotators.FAULTS,
    *lost_data.FAULTS,
    *kafka_contract.FAULTS,
    *trust.FAULTS,
    *attacks.FAULTS,
    *snapshots.FAULTS,
    *clocks.FAULTS,
    *hung_consumers.FAULTS,
    *long_stream.FAULTS,
)


def markdown() -> str:
    """The table, for `tests/faults/README.md`."""
    rows = ["| fault | promise | test |", "|---|---|---|"]
    for fault in FAULTS:
        test = f"`tests/faults/test_faults.py::test_fault[{fault.name}]`"
        rows.append(f"| {fault.fault} | {fault.promise} | {test} |")
    return "\n".join(rows) + "\n"
