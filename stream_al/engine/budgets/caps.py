"""Caps: labels per hour and in total, for the whole application, without messages between replicas.

The budget manager keeps a share of the samples. Two more caps are numbers of labels: N per hour and T in
total. The lowest cap binds. They hold for the application, yet every partition is decided about alone, by
replicas that do not exchange messages. So each partition has an *allowance* of its own, and the allowances of
P partitions add up to the cap exactly:

    per hour, in hour h:   N // P, and one more if (p + h) mod P < N mod P
    in total:              T // P, and one more if p < T mod P

The remainder of N rotates with the hours, so that a cap of 1 per hour reaches every partition in turn. What a
partition does not use in an hour is lost and not saved up.

*Hours* are hours of the log: a record's timestamp // 3,600,000 ms. No local clock is read, so a replay counts
the same. They never go back: a record from an earlier hour is charged to the latest hour of its partition. So
the cap is on what is *charged* to an hour. A record with a timestamp ahead leaves its partition with the one
allowance of that hour until the log arrives there, which buys too little and never too much. How far ahead a
timestamp may lie is bounded (`engine.labels.expiry.credible`).

*Another number of partitions.* Once P has changed, no partition buys more than its new allowance, whatever it
had before. Over all partitions less is promised while P changes, since new partitions begin with empty
accounts. In the hour of a change at most twice the cap per hour is bought, and every hour after keeps it
again. In total, at most T and the allowances of the new partitions are bought. To keep the total exactly,
lower it by what is bought before partitions are added.

An account is stored beside the manager's state, in the metadata of the partition's offset commit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from stream_al.engine.encoding import integer

__all__ = ["UNBOUNDED", "Account", "Caps", "hour_of"]

Binding = Literal["per_hour", "total"]

UNBOUNDED = 2**31
"""The room if no cap is set."""

HOUR_MS = 3_600_000


def hour_of(timestamp_ms: int) -> int:
    """The hour of a record's timestamp, counted from 1970.

    >>> hour_of(7_199_999), hour_of(7_200_000)
    (1, 2)
    """
    return timestamp_ms // HOUR_MS


@dataclass(frozen=True, slots=True)
class Account:
    """The labels that one partition has bought.

    Attributes:
        hour: The latest hour of the log that labels were charged to.
        bought_this_hour: Labels charged to that hour.
        bought: Labels bought in total.
    """

    hour: int = 0
    bought_this_hour: int = 0
    bought: int = 0

    def at(self, hour: int) -> Account:
        """The account at the beginning of an hour; unchanged if the hour is not later than its own."""
        return Account(hour, 0, self.bought) if hour > self.hour else self

    def spend(self, hour: int, number: int) -> Account:
        """The account after `number` more labels, bought for records of `hour`.

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
            bought = integer(values, "bought")
            return cls(integer(values, "hour"), integer(values, "bought_this_hour", bought), bought)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"not an account: {error!r}") from error


@dataclass(frozen=True, slots=True)
class Caps:
    """The labels that the whole application may buy.

    Args:
        per_hour: Labels in an hour of the log; None for any number.
        total: Labels in total; None for any number.

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
        """How many labels a partition may buy now, and which cap limits them.

        Args:
            account: What the partition has bought.
            hour: The hour of the records to decide about; one before the account's counts as the
                account's.
            partition: The partition, counted from 0.
            partitions: How many there are.

        Returns:
            The room, never negative, and the name of the lowest cap. That is the total if both are equal,
            since the total does not renew itself. It is None if no cap is set.

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
