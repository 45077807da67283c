"""The processes that a command has started."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep

__all__ = ["PATIENCE_SECONDS", "children", "ended", "is_running"]

PATIENCE_SECONDS = 300.0
"""After which what should have ended never will. A busy machine takes long only to start a process."""


def children(pid: int) -> list[int]:
    """The processes that a process has started and that still run."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended meanwhile
            found += [int(child) for child in task.read_text().split()]
    return found


def is_running(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def ended(pids: Iterable[int]) -> bool:
    """Wait until none of the processes is running; whether that came about."""
    left, end = set(pids), monotonic() + PATIENCE_SECONDS
    while left := {pid for pid in left if is_running(pid)}:
        if monotonic() > end:
            return False
        sleep(0.05)
    return True
