"""Skips by reason: why annotators give no label.

A reason is text that people type, so it has no bound of its own. Blanks and case do not make two reasons of
one, a reason is cut where it is long, and only the first `MOST` reasons have a count each. All others share
one, and so do skips without a reason.
"""

from __future__ import annotations

from collections import Counter

__all__ = ["NO_REASON", "OTHERS", "SkipReasons"]

MOST = 20  # reasons with a count of their own
MOST_CHARACTERS = 60
NO_REASON = "none"
OTHERS = "others"


class SkipReasons:
    """Counts skips by reason.

    >>> skips = SkipReasons()
    >>> [skips.count(reason) for reason in ("Not  clear", "not clear ", None, " ")]
    ['not clear', 'not clear', 'none', 'none']
    >>> skips.counts
    {'not clear': 2, 'none': 2}
    """

    def __init__(self) -> None:
        self._counts = Counter[str]()

    @property
    def counts(self) -> dict[str, int]:
        """How many skips had each reason, the most frequent first."""
        return dict(self._counts.most_common())

    def count(self, reason: str | None) -> str:
        """Count a skip; return the reason that it is counted under."""
        name = " ".join((reason or "").casefold().split())[:MOST_CHARACTERS] or NO_REASON
        own = len(self._counts.keys() - {NO_REASON, OTHERS})
        if name not in self._counts and name not in (NO_REASON, OTHERS) and own >= MOST:
            name = OTHERS
        self._counts[name] += 1
        return name
