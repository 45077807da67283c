"""The promises under seeded schedules: a few here, any number with `python -m tests.simulation`."""

from __future__ import annotations

import os
import subprocess
import sys
from time import monotonic

import pytest

from tests.simulation.simulation import simulate

SECONDS = 45.0
FIRST = 0


@pytest.mark.timeout(180)
def test_every_promise_holds_on_every_schedule() -> None:
    """As many seeds as fit into the time; any of them replays alone."""
    end, seed = monotonic() + SECONDS, FIRST
    while monotonic() < end:
        result = simulate(seed)
        assert result.failure is None, f"python -m tests.simulation --seed {seed} --verbose: {result.failure}"
        seed += 1
    assert seed - FIRST >= 10


@pytest.mark.parametrize("seed", [3, 9, 37])
def test_a_seed_is_one_schedule(seed: int) -> None:
    """The same trace twice here, and in another process with other hashes."""
    here = simulate(seed)
    assert simulate(seed).trace == here.trace
    command = [sys.executable, "-m", "tests.simulation", "--seed", str(seed)]
    environ = {**os.environ, "PYTHONHASHSEED": "12345"}
    there = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)  # noqa: S603 - ours
    assert there.stdout.split()[-1] == here.trace
