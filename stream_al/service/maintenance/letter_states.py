"""What happened to a dead letter.

It is written after the letter (`service.broker.dead_letters`), and follows from the topics alone:

    open       there is no marker of it
    waiting    there is a marker, and the service has not committed past the record that was sent
    used       the service has committed past it, and no new dead letter says that it was made of it
    refused    a new dead letter says that it was made of it; that one is open

The commits are read before the dead letters. The service sends a dead letter before it commits, so a record
that was refused is never taken for used.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

from stream_al.service.broker.dead_letters import Place, marker_in, replay_of
from stream_al.service.broker.protocols import Broker
from stream_al.service.broker.readers import started
from stream_al.service.maintenance.topics import read_topic
from stream_al.settings import Settings

__all__ = ["LetterStates", "State", "committed", "letter_states", "state_of"]


class State(IntEnum):
    """What happened to a dead letter. A higher state of the same letter is known later."""

    OPEN = 0
    WAITING = 1
    USED = 2
    REFUSED = 3


class LetterStates:
    """The state of each letter of one topic, in one byte for each offset.

    Args:
        first: The first offset of each partition.
        end: One past the last offset of each partition.
    """

    def __init__(self, first: Mapping[int, int], end: Mapping[int, int]) -> None:
        self._first = first
        self._states = {partition: bytearray(end[partition] - first[partition]) for partition in end}

    def of(self, place: Place) -> State:
        """The state of a letter; one that came later is open."""
        states, at = self._at(place)
        return State(states[at]) if 0 <= at < len(states) else State.OPEN

    def see(self, place: Place, state: State) -> None:
        """Note a state of a letter, unless a higher one is known."""
        states, at = self._at(place)
        if 0 <= at < len(states):
            states[at] = max(states[at], state)

    def _at(self, place: Place) -> tuple[bytearray, int]:
        return self._states.get(place.partition, bytearray()), place.offset - self._first.get(
            place.partition, 0
        )


async def letter_states(settings: Settings, broker: Broker, topic: str) -> LetterStates:
    """The states of the dead letters that come from a topic."""
    name = topic + settings.topics.dead_letter_suffix
    read = await committed(settings, broker, topic)
    async with started(broker.reader(name)) as reader:
        states = LetterStates(await reader.beginning_offsets(), await reader.end_offsets())
    async for record in read_topic(broker, name, lambda done, total: None):
        if (marker := marker_in(record)) and marker.letter.topic == name:
            states.see(marker.letter, state_of(marker.record, read))
        elif (made_of := replay_of(record)) and made_of.topic == name:
            states.see(made_of, State.REFUSED)
    return states


async def committed(settings: Settings, broker: Broker, topic: str) -> dict[int, int]:
    """The next offset that the service reads of a topic, by partition."""
    stage = "select" if topic == settings.topics.samples else "intake"
    group = broker.group(f"{settings.application}.{stage}", topic, "earliest")
    async with started(broker.reader(topic)) as reader:
        partitions = list(await reader.end_offsets())
    found = {partition: await group.committed(partition) for partition in partitions}
    return {partition: position.offset for partition, position in found.items() if position}


def state_of(sent: Place, read: Mapping[int, int]) -> State:
    """The state of a letter whose record was sent to a place, by what the service has read of that topic."""
    return State.USED if read.get(sent.partition, 0) > sent.offset else State.WAITING
