"""A fault: one row of the table, and the function that checks its promise."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.faults.testbed import Figures, Testbed

__all__ = ["Fault"]


@dataclass(frozen=True)
class Fault:
    """One row of the table.

    Attributes:
        name: The name of the test, and for `--only`.
        fault: What goes wrong.
        promise: What the service does then.
        run: Causes the fault, and fails unless the promise holds.
        missing: What this machine would need for it and does not have; None if nothing is missing.
    """

    name: str
    fault: str
    promise: str
    run: Callable[[Testbed], Awaitable[Figures]]
    missing: Callable[[], str | None] = lambda: None
