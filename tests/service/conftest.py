"""An Apache Kafka that asks for certificates and logins, for all tests of the service."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.broker.kafka import IN_CI, IS_INSTALLED, WANTING
from tests.broker.locked import Locked


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without Apache Kafka, skip what needs it, with one line at the end of the run; in CI it fails."""
    if not (IS_INSTALLED or IN_CI):
        for item in items:
            if "locked" in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.skip(WANTING))


@pytest.fixture(scope="session")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Locked]:
    if not IS_INSTALLED:
        pytest.fail(WANTING)
    found = Locked.start(tmp_path_factory.mktemp("locked"))
    yield found
    found.broker.stop()
