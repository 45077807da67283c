"""The Prometheus of the tests: the installed one, else Debian's package, unpacked. CI must have one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.deploy.prometheus import programs

BINARIES = programs()
if BINARIES is None and os.environ.get("CI") != "true":
    collect_ignore = ["test_alerts.py", "test_prometheus.py"]


@pytest.fixture(scope="session")
def binaries() -> Path:
    """The directory with `prometheus` and `promtool`."""
    assert BINARIES is not None, "install the Debian package prometheus, which brings promtool"
    return BINARIES


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which tests were not run."""
    if BINARIES is None:
        terminalreporter.write_line("prometheus: not here, so alerts and panels were not run against it")
