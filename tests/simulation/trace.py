"""The trace of a simulation: every event in order, as a hash and, on request, as text."""

from __future__ import annotations

import sys
from hashlib import blake2b

from tests.simulation.clock import PROCESS, VirtualLoop

__all__ = ["Trace"]


class Trace:
    """What happened, in order.

    Args:
        loop: Whose time is written down.
        verbose: Whether to print every line to standard error.
    """

    def __init__(self, loop: VirtualLoop, *, verbose: bool) -> None:
        self._loop = loop
        self._verbose = verbose
        self._hash = blake2b(digest_size=16)
        self.lines = 0

    def __call__(self, what: str) -> None:
        """Add a line for what happens now."""
        line = f"{self._loop.now:10.3f} {PROCESS.get().name:8} {what}"
        self._hash.update(line.encode("utf-8", "replace") + b"\n")
        self.lines += 1
        if self._verbose:
            sys.stderr.write(line + "\n")

    @property
    def digest(self) -> str:
        """Equal traces have equal digests."""
        return self._hash.hexdigest()
