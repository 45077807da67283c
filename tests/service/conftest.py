"""An Apache Kafka that asks for certificates and logins, for all tests of the service."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.broker.locked import Locked

WANTING = "certificates and logins are tested on Apache Kafka: install Java 17 and Maven"


@pytest.fixture(scope="session")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Locked]:
    if not (shutil.which("java") and shutil.which("mvn")):
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(WANTING)
    found = Locked.start(tmp_path_factory.mktemp("locked"))
    yield found
    found.broker.stop()
