"""Steps: long work as a generator, which yields after every piece, so that others can work in between.

A service takes the steps in time slices. Where nobody waits, `finished` takes all of them at once.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

__all__ = ["finished"]

T = TypeVar("T")


def finished(steps: Generator[None, None, T]) -> T:
    """Take all steps at once; return the result.

    >>> def work():
    ...     yield
    ...     return 5
    >>> finished(work())
    5
    """
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: T = end.value
            return found
