"""Conditions: the parts of the stream that are searched for errors, by the value of one feature each.

    numbers alone, of many     ranges between the quantiles `QUANTILES` of the cases that are searched
    anything else              each of the `MOST_VALUES` most frequent values
    a feature that may lack    that it is missing

A condition is written as an expression of `engine.explore.filter`, and holds for the same samples as it does
there: texts that are numbers count as numbers, and case does not matter.

*Bounded.* The `MOST_FEATURES` most frequent features are searched. Names and values of more than
`MAX_CHARACTERS` characters are left out, and so are those that cannot be quoted.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_al.engine.explore.filter import number_of, text_of

__all__ = ["Condition", "conditions", "features_of"]

Flags = NDArray[np.bool_]

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
MOST_VALUES = 12
FEWEST_NUMBERS = 10  # different numbers; fewer are values
MOST_FEATURES = 200
MAX_CHARACTERS = 100
_PLAIN = re.compile(r"[A-Za-z_][\w.]*")
_WORDS = {"and", "or", "not", "in", "is", "contains"}


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on one feature.

    Attributes:
        feature: The name of the feature.
        text: The condition, as an expression of `engine.explore.filter`.
        holds: For which cases it holds.
    """

    feature: str
    text: str
    holds: Flags


def features_of(searched: Sequence[Mapping[str, Any]]) -> list[str]:
    """The features that are searched, the most frequent first."""
    counts = Counter(name for one in searched for name in one)
    names = [name for name, _ in counts.most_common() if _quoted(name) and not name.startswith("@")]
    return names[:MOST_FEATURES]


def conditions(name: str, cases: Sequence[Mapping[str, Any]], searched: Flags) -> Iterator[Condition]:
    """The conditions on a feature.

    Args:
        name: The name of the feature.
        cases: The features of all cases.
        searched: Which of the cases say what the conditions are.

    >>> cases = [{"country": "NL"}, {"country": "nl"}, {"country": "BE"}, {}]
    >>> for one in conditions("country", cases, np.ones(4, dtype=bool)):
    ...     print(one.text, one.holds.astype(int))
    country is missing [0 0 0 1]
    country = "nl" [1 1 0 0]
    country = "be" [0 0 1 0]
    """
    feature = _quoted(name)
    missing = np.array([case.get(name) is None for case in cases])
    if missing.any():
        yield Condition(name, f"{feature} is missing", missing)
    read = [_read(case.get(name)) for case in cases]
    numbers = np.array([one if isinstance(one, float) else np.nan for one in read])
    known = numbers[searched & ~np.isnan(numbers)]
    values = Counter(one for one, use in zip(read, searched, strict=True) if use and one is not None)
    # A filter compares a text with a number by its letters, so a range would hold texts too.
    if len(np.unique(known)) >= FEWEST_NUMBERS and not any(isinstance(one, str) for one in read):
        yield from _ranges(name, feature, numbers, known)
        return
    for value, _ in values.most_common(MOST_VALUES):
        written = repr(value) if isinstance(value, float) else _quoted(value, always=True)
        if written:
            holds = numbers == value if isinstance(value, float) else np.array([one == value for one in read])
            yield Condition(name, f"{feature} = {written}", holds)


def _ranges(name: str, feature: str, numbers: NDArray[np.float64], known: Any) -> Iterator[Condition]:
    edges = np.unique(np.quantile(known, QUANTILES, method="inverted_cdf")).tolist()
    with np.errstate(invalid="ignore"):  # a case without a number is in no range
        for edge in edges:
            yield Condition(name, f"{feature} <= {edge!r}", numbers <= edge)
            yield Condition(name, f"{feature} > {edge!r}", numbers > edge)
        for low, high in pairwise(edges):
            text = f"{feature} > {low!r} and {feature} <= {high!r}"
            yield Condition(name, text, (numbers > low) & (numbers <= high))


def _read(value: Any) -> float | str | None:
    """A value as a filter compares it: a number, or a text in lower case; None if it is neither.

    A whole number that no float holds is neither, since the cases are held in arrays of floats.
    """
    if value is None or (isinstance(value, str) and len(value) > MAX_CHARACTERS):
        return None
    number = number_of(value)
    if number is None:
        return text_of(value).casefold() if isinstance(value, str | bool) else None
    try:
        return float(number) if float(number) == number else None
    except OverflowError:
        return None


def _quoted(text: str, *, always: bool = False) -> str:
    """A text as a filter reads it; empty if it cannot be written."""
    if not text or len(text) > MAX_CHARACTERS or ('"' in text and "'" in text):
        return ""
    if not always and _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return f"'{text}'" if '"' in text else f'"{text}"'
