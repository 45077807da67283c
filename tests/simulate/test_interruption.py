"""An interrupted simulation ends everything that it started."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.support.children import PATIENCE_SECONDS, children, ended


@pytest.mark.timeout(3 * PATIENCE_SECONDS)
@pytest.mark.parametrize(
    ("number", "code"),
    [
        pytest.param(signal.SIGTERM, 130, marks=pytest.mark.long),
        (signal.SIGKILL, -signal.SIGKILL),
    ],
)
def test_an_interrupted_simulation_ends_what_it_started(number: signal.Signals, code: int) -> None:
    """SIGTERM does the same as Ctrl-C: exit code 130 and no traceback. No signal leaves a worker behind."""
    options = ("--stream", "segments", "--models", "GaussianNB()", "--jobs", "2", "--seeds", "500", "--json")
    running = subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "stream_al", "simulate", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    assert running.stdout.readline().startswith("{")  # a run is over
    started = children(running.pid)
    assert len(started) >= 2
    running.send_signal(number)
    _, err = running.communicate(timeout=PATIENCE_SECONDS)
    assert (running.returncode, "Traceback" in err) == (code, False)
    assert ended(started)  # what keeps track of shared memory ends when it sees that nobody is left
