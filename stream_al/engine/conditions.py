"""Conditions: whether the service does its work, by name.

A service can run and yet not work: it refuses every label, its model fails on every sample, or nobody reads a
partition. Each such state is a condition, as Kubernetes has them for its objects. Its status is True while
something is wrong, so "no condition holds" means that all is well.

    condition          holds when                                                      takes readiness
    BrokerAway         calls to the broker fail                                        at once
    PartitionStopped   bad records in a row have stopped a partition it holds          after a while
    PartitionUnread    records wait in a partition, and its offset has not moved       after a while, if
                       for `UNREAD_SECONDS`                                            it holds the partition
    LabelsRefused      of the last labels, the model refused more than `MANY`,         after a while, if
                       or more than that could not be used                             nearly all were here
    NoOpinion          the model fails on most samples, or has learned nothing         after a while, if
                       although labels came                                            it fails on nearly all
    ModelBehind        for `BEHIND_SECONDS` the model has not read the last examples   no
    ClassMissed        the model misses a rare class, or has few labels of it             no
    AnnotatorContradicts   second labels show that an annotator contradicts the rest       no
    Paused             an operator has paused selection                                no

**Readiness** means that a replica does its work. But Kubernetes waits for readiness before it replaces the
next replica, so a condition must never keep its own remedy from being rolled out. Two rules see to that:

1. Only what a replica has seen since it started takes its readiness. The labels that a former model refused
   come with the log, and a new replica finds them there: they show in the condition, and it becomes ready.
2. A condition takes readiness after it has held for `UNREADY_SECONDS`. Until then a new replica is ready, and
   the rollout goes on, provided that it waits for less than that (`minReadySeconds`).

*Hysteresis.* There is none: shares are taken over the last 100 events, and `since` changes with the status.

The rules read no clock. `now` is an argument, in milliseconds of a clock that never goes back.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from stream_al.engine.recent import RecentShare
from stream_al.terminal import listed

__all__ = ["Condition", "Conditions", "Facts", "Lost", "Standstill", "Type"]

FEW = 3  # refused labels are not enough to say that labels are refused
SOME = 10  # events are enough to say that nearly all of them went wrong
MANY = 0.1
MOST = 0.5
NEARLY_ALL = 0.9
UNREAD_SECONDS = 60
BEHIND_SECONDS = 60
UNREADY_SECONDS = 60
BEHIND_EXAMPLES = 100


class Type(StrEnum):
    """The names of the conditions."""

    BROKER_AWAY = "BrokerAway"
    PARTITION_STOPPED = "PartitionStopped"
    PARTITION_UNREAD = "PartitionUnread"
    LABELS_REFUSED = "LabelsRefused"
    NO_OPINION = "NoOpinion"
    MODEL_BEHIND = "ModelBehind"
    CLASS_MISSED = "ClassMissed"
    ANNOTATOR_CONTRADICTS = "AnnotatorContradicts"
    PAUSED = "Paused"


@dataclass(frozen=True, slots=True)
class Lost:
    """Labels or samples, some of which went wrong.

    Attributes:
        recent: Of the last ones, which went wrong.
        why: Why the last of them did.
    """

    recent: RecentShare = field(default_factory=RecentShare)
    why: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rules look at.

    Attributes:
        broker_away: Whether calls to the broker fail.
        paused: Whether an operator has paused selection.
        stopped: The partitions of this replica that bad records have stopped, each with the reason.
        unread: The partitions in which records wait, without any movement for `UNREAD_SECONDS`.
        unread_here: Those of them that this replica holds.
        refused: The labels that the model refused, as the fold has them: the same on every replica.
        refused_here: Those that it refused since this process started.
        unusable: The labels that this replica could not use before they came to the model.
        without_opinion: Of the last samples that the model should know something about, those it failed on.
        model_lag: How many examples the model has not read.
        learned: How many examples the model has learned.
        missed: What to do about rare classes that the model misses (`engine.labels.rare_classes`); None if it
            misses none.
        contradicting: The annotators who contradict the rest.
    """

    broker_away: bool = False
    paused: bool = False
    stopped: Mapping[str, str] = field(default_factory=dict)
    unread: frozenset[str] = frozenset()
    unread_here: frozenset[str] = frozenset()
    refused: Lost = field(default_factory=Lost)
    refused_here: RecentShare = field(default_factory=RecentShare)
    unusable: Lost = field(default_factory=Lost)
    without_opinion: Lost = field(default_factory=Lost)
    model_lag: int = 0
    learned: int = 0
    missed: str | None = None
    contradicting: Sequence[str] = ()


class Cause(NamedTuple):
    """Why a condition holds, and whether the replica then does not do its work."""

    reason: str
    message: str
    unready: bool = False
    after_seconds: int = 0


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition as it is now.

    Attributes:
        type: Its name.
        holds: Whether something is wrong.
        reason: Why, as one word; empty if nothing is wrong.
        message: What is wrong and what to do.
        since_ms: When `holds` changed last, by the clock of `observe`.
        unready: Whether it takes the readiness of this replica.
    """

    type: Type
    holds: bool
    reason: str
    message: str
    since_ms: int
    unready: bool = False


class Conditions:
    """The conditions of one replica.

    Args:
        now_ms: The time at which the replica started.

    >>> conditions = Conditions(0)
    >>> changed = conditions.observe(Facts(paused=True), 1000)
    >>> [(one.type.value, one.holds, one.since_ms) for one in conditions if one.holds]
    [('Paused', True, 1000)]
    """

    def __init__(self, now_ms: int) -> None:
        self._now = {kind: Condition(kind, False, "", "", now_ms) for kind in Type}
        self._found_ms: dict[Type, int] = {}

    def __iter__(self) -> Iterator[Condition]:
        """All conditions, those that hold first."""
        return iter(sorted(self._now.values(), key=lambda one: not one.holds))

    def observe(self, facts: Facts, now_ms: int) -> list[Condition]:
        """Judge the facts of now; return the conditions that have begun or ended to hold."""
        changed = []
        for kind, before in self._now.items():
            cause = _RULES[kind](facts)
            if cause is None:
                self._found_ms.pop(kind, None)
                after = Condition(kind, False, "", "", now_ms)
            else:
                seconds = (now_ms - self._found_ms.setdefault(kind, now_ms)) / 1000
                after = _held(kind, cause, seconds, now_ms)
            if after.holds == before.holds:
                after = Condition(
                    kind, after.holds, after.reason, after.message, before.since_ms, after.unready
                )
            else:
                changed.append(after)
            self._now[kind] = after
        return changed


class Standstill:
    """Which partitions stand still: records wait in them, and their offset does not move."""

    def __init__(self) -> None:
        self._since: dict[Hashable, tuple[int, int]] = {}

    def observe(self, waiting: Mapping[str, int], now_ms: int) -> frozenset[str]:
        """The partitions that have stood still for `UNREAD_SECONDS`.

        Args:
            waiting: The partitions in which records wait, each with its offset.
            now_ms: The time, in milliseconds.

        >>> standstill = Standstill()
        >>> [sorted(standstill.observe({"samples/0": offset}, at)) for offset, at in [(5, 0), (5, 60_000)]]
        [[], ['samples/0']]
        >>> standstill.observe({"samples/0": 6}, 120_000)
        frozenset()
        """
        before = self._since
        self._since = {
            name: before[name] if name in before and before[name][0] == offset else (offset, now_ms)
            for name, offset in waiting.items()
        }
        limit_ms = now_ms - 1000 * UNREAD_SECONDS
        return frozenset(name for name in waiting if self._since[name][1] <= limit_ms)


def _held(kind: Type, cause: Cause, seconds: float, now_ms: int) -> Condition:
    holds = seconds >= cause.after_seconds
    wait = 0 if kind is Type.BROKER_AWAY else UNREADY_SECONDS
    unready = holds and cause.unready and seconds >= cause.after_seconds + wait
    reason, message = (cause.reason, cause.message) if holds else ("", "")
    return Condition(kind, holds, reason, message, now_ms, unready)


def _broker_away(facts: Facts) -> Cause | None:
    if not facts.broker_away:
        return None
    return Cause("CallsFail", "calls to the broker fail; the log says which", unready=True)


def _partition_stopped(facts: Facts) -> Cause | None:
    if not facts.stopped:
        return None
    said = "; ".join(f"{name}: {why}" for name, why in sorted(facts.stopped.items()))
    return Cause("BadRecords", said, unready=True)


def _partition_unread(facts: Facts) -> Cause | None:
    if not facts.unread:
        return None
    message = (
        f"records wait in {', '.join(sorted(facts.unread))}, and nobody reads them: see whether all replicas "
        "run, and restart the one that holds the partition"
    )
    return Cause("NoMovement", message, unready=bool(facts.unread_here))


def _labels_refused(facts: Facts) -> Cause | None:
    for reason, lost, here, what in (
        ("ModelRefuses", facts.refused, facts.refused_here, "the model refused"),
        ("Unusable", facts.unusable, facts.unusable.recent, "this replica could not use"),
    ):
        recent = lost.recent
        if recent.number >= FEW and recent.share > MANY:
            message = f"{what} {recent.number} of the last {recent.total} labels; the last one: {lost.why}"
            return Cause(reason, message, unready=here.total >= SOME and here.share >= NEARLY_ALL)
    return None


def _no_opinion(facts: Facts) -> Cause | None:
    recent, refused = facts.without_opinion.recent, facts.refused.recent
    if recent.total >= SOME and recent.share > MOST:
        message = (
            f"the model has no opinion about {recent.number} of the last {recent.total} samples; "
            f"{facts.without_opinion.why or 'it gives no probabilities for them'}"
        )
        return Cause("ModelFails", message, unready=recent.share >= NEARLY_ALL)
    if facts.learned == 0 and refused.total >= SOME:
        message = f"{refused.total} labels came, and the model has learned none of them: {facts.refused.why}"
        return Cause("NothingLearned", message)
    return None


def _model_behind(facts: Facts) -> Cause | None:
    if facts.model_lag <= BEHIND_EXAMPLES:
        return None
    message = (
        f"the model has not read the last {facts.model_lag} examples, so this replica decides with an old one"
    )
    return Cause("ExamplesUnread", message, after_seconds=BEHIND_SECONDS)


def _class_missed(facts: Facts) -> Cause | None:
    return Cause("RareClass", facts.missed) if facts.missed else None


def _annotator_contradicts(facts: Facts) -> Cause | None:
    if not facts.contradicting:
        return None
    message = (
        f"{listed(facts.contradicting, FEW)} agree with the other annotators much less than "
        "these agree among themselves: see `GET /v1/quality`, and talk about the guidelines"
    )
    return Cause("SecondLabelsDisagree", message)


def _paused(facts: Facts) -> Cause | None:
    if not facts.paused:
        return None
    return Cause("ByOperator", "an operator has paused selection; `POST /v1/resume` ends it")


_RULES = {
    Type.BROKER_AWAY: _broker_away,
    Type.PARTITION_STOPPED: _partition_stopped,
    Type.PARTITION_UNREAD: _partition_unread,
    Type.LABELS_REFUSED: _labels_refused,
    Type.NO_OPINION: _no_opinion,
    Type.MODEL_BEHIND: _model_behind,
    Type.CLASS_MISSED: _class_missed,
    Type.ANNOTATOR_CONTRADICTS: _annotator_contradicts,
    Type.PAUSED: _paused,
}
