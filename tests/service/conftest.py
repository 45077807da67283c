"""An Apache Kafka that asks for certificates and logins, for all tests of the service."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.broker.locked import Locked

HAVE_KAFKA = bool(shutil.which("java") and shutil.which("mvn"))
WANTING = "certificates and logins are tested on Apache Kafka: install Java 17 and Maven"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without Apache Kafka, skip what needs it, with one line at the end of the run; in CI it fails."""
    if not HAVE_KAFKA and os.environ.get("CI") != "true":
        for item in items:
            if "locked" in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.skip(WANTING))


@pytest.fixture(scope="session")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Locked]:
    if not HAVE_KAFKA:
        pytest.fail(WANTING)
    found = Locked.start(tmp_path_factory.mktemp("locked"))
    yield found
    found.broker.stop()
