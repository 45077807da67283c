"""The values that partition states are made of, as JSON-ready values that are checked when they are read.

A state comes back from the metadata of an offset commit, and any program may have written that. One value out
of its range would spoil every later decision, so each value is checked, and refused with `ValueError`.

Utilities are kept in float32. They are rounded before they are compared, so that a decision after a restart
is the one that would have been made without it.
"""

from __future__ import annotations

import math
import struct
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["integer", "number", "pack", "rounded", "rounded_all", "share_of", "unpack"]

_LARGEST = 2**63 - 1
_SINGLE = struct.Struct("<f")


def number(values: Mapping[str, Any], member: str, low: float, high: float) -> float:
    """The finite number in [low, high] that is stored under `member`.

    >>> number({"spent": 0.5}, "spent", 0.0, 100.0)
    0.5

    Raises:
        KeyError: There is no such member.
        ValueError: It is no number, or out of its range.
    """
    value = values[member]
    if type(value) not in {int, float} or not low <= value <= high:  # true is no number here
        raise ValueError(f"{member} is out of its range")
    return float(value)


def integer(values: Mapping[str, Any], member: str, high: int = _LARGEST) -> int:
    """The integer in [0, high] that is stored under `member`; errors as in `number`."""
    value = values[member]
    if type(value) is not int or not 0 <= value <= high:
        raise ValueError(f"{member} is out of its range")
    return value


def share_of(values: Mapping[str, Any]) -> float:
    """The share in (0, 1] that is stored under `share`; errors as in `number`."""
    return number(values, "share", math.nextafter(0.0, 1.0), 1.0)


def rounded(value: float) -> float:
    """The nearest number that float32 can hold.

    >>> rounded(0.5), rounded(0.1)
    (0.5, 0.10000000149011612)
    """
    nearest: float
    (nearest,) = _SINGLE.unpack(_SINGLE.pack(value))
    return nearest


def rounded_all(values: Sequence[float]) -> list[float]:
    """The nearest numbers that float32 can hold.

    >>> rounded_all([0.5, 0.1])
    [0.5, 0.10000000149011612]
    """
    nearest: list[float] = np.asarray(values, dtype="<f4").tolist()
    return nearest


def pack(utilities: Sequence[float]) -> str:
    """Utilities as base64 of float32: less than 6 characters each.

    >>> unpack({"recent": pack([0.5, 1.0])}, "recent", limit=2)
    (0.5, 1.0)
    """
    return b64encode(np.asarray(utilities, dtype="<f4").tobytes()).decode()


def unpack(values: Mapping[str, Any], member: str, limit: int) -> tuple[float, ...]:
    """The utilities that `pack` was given, at most `limit` of them; errors as in `number`."""
    utilities = np.frombuffer(b64decode(values[member], validate=True), dtype="<f4").tolist()
    if len(utilities) > limit or not all(0.0 <= utility <= 1.0 for utility in utilities):
        raise ValueError(f"{member} is out of its range")
    return tuple(utilities)
