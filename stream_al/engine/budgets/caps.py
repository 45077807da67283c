"""Caps: labels per hour and in all, for the whole application, without a word between the replicas.

The budget manager keeps a share of the arrivals. Two more caps are in numbers of labels: N per hour and
T in total; the lowest binds. They hold for the application, yet every partition is decided by itself, by
replicas that do not talk. So each partition has an *allowance* of its own, and the allowances of P
partitions add up to the cap exactly:

    per hour, in hour h:   N // P, and one more if (p + h) mod P < N mod P
    in total:              T // P, and one more if p < T mod P

What does not divide goes round with the hours, so that a cap of 1 an hour reaches every partition in
turn. What a partition leaves unused in an hour is lost; unused hours are not saved up.

*Hours* are hours of the log: a record's timestamp // 3,600,000 ms. No local clock is read, so a replay
counts the same. They never go back: a record from an earlier hour is charged to the latest hour the
partition has seen. So the cap is on what is *charged* to an hour; a record stamped far ahead keeps its
partition at that hour's one allowance until the log arrives there, which buys too little, never too much.

*Another number of partitions.* Once P has changed, no partition buys beyond its new allowance, whatever
it had before. All of them together are promised less while P changes, since new partitions come with
empty accounts that know nothing of the others: in the hour of a change at most twice the cap per hour is
bought, and the hours after keep it again; in all, at most T and what the new partitions are allowed.
Whoever adds partitions and needs the total to the label lowers it by what is bought.

An account lives beside the manager's state, in the metadata of the partition's offset commit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["UNBOUNDED", "Account", "Caps", "hour_of"]

Binding = Literal["per_hour", "total"]

UNBOUNDED = 2**31
"""The room where no cap is set."""

_MS_PER_HOUR = 3_600_000
_LARGEST = 2**63 - 1


def hour_of(timestamp_ms: int) -> int:
    """The hour of a record's timestamp, counted from 1970.

    >>> hour_of(7_199_999), hour_of(7_200_000)
    (1, 2)
    """
    return timestamp_ms // _MS_PER_HOUR


@dataclass(frozen=True, slots=True)
class Account:
    """What one partition has bought.

    Attributes:
        hour: The latest hour of the log that anything was charged to.
        bought_this_hour: Labels charged to that hour.
        bought: Labels bought in all.
    """

    hour: int = 0
    bought_this_hour: int = 0
    bought: int = 0

    def at(self, hour: int) -> Account:
        """The account as that hour opens it; as it is if the hour is not later than its own."""
        return Account(hour, 0, self.bought) if hour > self.hour else self

    def spend(self, hour: int, number: int) -> Account:
        """The account after `number` labels more, bought for records of `hour`.

        Raises:
            ValueError: The number is negative.
        """
        if number < 0:
            raise ValueError(f"a number of labels is not negative, but {number}")
        now = self.at(hour)
        return Account(now.hour, now.bought_this_hour + number, now.bought + number)

    def encode(self) -> dict[str, int]:
        """The account as JSON-ready values."""
        return {"hour": self.hour, "bought_this_hour": self.bought_this_hour, "bought": self.bought}

    @classmethod
    def decode(cls, values: Mapping[str, Any]) -> Account:
        """The account that `encode` was given.

        Raises:
            ValueError: These are not values that `encode` returned.
        """
        try:
            hour, bought_this_hour, bought = (values[m] for m in ("hour", "bought_this_hour", "bought"))
        except (KeyError, TypeError) as error:
            raise ValueError(f"not an account: {error!r}") from error
        whole = all(type(value) is int for value in (hour, bought_this_hour, bought))
        if not whole or not 0 <= hour <= _LARGEST or not 0 <= bought_this_hour <= bought <= _LARGEST:
            raise ValueError("not an account: a value is out of its range")
        return cls(hour, bought_this_hour, bought)


@dataclass(frozen=True, slots=True)
class Caps:
    """What the whole application may buy.

    Args:
        per_hour: Labels in an hour of the log, or None for any number.
        total: Labels in all, or None for any number.

    >>> caps = Caps(per_hour=5, total=6)
    >>> caps.room(Account(), hour=0, partition=0, partitions=2)
    (3, 'total')
    >>> caps.room(Account().spend(hour=0, number=2), hour=1, partition=0, partitions=2)
    (1, 'total')
    """

    per_hour: int | None = None
    total: int | None = None

    def __post_init__(self) -> None:
        for name, cap in (("per_hour", self.per_hour), ("total", self.total)):
            if cap is not None and cap < 0:
                raise ValueError(f"{name} must not be negative, but is {cap}")

    def room(
        self, account: Account, hour: int, partition: int, partitions: int
    ) -> tuple[int, Binding | None]:
        """How many labels a partition may buy now, and which cap says so.

        Args:
            account: What the partition has bought.
            hour: The hour of the records that are to be decided; an earlier one than the account's
                counts as the account's.
            partition: The partition, counted from 0.
            partitions: How many there are.

        Returns:
            The room, never negative, and the name of the lowest cap: the total if both are as low, since
            it does not come back; None if no cap is set.

        Raises:
            ValueError: There is no such partition.
        """
        if not 0 <= partition < partitions:
            raise ValueError(f"there is no partition {partition} of {partitions}")
        now = account.at(hour)
        rooms: list[tuple[int, Binding]] = []
        if self.total is not None:
            rooms.append((_allowance(self.total, partition, partitions) - now.bought, "total"))
        if self.per_hour is not None:
            place = (partition + now.hour) % partitions
            rooms.append((_allowance(self.per_hour, place, partitions) - now.bought_this_hour, "per_hour"))
        if not rooms:
            return UNBOUNDED, None
        room, binding = min(rooms, key=lambda each: max(0, each[0]))  # the first of equals
        return max(0, room), binding


def _allowance(cap: int, place: int, partitions: int) -> int:
    """The part of a cap that falls to one place of `partitions`; the parts add up to the cap."""
    return cap // partitions + (place < cap % partitions)
