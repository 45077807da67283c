"""What is wrong with a text that is not JSON, in words that say what to write instead."""

from __future__ import annotations

import re

__all__ = ["hint"]

_NO_NUMBER = re.compile(rb"[:\[,]\s*-?(?:NaN|nan|Infinity|inf)\s*[,}\]]")


def hint(text: bytes) -> str:
    """What to write instead, to append to the decoder's message; empty if nothing is known.

    Many programs write `NaN` for a missing number, Python's `json` among them, and JSON has no such word.

    >>> hint(b'{"amount": NaN}'), hint(b'{"amount": 1')
    ('; write null for NaN and Infinity, which JSON does not have', '')
    """
    return "; write null for NaN and Infinity, which JSON does not have" if _NO_NUMBER.search(text) else ""
