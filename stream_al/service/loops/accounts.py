"""Accounts: a second copy of what each partition has bought, for the case that an operator moves offsets.

The state of a partition (its threshold, its budget, the labels bought in the hour and in total) is committed
together with its offset. A tool that moves the offsets of a group writes offsets without any state. If that
were all, a total of 50 labels would be bought again after every such move. So there is a copy:

    where   in the metadata of commits on the samples too, but of the group `<application>.accounts`. It has
            no members, so nobody has a reason to move its offsets, which say how old the copy is
    saved   once a second, if the state has changed, and at an orderly stop; by the replica that holds the
            partition
    used    only if the commit of the partition has no state. A commit that has one always counts

Kafka deletes the offsets of a group without members a week after its last commit, by default. So the copy is
written once a day though nothing has changed.

With a topic, Kafka deletes all offsets on it, the copies too. So if a topic is created anew under the running
service, the last save writes the last commits that this replica knows of all partitions that it has held.

An operator moves offsets while the service is stopped, so the copy is complete then. After a crash it may
lack the last second.
"""

from __future__ import annotations

from stream_al.service.broker.protocols import Broker, Position
from stream_al.service.broker.readers import started
from stream_al.service.loops.consumer import Consumer
from stream_al.service.timing.clock import Clock

__all__ = ["Accounts"]

REFRESH_SECONDS = 24 * 3600.0
STOP_SECONDS = 1.0


class Accounts:
    """Saves the states of the partitions of the samples, and finds them again.

    Args:
        broker: Keeps the copies.
        application: The name of the application.
        topic: The topic of the samples.
        clock: Says when a copy is a day old.
    """

    def __init__(self, broker: Broker, application: str, topic: str, clock: Clock) -> None:
        self._broker = broker
        self._clock = clock
        self._refreshed_at = clock.monotonic()
        self._group = f"{application}.accounts"
        self._topic = topic
        self._saved: dict[int, str] = {}
        self._is_lost = False

    def lost(self) -> None:
        """The topic was created anew, and the copies were deleted with the old one: save all of them."""
        self._saved, self._is_lost = {}, True

    async def saved(self, partition: int) -> str:
        """The copy of the state of a partition; empty if there is none."""
        found = await self._broker.kept_positions(self._group, self._topic, [partition])
        return found[partition].metadata if partition in found else ""

    async def save(self, consumer: Consumer) -> None:
        """Save the states that have changed. Raises Unavailable."""
        held = consumer.group.assignment()
        states = {
            number: Position(one.offset, consumer.stage.encode(one.state))
            for number, one in consumer.partitions.items()
            if number in held
        }
        if self._is_lost:
            states = await self._not_kept(consumer)
        now = self._clock.monotonic()
        if now - self._refreshed_at >= REFRESH_SECONDS:
            self._saved, self._refreshed_at = {}, now
        changed = {n: one for n, one in states.items() if self._saved.get(n) != one.metadata}
        if changed:
            await self._broker.keep_positions(self._group, self._topic, changed)
        self._saved = {n: one.metadata for n, one in states.items()}

    async def _not_kept(self, consumer: Consumer) -> dict[int, Position]:
        """The last commits that it knows, but for states of which another replica has kept a later copy.

        A partition may have moved on since this replica has held it, and the new topic may have fewer.
        """
        reader = self._broker.reader(self._topic)  # the group may still believe that there is no topic
        async with started(reader):
            there = await reader.end_offsets()
        known = {number: one for number, one in consumer.committed.items() if number in there}
        kept = await self._broker.kept_positions(self._group, self._topic, list(known))

        def is_later(number: int, one: Position) -> bool:
            state, copy = (consumer.stage.decode(number, each.metadata) for each in (one, kept[number]))
            later: bool = state.is_later_than(copy)
            return later

        return {number: one for number, one in known.items() if number not in kept or is_later(number, one)}
