"""The ports that tests give to servers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ports
from tests.support.replica import DEADLINE_SECONDS

FEW = range(31_000, 31_030)
TAKEN = f"from tests import ports; ports.PORTS = {FEW}; print(*[ports.free_port() for _ in range(10)])"


def test_no_port_is_given_twice_and_none_to_two_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though nothing listens there yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(ports, "_given", {})
    monkeypatch.setattr(ports, "PORTS", FEW)
    ours = {ports.free_port() for _ in range(10)}
    done = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-c", TAKEN], capture_output=True, text=True, check=True, timeout=DEADLINE_SECONDS
    )
    os.close(ports._given.popitem()[1])
    assert len(ours | {int(port) for port in done.stdout.split()}) == 20
