"""Second labels within the one budget: for how many first labels one more is bought.

With e extra labels for every first one, the budget manager keeps the share B / (1 + e) of the samples, and
every first label bought earns the partition a *credit* of e. A second label costs a credit of 1. So all
labels together keep the share B.

*Bounded.* While there is no sample to ask about again the credit grows to `most_credit` and no further: what
is lost is never made up by a burst. In any window of W samples at most

    B W + (1 + e) (the bound of the manager) + most_credit

labels are bought, first and second together. The caps count both (`engine.budgets.caps`). Where a cap
leaves room for few labels, room is kept for the second labels that the first ones will earn. None is kept
while no sample can be asked about again, such as before the first label.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stream_al.engine.encoding import integer, number

__all__ = ["DIGITS", "Credit", "most_credit"]

DIGITS = 9  # of a credit, and of e, so that sums of it are exact
MOST_FIRST = 10  # first labels whose second ones may wait, so that labels may come late and in bursts
_LARGEST = 2**63 - 1


def most_credit(extra: float) -> float:
    """The largest credit of a partition.

    >>> most_credit(0.1), most_credit(2.0)
    (20.0, 30.0)
    """
    return MOST_FIRST * (1.0 + math.ceil(extra))


@dataclass(frozen=True, slots=True)
class Credit:
    """What a partition may buy second labels for.

    Attributes:
        credit: The second labels that it may buy; the part of one is kept.
        bought: The second labels that it has bought in total.

    >>> credit = Credit()
    >>> for _ in range(3):
    ...     credit = credit.after(first=2, extra=0.25, again=1)
    ...     print(credit)
    Credit(credit=0.5, bought=0)
    Credit(credit=0.0, bought=1)
    Credit(credit=0.5, bought=1)
    """

    credit: float = 0.0
    bought: int = 0

    def due(self, first: int, extra: float, again: int) -> int:
        """The second labels that are due with so many more first ones, if `again` samples can be asked."""
        return min(again, int(self._earned(first, extra)))

    def first_within(self, room: int, extra: float, again: int) -> int:
        """How many first labels fit in a room, together with the second ones that are due with them.

        >>> [Credit(0.5).first_within(10, extra=1.0, again=again) for again in (100, 0)]
        [5, 10]
        """
        if room <= 0 or not extra:
            return room
        fits = max(room - again, math.floor((room + 1 - self.credit) / (1.0 + extra)))
        while fits > 0 and fits + self.due(fits, extra, again) > room:
            fits -= 1
        return max(0, fits)

    def after(self, first: int, extra: float, again: int) -> Credit:
        """The credit after so many first labels, and after the second ones that they pay for.

        Args:
            first: First labels that were bought.
            extra: Second labels for every first one.
            again: How many second labels can be bought: samples that can be asked about, and room.
        """
        if not extra:
            return Credit(0.0, self.bought)
        due = self.due(first, extra, max(0, again))
        left = round(self._earned(first, extra) - due, DIGITS)
        return Credit(min(left, most_credit(extra)), self.bought + due)

    def _earned(self, first: int, extra: float) -> float:
        return round(self.credit + first * extra, DIGITS)

    def encode(self) -> dict[str, Any]:
        """The credit as JSON-ready values."""
        return {"credit": self.credit, "bought": self.bought}

    @classmethod
    def decode(cls, values: Mapping[str, Any]) -> Credit:
        """The credit that `encode` was given.

        Raises:
            ValueError: These are not values that `encode` returned.
        """
        try:
            return cls(number(values, "credit", 0.0, _LARGEST), integer(values, "bought"))
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a credit: {error!r}") from error
