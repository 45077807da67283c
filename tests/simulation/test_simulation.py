"""The promises under seeded schedules: a few here, any number with `python -m tests.simulation`."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.simulation.simulation import simulate


@pytest.mark.parametrize("seed", range(60))
def test_every_promise_holds_on_every_schedule(seed: int) -> None:
    """A seed that fails can be replayed alone."""
    result = simulate(seed)
    assert result.failure is None, f"python -m tests.simulation --seed {seed} --verbose: {result.failure}"


@pytest.mark.long
@pytest.mark.parametrize("seed", range(60, 400))
def test_every_promise_holds_on_many_more_schedules(seed: int) -> None:
    test_every_promise_holds_on_every_schedule(seed)


@pytest.mark.parametrize("seed", [3, 9, 37])
def test_a_seed_is_one_schedule(seed: int) -> None:
    """The same trace twice here, and in another process with other hashes."""
    here = simulate(seed)
    assert simulate(seed).trace == here.trace
    command = [sys.executable, "-m", "tests.simulation", "--seed", str(seed)]
    environ = {**os.environ, "PYTHONHASHSEED": "12345"}
    there = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)  # noqa: S603 - ours
    assert there.stdout.split()[-1] == here.trace
