"""Dead letters: list them, show one whole, and send them onto their topic again.

`letter_states` says what happened to a dead letter.

*Replayed once.* A replay sends what is open when it begins. First the records are sent, then their markers. A
replay that is interrupted in between, or that runs twice at the same time, sends a record again; its id makes
that harmless, as everywhere.

*Bounded.* The letters are read one after another; of their states there is one byte for each.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from dataclasses import dataclass, field

from stream_al.errors import Misconfigured
from stream_al.service.broker.dead_letters import Place, marker_in, marker_of, origin, replay_of, replayed
from stream_al.service.broker.protocols import Broker, Headers, Record
from stream_al.service.maintenance.letter_states import (
    LetterStates,
    State,
    committed,
    letter_states,
    state_of,
)
from stream_al.service.maintenance.topics import CHUNK, Progress, opened, read_topic
from stream_al.settings import Settings

__all__ = [
    "DeadLetter",
    "Overview",
    "Replays",
    "list_dead_letters",
    "overview",
    "replay_dead_letters",
    "show_dead_letter",
]

MOST_KINDS = 100  # of letters that are counted apart
MOST_PLACES = 100  # of replayed letters that are named
OTHERS = ("(others)", "", "")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead letter.

    Attributes:
        record: As it is on its topic.
        topic: The topic that its record came from.
        facts: Where its record came from and what is wrong with it.
        headers: The headers that its record had.
        state: What happened to it.
        sent: The newest record that was made of it, if it was replayed and this is known.
        refused: The dead letter of that record, if there is one and this is known.
    """

    record: Record
    topic: str
    facts: dict[str, str]
    headers: Headers
    state: State = State.OPEN
    sent: Place | None = None
    refused: Place | None = None

    @property
    def place(self) -> Place:
        """Where it is, which is its id."""
        return Place.of(self.record)

    @property
    def reason(self) -> str:
        """What is wrong, in one word."""
        return self.facts.get("exception", "unknown")

    @property
    def replay_of(self) -> Place | None:
        """The dead letter that its record was made of."""
        return replay_of(self.record)

    @property
    def has_value(self) -> bool:
        """Whether the value of the record is here. It may have been too large for the topic."""
        return "value" not in self.facts


@dataclass(slots=True)
class Kind:
    """The letters of one topic, stage and reason.

    Attributes:
        letters: How many there are.
        states: How many are in each state.
        last_ms: The log time of the newest one, in milliseconds.
    """

    letters: int = 0
    last_ms: int = 0
    states: dict[State, int] = field(default_factory=lambda: dict.fromkeys(State, 0))


@dataclass(slots=True)
class Overview:
    """The dead letters of some topics.

    Attributes:
        kinds: By topic, stage and reason.
        newest: The newest letters, in the order of their time.
    """

    kinds: dict[tuple[str, str, str], Kind] = field(default_factory=dict)
    newest: list[DeadLetter] = field(default_factory=list)


@dataclass(slots=True)
class Replays:
    """What a replay has done.

    Attributes:
        number: How many records were sent.
        left_out: How many letters were left out because they have no value.
        places: The first letters, each with the record that was made of it.
    """

    number: int = 0
    left_out: int = 0
    places: list[tuple[Place, Place]] = field(default_factory=list)


async def overview(
    settings: Settings,
    broker: Broker,
    topics: Collection[str],
    reason: str | None,
    newest: int,
    progress: Progress,
) -> Overview:
    """Count the dead letters of topics, and give the newest ones.

    Args:
        settings: The settings.
        broker: The broker.
        topics: The topics that the dead letters come from.
        reason: Only the letters with this reason.
        newest: How many to give.
        progress: Called with the number of records read.
    """
    found, last = Overview(), deque[DeadLetter](maxlen=newest)
    async for letter in list_dead_letters(settings, broker, topics, reason, progress):
        name = (letter.topic, letter.facts.get("stage", ""), letter.reason)
        if name not in found.kinds and len(found.kinds) >= MOST_KINDS:
            name = OTHERS
        kind = found.kinds.setdefault(name, Kind())
        kind.letters += 1
        kind.states[letter.state] += 1
        kind.last_ms = max(kind.last_ms, letter.record.timestamp_ms)
        last.append(letter)
    found.newest = sorted(last, key=lambda letter: letter.record.timestamp_ms)
    return found


async def list_dead_letters(
    settings: Settings, broker: Broker, topics: Collection[str], reason: str | None, progress: Progress
) -> AsyncIterator[DeadLetter]:
    """The dead letters of topics, one topic after another, each with its state."""
    async with opened(broker, *_letters_of(settings, topics)):
        for topic in topics:
            states = await letter_states(settings, broker, topic)
            async for letter in _letters(settings, broker, topic, progress):
                if reason in (None, letter.reason):
                    yield _with_state(letter, states)


async def show_dead_letter(settings: Settings, broker: Broker, place: Place) -> DeadLetter:
    """One dead letter.

    Raises:
        Misconfigured: There is none at this place.
    """
    topic = _origin(settings, place)
    async with opened(broker, place.topic):
        read = await committed(settings, broker, topic)
        found: DeadLetter | None = None
        sent = refused = None
        async for record in read_topic(broker, place.topic, lambda done, total: None):
            if marker := marker_in(record):
                sent = marker.record if marker.letter == place else sent
            elif Place.of(record) == place:
                found = _letter(record, topic)
            elif replay_of(record) == place:
                refused = Place.of(record)
    if found is None:
        raise _not_there(place)
    state = State.REFUSED if refused else state_of(sent, read) if sent else State.OPEN
    return DeadLetter(found.record, topic, found.facts, found.headers, state, sent, refused)


async def replay_dead_letters(
    settings: Settings,
    broker: Broker,
    topics: Collection[str],
    progress: Progress,
    *,
    reason: str | None = None,
    places: Collection[Place] = (),
    edit: Callable[[DeadLetter], bytes | None] = lambda letter: letter.record.value,
) -> Replays:
    """Send the dead letters that are open onto their topic again.

    Args:
        settings: The settings.
        broker: The broker.
        topics: The topics that the dead letters come from.
        progress: Called with the number of records sent.
        reason: Only the letters with this reason.
        places: Only these letters; all if there are none.
        edit: From a letter to the value of the record.

    Raises:
        Misconfigured: One of the places has no letter that could be sent. Then nothing was sent.
    """
    done = Replays()
    topics = sorted({_origin(settings, place) for place in places}) if places else topics
    async with opened(broker, *_letters_of(settings, topics), *topics):
        if places:
            await _check(settings, broker, topics, places)
        for topic in topics:
            states = await letter_states(settings, broker, topic)
            waiting: list[tuple[Record, bytes | None]] = []
            async for letter in _letters(settings, broker, topic, lambda done, total: None):
                wanted = reason in (None, letter.reason) and (not places or letter.place in places)
                if not wanted or states.of(letter.place) is not State.OPEN:
                    continue
                if not letter.has_value:
                    done.left_out += 1
                    continue
                waiting.append((letter.record, edit(letter)))
                if len(waiting) == CHUNK:
                    await _send(broker, topic, waiting, done)
                    waiting = []
                    progress(done.number, done.number)
            await _send(broker, topic, waiting, done)
    return done


async def _send(
    broker: Broker, topic: str, waiting: Iterable[tuple[Record, bytes | None]], done: Replays
) -> None:
    letters = [letter for letter, _ in waiting]
    acks = await broker.send([replayed(letter, topic, value) for letter, value in waiting])
    await broker.send([marker_of(letter, topic, ack) for letter, ack in zip(letters, acks, strict=True)])
    done.number += len(letters)
    for letter, ack in list(zip(letters, acks, strict=True))[: MOST_PLACES - len(done.places)]:
        done.places.append((Place.of(letter), Place(topic, ack.partition, ack.offset)))


async def _check(
    settings: Settings, broker: Broker, topics: Iterable[str], places: Collection[Place]
) -> None:
    """Check that each of the places has a letter that can be sent."""
    there: dict[Place, DeadLetter] = {}
    for topic in topics:
        states = await letter_states(settings, broker, topic)
        async for letter in _letters(settings, broker, topic, lambda done, total: None):
            if letter.place in places:
                there[letter.place] = _with_state(letter, states)
    for place in places:
        if place not in there:
            raise _not_there(place)
        if there[place].state is not State.OPEN:
            raise Misconfigured(
                f"--id: {place} was replayed already; `stream-al dlq show {place}` says how it ended"
            )
        if not there[place].has_value:
            raise Misconfigured(
                f"--id: {place} has no value, because it was too large for its topic; send it from "
                f"{there[place].facts.get('topic')}, where it still is"
            )


def _not_there(place: Place) -> Misconfigured:
    return Misconfigured(f"there is no dead letter {place}; `stream-al dlq list` shows the ids")


def _origin(settings: Settings, place: Place) -> str:
    """The topic that the dead letters of a topic come from."""
    given = settings.topics
    known = {topic + given.dead_letter_suffix: topic for topic in (given.samples, given.labels)}
    if place.topic not in known:
        raise Misconfigured(f"{place} is no dead letter: they are on {' and '.join(known)}")
    return known[place.topic]


def _letters_of(settings: Settings, topics: Iterable[str]) -> list[str]:
    return [topic + settings.topics.dead_letter_suffix for topic in topics]


def _letter(record: Record, topic: str) -> DeadLetter:
    return DeadLetter(record, topic, *origin(record))


async def _letters(
    settings: Settings, broker: Broker, topic: str, progress: Progress
) -> AsyncIterator[DeadLetter]:
    async for record in read_topic(broker, topic + settings.topics.dead_letter_suffix, progress):
        if marker_in(record) is None:
            yield _letter(record, topic)


def _with_state(letter: DeadLetter, states: LetterStates) -> DeadLetter:
    return DeadLetter(letter.record, letter.topic, letter.facts, letter.headers, states.of(letter.place))
