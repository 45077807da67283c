"""The last examples, kept to be learned again.

Of an example its numbers are kept in the units of the stream, and its tokens. When it is learned again, it is
put on the scale of that time, and has the columns of that time. At most `size` examples are kept, each no
larger than a row may be: 1,792 numbers and 1,024 tokens.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from stream_al.engine.learners.encoder.rows import Floats, Ints, Rows

__all__ = ["Recent"]


class Recent:
    """The last examples.

    Args:
        size: How many are kept.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._examples: list[tuple[Floats, Ints, int]] = []

    def keep(self, row: Rows, label: int) -> None:
        """Keep an example, and drop the oldest where there are too many."""
        numbers = row.numbers[0].copy()
        if row.missing is not None:
            numbers[row.missing[0]] = np.nan
        self._examples.append((numbers, row.tokens, label))
        del self._examples[: -self.size]

    def rows(self, day: Rows) -> Iterator[tuple[Rows, int]]:
        """The examples as rows, the oldest first, each with the number of its class.

        Args:
            day: A row of the day, for scale and columns.
        """
        for numbers, tokens, label in self._examples:
            wide = np.full((1, day.numbers.shape[1]), np.nan)
            wide[0, : len(numbers)] = numbers
            owners = np.zeros(len(tokens), np.intp)
            yield Rows.of(wide, tokens, owners, day.scale, day.dense, day.group), label

    def forget(self, tokens: Ints) -> None:
        """Forget these tokens, which mean something else from now on."""
        self._examples = [
            (numbers, had[~np.isin(had, tokens)], label) for numbers, had, label in self._examples
        ]
