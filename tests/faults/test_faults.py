"""Every row of the table of guarantees, shortened, on a real Apache Kafka."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from tests.broker.address import KafkaAddress
from tests.broker.kafka import IN_CI, IS_INSTALLED, WANTING, KafkaBroker
from tests.faults.fault import Fault
from tests.faults.runner import QUICK_SECONDS, run_fault
from tests.faults.table import FAULTS

SHORT = {"crash-before-commit", "early-label"}  # the other faults are long


def row(fault: Fault) -> ParameterSet:
    """A fault as a test. CI runs all. Elsewhere a fault is skipped if this machine cannot cause it."""
    missing = None if IN_CI else fault.missing()
    marks = [pytest.mark.skip(f"it needs {missing}")] if missing else []
    if fault.name not in SHORT:
        marks.append(pytest.mark.long)
    return pytest.param(fault, id=fault.name, marks=marks)


ROWS = (
    [row(fault) for fault in FAULTS]
    if IS_INSTALLED or IN_CI
    else [pytest.param(None, id="none", marks=pytest.mark.skip(WANTING))]
)


@pytest.fixture(scope="session")
def broker(kafka: KafkaAddress, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """The Apache Kafka of this test run; another one of our own where the run uses an external broker."""
    if kafka.broker is not None:
        yield kafka.broker
        return
    if not IS_INSTALLED:
        pytest.fail(WANTING)
    own = KafkaBroker.start(tmp_path_factory.mktemp("faults") / "broker")
    yield own
    own.stop()


@pytest.mark.timeout(QUICK_SECONDS + 60)
@pytest.mark.filterwarnings("default")  # clients warn about a broker that is gone
@pytest.mark.parametrize("fault", ROWS)
async def test_fault(fault: Fault, tmp_path: Path, broker: KafkaBroker) -> None:
    await run_fault(fault, tmp_path, broker, seed=0, quick=True)


def test_every_fault_has_a_name_of_its_own() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
