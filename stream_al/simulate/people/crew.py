"""A crew: several simulated annotators who share the queries. Pure, as `simulate.people.annotator` is.

A query goes to the annotator who can begin it first. If several can begin at the same moment, one is drawn.
An annotator with a speed begins a label when the one before it is done, so a crew that is too slow falls
behind, as people do.

A crew is written as one text, annotators separated by semicolons:

    ada: error=0.1, delay=lognormal(10m, 1.0), speed=120, away=18-8; bob: confuse=spam>ham:0.3

    part                       | means
    ---------------------------|----------------------------------------------------------
    error=0.1                  | a tenth of the labels is wrong
    confuse=spam>ham:0.3       | of spam, three tenths get the label ham; may be repeated
    delay=600, delay=10m       | every label comes so many seconds later
    delay=exponential(10m)     | the mean; delay=lognormal(10m, 1.0): the median, and sigma
    speed=120                  | labels an hour, at most
    away=18-8                  | begins no label from 18 h to 8 h, UTC
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, nan
from typing import NamedTuple

from stream_al.engine.randomness import uniform
from stream_al.errors import Misconfigured
from stream_al.messages import ClassLabel, class_names
from stream_al.simulate.delay import Arrivals, seconds_of
from stream_al.simulate.people.annotator import AT_ONCE, Hours, SimulatedAnnotator, Wait

__all__ = ["ANNOTATORS", "Crew", "CrewArrivals", "Profile", "Task", "crew", "parse_crew", "split"]

OPTION = "--annotators"
ANNOTATORS = "annotators"
"""The delay of labels that come when the annotators give them, in place of a delay as written."""
MOST_ANNOTATORS = 100
FORMS = {
    "error": "error=0.1, a share from 0 to 1",
    "confuse": "confuse=spam>ham:0.3, two classes and a share from 0 to 1",
    "delay": "delay=600, delay=10m, delay=exponential(10m) or delay=lognormal(10m, 1.0)",
    "speed": "speed=120, a number of labels an hour above 0",
    "away": "away=18-8, two hours from 0 to 24",
}


class Profile(NamedTuple):
    """What is written about an annotator. Its classes are texts, because the stream is not read yet."""

    name: str
    error: float = 0.0
    confusions: tuple[tuple[str, str, float], ...] = ()
    delay: Wait = AT_ONCE
    label_seconds: float = 0.0
    away: Hours | None = None

    @property
    def timed(self) -> bool:
        """Whether it says when labels come."""
        return (self.delay, self.label_seconds, self.away) != (AT_ONCE, 0.0, None)


class Task(NamedTuple):
    """Who labels a query, and when the label comes, in seconds."""

    annotator: SimulatedAnnotator
    seconds: float


@dataclass(frozen=True)
class Crew:
    """Several annotators. The state says from when on each of them is free.

    Attributes:
        annotators: The annotators, one at least.
        seed: The seed of the random draws.
    """

    annotators: Sequence[SimulatedAnnotator]
    seed: int
    begin: tuple[float, ...] = field(init=False)

    def __post_init__(self) -> None:
        """The state before the first query."""
        object.__setattr__(self, "begin", (-inf,) * len(self.annotators))

    def assign(
        self,
        state: tuple[float, ...],
        query_id: str,
        seconds: float,
        without: Collection[str | int | float] = (),
    ) -> tuple[Task | None, tuple[float, ...]]:
        """Give a query to an annotator.

        Args:
            state: `begin`, or what the query before it has left.
            query_id: The id of the query.
            seconds: The time of the query.
            without: The names of those who may not label it.

        Returns:
            Who labels it and when, None if nobody may; and the state after it.
        """
        can = [
            inf if one.name in without else one.begins(max(seconds, free))
            for one, free in zip(self.annotators, state, strict=True)
        ]
        first = [place for place, at in enumerate(can) if at == min(can) < inf]
        if not first:
            return None, state
        place = first[int(uniform(self.seed, "assignment", query_id) * len(first))]
        one = self.annotators[place]
        after = (*state[:place], can[place] + one.label_seconds, *state[place + 1 :])
        return Task(one, one.gives(query_id, can[place])), after


class CrewArrivals:
    """When the labels of a crew can be learned, and what they are. It is asked in the order of the queries.

    Args:
        crew: The annotators.
        clock: The time of each sample, in seconds; None if each label comes as `otherwise` says.
        names: The id of the sample at a position.
        otherwise: When labels come that no annotator is late with.
    """

    def __init__(
        self, crew: Crew, clock: Sequence[float] | None, names: Callable[[int], str], otherwise: Arrivals
    ) -> None:
        self._crew = crew
        self._clock = clock
        self._names = names
        self._otherwise = otherwise
        self._state = crew.begin
        self._tasks: dict[str, Task] = {}
        self._found: dict[int, tuple[int, float]] = {}

    def of(self, position: int) -> tuple[int, float]:
        """The first sample whose prediction can know a label, and the label's place among such labels."""
        if position not in self._found:
            found = self.of_query(self._names(position), position)
            assert found is not None  # noqa: S101 - any annotator may label a first query
            self._found[position] = found
        return self._found[position]

    def of_query(
        self, query_id: str, position: int, without: Collection[str | int | float] = ()
    ) -> tuple[int, float] | None:
        """The same of a query that is asked at a position; None if nobody is left to label it.

        Args:
            query_id: The id of the query.
            position: The position of the sample at which it is asked.
            without: The names of those who may not label it.
        """
        clock = self._clock
        at = clock[position] if clock is not None else float(position)
        task, self._state = self._crew.assign(self._state, query_id, at, without)
        if task is None:
            return None
        self._tasks[query_id] = task
        if clock is None:
            return self._otherwise.of(position)
        return max(position + 1, bisect_left(clock, task.seconds)), task.seconds

    def label(self, query_id: str, truth: ClassLabel) -> ClassLabel:
        """The label of a query, by the annotator who has got it."""
        return self._tasks[query_id].annotator.label(query_id, truth)

    def annotator(self, query_id: str) -> str:
        """The name of that annotator."""
        return self._tasks[query_id].annotator.name


def crew(profiles: Sequence[Profile], classes: Sequence[ClassLabel], seed: int) -> Crew:
    """The crew of a stream.

    Raises:
        Misconfigured: A profile names a class that the stream does not have.
    """
    named = dict(zip(class_names(*classes), classes, strict=True))
    found = []
    for profile in profiles:
        confusions: dict[str, list[tuple[ClassLabel, float]]] = {}
        for truth, given, share in profile.confusions:
            for name in (truth, given):
                if name not in named:
                    known = ", ".join(list(named)[:10])
                    raise Misconfigured(f"{OPTION}: the stream has no class {name!r}; it has {known}")
            confusions.setdefault(truth, []).append((named[given], share))
        found.append(
            SimulatedAnnotator(
                classes,
                profile.error,
                seed,
                profile.name,
                confusions,
                profile.delay,
                profile.label_seconds,
                profile.away,
            )
        )
    return Crew(found, seed)


def parse_crew(text: str) -> tuple[Profile, ...]:
    """The profiles of a text.

    Raises:
        Misconfigured: The text is none; what to write instead.

    >>> [profile.name for profile in parse_crew("ada: error=0.1; bob")]
    ['ada', 'bob']
    """
    found = [_profile(part) for part in split(text, ";") if part.strip()]
    names = [profile.name for profile in found]
    if not found or len(found) > MOST_ANNOTATORS:
        raise Misconfigured(
            f"{OPTION}: write 1 to {MOST_ANNOTATORS} annotators, such as 'ada: error=0.1; bob'"
        )
    for name in names:
        if names.count(name) > 1:
            raise Misconfigured(f"{OPTION}: write {name!r} once; two annotators need two names")
    return tuple(found)


def split(text: str, separator: str) -> list[str]:
    """The parts between separators, without blanks around them. Within brackets nothing separates.

    >>> split("margin, committee(a, b)", ",")
    ['margin', 'committee(a, b)']
    """
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "([{") - (letter in ")]}")
        if letter == separator and depth <= 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def _profile(text: str) -> Profile:
    name, _, rest = (part.strip() for part in text.partition(":"))
    if not name or "=" in name or len(name) > 100:
        raise Misconfigured(
            f"{OPTION}: begin with a name and a colon, such as 'ada: error=0.1', not {text!r}"
        )
    profile = Profile(name)
    for part in split(rest, ",") if rest else []:
        word, _, value = (piece.strip() for piece in part.partition("="))
        if word not in READERS:
            raise Misconfigured(f"{OPTION}: write one of {', '.join(READERS)}, not {word!r} ({name})")
        if word != "confuse" and re.search(rf"\b{word}\s*=.*\b{word}\s*=", rest):
            raise Misconfigured(f"{OPTION}: write {word} once ({name})")
        read = READERS[word](profile, value)
        if read is None:
            raise Misconfigured(f"{OPTION}: write {FORMS[word]}, not {part!r} ({name})")
        profile = read
    for truth in {truth for truth, _, _ in profile.confusions}:
        if sum(share for other, _, share in profile.confusions if other == truth) > 1 + 1e-9:
            raise Misconfigured(f"{OPTION}: the confusions of {truth!r} may be 1 together ({name})")
    return profile


def _error(profile: Profile, value: str) -> Profile | None:
    share = _number(value)
    return profile._replace(error=share) if 0 <= share <= 1 else None


def _confuse(profile: Profile, value: str) -> Profile | None:
    classes, _, written = value.rpartition(":")
    truth, _, given = (part.strip() for part in classes.partition(">"))
    share = _number(written)
    if not truth or not given or truth == given or not 0 <= share <= 1:
        return None
    return profile._replace(confusions=(*profile.confusions, (truth, given, share)))


def _delay(profile: Profile, value: str) -> Profile | None:
    found = re.fullmatch(r"(fixed|exponential|lognormal)\(\s*([^,()]+?)\s*(?:,\s*([^,()]+?)\s*)?\)", value)
    kind, written, second = found.groups() if found else ("fixed", value, None)
    seconds = _seconds(written)
    sigma = 0.0 if second is None else _number(second)
    if not 0 <= seconds < inf or (kind == "lognormal") != (second is not None) or not 0 <= sigma <= 10:
        return None
    return profile._replace(delay=Wait(kind, seconds, sigma))


def _speed(profile: Profile, value: str) -> Profile | None:
    speed = _number(value)
    return profile._replace(label_seconds=3600 / speed) if 0 < speed < inf else None


def _away(profile: Profile, value: str) -> Profile | None:
    begin, _, end = value.partition("-")
    hours = Hours(_number(begin), _number(end))
    good = all(0 <= hour <= 24 for hour in hours) and (hours.end - hours.begin) % 24 > 0
    return profile._replace(away=hours) if good else None


READERS: Mapping[str, Callable[[Profile, str], Profile | None]] = {
    "error": _error,
    "confuse": _confuse,
    "delay": _delay,
    "speed": _speed,
    "away": _away,
}
"""From a word to what reads its value into a profile; it gives None for a value of no such form."""


def _number(text: str) -> float:
    """A number; NaN, which is in no range, if it is none."""
    try:
        return float(text)
    except ValueError:
        return nan


def _seconds(text: str) -> float:
    found = seconds_of(text)
    return _number(text) if found is None else found
