"""What a fault is: a row of the table, and the function that finds out whether its promise holds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.faults.arena import Arena, Figures

__all__ = ["Fault"]


@dataclass(frozen=True)
class Fault:
    """One row.

    Attributes:
        name: Of the test, and for `--only`.
        fault: What is broken.
        promise: What holds all the same.
        run: Breaks it, and finds out.
    """

    name: str
    fault: str
    promise: str
    run: Callable[[Arena], Awaitable[Figures]]
