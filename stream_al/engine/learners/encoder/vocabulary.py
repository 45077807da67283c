"""The vocabulary: categories and words, each with a number of its own.

A token is a column's name and what was met there: a category, a word of a text, that the value is missing, or
the order of magnitude of a number that has no column. There are at most `MAX_TOKENS`; when they are used up,
the quarter that was met least recently is given up, and the learners forget what they knew of it.

A category, or that a value is missing, may have a column of the rows besides, for the learners that measure
distances. It gets one when it is met the second time, so that ids take none, and keeps it; there are at most
`MAX_INDICATORS`.
"""

from __future__ import annotations

import numpy as np

from stream_al.engine.learners.encoder.rows import Ints

__all__ = ["CATEGORY", "MAX_INDICATORS", "MAX_TOKENS", "MISSING", "ORDER", "WORD", "Vocabulary"]

# Between a feature's name and what was met there:
CATEGORY, WORD, MISSING, ORDER = "\0=", "\0 ", "\0?", "\0^"

MAX_TOKENS = 8192
MAX_INDICATORS = 256
MAX_OF_EXAMPLE = 1024  # tokens of one example that are learned
_NONE = np.zeros(0, np.intp)


class Vocabulary:
    """Numbers of tokens.

    Attributes:
        numbers: The number of each token.
        met: In how many examples each was met.
        dense: The column that tells of each, -1 if none does.
        group: The kind of each: tokens of a kind exclude each other, or are words of one text.

    Examples:
        >>> vocabulary = Vocabulary()
        >>> vocabulary.learn(["color=red", "color=blue"], 1)[0].tolist(), vocabulary.numbers
        ([0, 1], {'color=red': 0, 'color=blue': 1})
    """

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self.met = np.zeros(0, np.int64)
        self.dense = np.zeros(0, np.intp)
        self.group = np.zeros(0, np.intp)
        self._last = np.zeros(0, np.int64)
        self._free: list[int] = []
        self._groups: dict[str, int] = {}

    @property
    def size(self) -> int:
        """One more than the largest number given so far."""
        return len(self.met)

    def learn(self, tokens: list[str], now: int) -> tuple[Ints, Ints]:
        """Note the tokens of one example; those that are new get numbers.

        Args:
            tokens: What was met, each once.
            now: The number of the example.

        Returns:
            The numbers of the tokens, and those that mean something else from now on.
        """
        given_up = _NONE
        tokens = tokens[:MAX_OF_EXAMPLE]
        known = [self.numbers[token] for token in tokens if token in self.numbers]
        self._last[known] = now
        new = [token for token in tokens if token not in self.numbers]
        if len(self.numbers) + len(new) > MAX_TOKENS:
            given_up = self._give_up()
        for token in new:
            number = self._free.pop() if self._free else self._extend()
            self.numbers[token] = number
            self.group[number] = self._groups.setdefault(kind(token), len(self._groups))
        at: Ints = np.asarray([self.numbers[token] for token in tokens], np.intp)
        self.met[at] += 1
        self._last[at] = now
        return at, given_up

    def _extend(self) -> int:
        size = self.size
        self.met = np.append(self.met, 0)
        self._last = np.append(self._last, 0)
        self.dense = np.append(self.dense, -1)
        self.group = np.append(self.group, 0)
        return size

    def _give_up(self) -> Ints:
        """Give up the tokens that were met least recently and have no column."""
        loose = np.flatnonzero(self.dense < 0)
        oldest = loose[np.lexsort((loose, self._last[loose]))][: MAX_TOKENS // 4]
        gone = np.zeros(self.size, np.bool_)
        gone[oldest] = True
        self.numbers = {token: number for token, number in self.numbers.items() if not gone[number]}
        self.met[oldest] = 0
        self._free += oldest.tolist()[::-1]
        return oldest


def kind(token: str) -> str:
    r"""What tokens like this one have in common: the feature, and whether they are words.

    >>> kind("body\0 free") == kind("body\0 win"), kind("color\0=red") == kind("color\0?")
    (True, True)
    """
    name, _, rest = token.partition("\0")
    return f"{name}\0{rest[:1] == ' '}"
