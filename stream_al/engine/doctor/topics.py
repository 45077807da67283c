"""The topics: what they are like, against what the service needs, and how far its groups have come.

A topic that the service created is right. One that existed before, or that a broker created by itself with
its defaults, may lose what was paid for: seven days of retention delete the examples, from which the model is
learned.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stream_al.engine.doctor.findings import Finding, error, note, warning

__all__ = [
    "BROKER_TIME",
    "GroupState",
    "Needed",
    "TopicState",
    "clock_findings",
    "existence_findings",
    "group_findings",
    "topic_findings",
]

BEHIND_MS = 5_000  # clocks may differ by this without a word
BROKER_TIME = "LogAppendTime"


@dataclass(frozen=True, slots=True)
class Needed:
    """A topic as the service would create it.

    Attributes:
        name: Its name.
        role: Which of the topics of the settings it is, such as `queries`.
        partitions: How many partitions it would get.
        config: Its configuration.
        minimum_ms: How long its records must be kept.
    """

    name: str
    role: str
    partitions: int
    config: Mapping[str, str]
    minimum_ms: int = 0


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic as it is.

    Attributes:
        name: Its name.
        partitions: How many partitions it has; 0 if it does not exist.
        config: Its configuration; empty if it cannot be read.
        problem: Why it cannot be described or read, if so.
    """

    name: str
    partitions: int = 0
    config: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""

    def describe(self) -> dict[str, Any]:
        """What is known of it, ready for JSON."""
        shown = (
            "cleanup.policy",
            "retention.ms",
            "retention.bytes",
            "compression.type",
            "message.timestamp.type",
        )
        return {
            "name": self.name,
            "exists": self.partitions > 0,
            "partitions": self.partitions,
            "config": {name: self.config[name] for name in shown if name in self.config},
            "problem": self.problem or None,
        }


@dataclass(frozen=True, slots=True)
class GroupState:
    """How far a consumer group has come on a topic.

    Attributes:
        name: The group.
        topic: The topic.
        committed: The next offset to read of each partition that has a commit.
        begin: The first offset of each partition.
        end: One past the last offset of each partition.
        problem: Why it cannot be read, if so.
    """

    name: str
    topic: str
    committed: Mapping[int, int] = field(default_factory=dict)
    begin: Mapping[int, int] = field(default_factory=dict)
    end: Mapping[int, int] = field(default_factory=dict)
    problem: str = ""

    @property
    def lag(self) -> int:
        """How many records it has not read, of the partitions that have a commit."""
        return sum(max(0, self.end.get(number, at) - at) for number, at in self.committed.items())

    def describe(self) -> dict[str, Any]:
        """What is known of it, ready for JSON."""
        return {
            "group": self.name,
            "topic": self.topic,
            "began": bool(self.committed),
            "lag": self.lag if self.committed else None,
            "problem": self.problem or None,
        }


def existence_findings(needed: Sequence[Needed], states: Mapping[str, TopicState]) -> Iterator[Finding]:
    """Which topics do not exist, or cannot be described; one finding for all of the same fault.

    >>> needed = [Needed("a", "samples", 1, {}), Needed("b", "labels", 1, {})]
    >>> [one.text.partition(":")[0] for one in existence_findings(needed, {"a": TopicState("a", 1)})]
    ['topics that do not exist']
    """
    found = [states.get(one.name, TopicState(one.name)) for one in needed]
    if missing := [one.name for one in found if not one.partitions and not one.problem]:
        yield error(
            "topics",
            f"topics that do not exist: {', '.join(missing)}; run `stream-al topics create`, or correct the "
            "names under topics",
        )
    for problem in dict.fromkeys(one.problem for one in found if one.problem):
        names = [one.name for one in found if one.problem == problem]
        yield error("topics", f"topics that cannot be used: {', '.join(names)}; {problem}")


def clock_findings(newest_ms: int, now_ms: int) -> Iterator[Finding]:
    """Whether the clock of this machine is behind that of the brokers.

    Args:
        newest_ms: The newest timestamp that a broker has given to a record; 0 if there is none.
        now_ms: The time by the clock of this machine.
    """
    if newest_ms > now_ms + BEHIND_MS:
        yield warning(
            "broker",
            f"the clock of this machine is at least {(newest_ms - now_ms) / 1000:.0f} s behind that of the "
            "brokers: correct one of them, for example with NTP",
        )


def topic_findings(needed: Needed, found: TopicState) -> Iterator[Finding]:
    """What is wrong with a topic that exists.

    >>> needed = Needed("examples", "examples", 1, {"cleanup.policy": "delete", "retention.ms": "-1"})
    >>> found = TopicState("examples", 1, {"cleanup.policy": "delete", "retention.ms": "604800000"})
    >>> [one.text.partition(":")[0] for one in topic_findings(needed, found)]
    ['the topic examples deletes its records after 168 hours']
    """
    name = f"the topic {found.name}"
    if not found.partitions:
        return
    if needed.role in ("examples", "control", "leases") and found.partitions != 1:
        yield error(
            "topics",
            f"{name} has {found.partitions} partitions and needs exactly 1, since its records have one "
            "order: "
            "create it anew",
        )
    if found.config:
        yield from _policy(name, needed, found.config)
        yield from _retention(name, needed, found.config)
        yield from _sizes(name, needed, found.config)
    else:
        yield note("topics", f"the configuration of {name} cannot be read, so its retention is not checked")


def _policy(name: str, needed: Needed, config: Mapping[str, str]) -> Iterator[Finding]:
    wanted, policy = needed.config.get("cleanup.policy"), config.get("cleanup.policy", "")
    if wanted is None or set(wanted.split(",")) == set(policy.split(",")):
        return
    if "compact" in policy and "compact" not in wanted:
        yield error(
            "topics",
            f"{name} is compacted, so labels that were paid for are deleted: set its cleanup.policy to "
            f"{wanted}",
        )
    elif "delete" in policy and "delete" not in wanted:
        yield error(
            "topics",
            f"{name} deletes old records, so changes are forgotten: set its cleanup.policy to {wanted}",
        )
    else:
        yield warning(
            "topics",
            f"{name} has the cleanup.policy {policy}, so it grows, or keeps closed queries, for longer than "
            f"needed: set it to {wanted}",
        )


def _retention(name: str, needed: Needed, config: Mapping[str, str]) -> Iterator[Finding]:
    if "delete" not in config.get("cleanup.policy", "delete"):
        return
    kept = _number(config.get("retention.ms"))
    if needed.config.get("retention.ms") == "-1" and kept is not None and kept >= 0:
        yield error(
            "topics",
            f"{name} deletes its records after {kept / 3_600_000:.0f} hours: set its retention.ms to -1, or "
            "what "
            "was paid for is lost",
        )
    elif kept is not None and 0 <= kept < needed.minimum_ms:
        yield error(
            "topics",
            f"{name} deletes its records after {kept / 3_600_000:.0f} hours, and a query lives "
            f"{needed.minimum_ms / 3_600_000:.0f} hours: raise its retention.ms, or lower queries.life_hours",
        )
    size = _number(config.get("retention.bytes"))
    if needed.config.get("retention.bytes") == "-1" and size is not None and size >= 0:
        yield error(
            "topics", f"{name} keeps {size} bytes only: set its retention.bytes to -1, or labels are lost"
        )


def _sizes(name: str, needed: Needed, config: Mapping[str, str]) -> Iterator[Finding]:
    wanted, largest = (_number(one.get("max.message.bytes")) for one in (needed.config, config))
    if wanted is not None and largest is not None and largest < wanted:
        yield warning(
            "topics",
            f"{name} takes records of {largest} bytes, and a query or example may have {wanted}: raise its "
            "max.message.bytes, or lower input.max_bytes",
        )
    stamp = config.get("message.timestamp.type")
    if needed.role in ("queries", "labels", "examples", "leases") and stamp == "CreateTime":
        yield warning(
            "topics",
            f"{name} keeps the senders' timestamps, so a wrong clock lets queries expire early or late: set "
            "its "
            "message.timestamp.type to LogAppendTime",
        )


def group_findings(found: GroupState) -> Iterator[Finding]:
    """What is wrong with the offsets of one group."""
    if found.problem:
        yield warning("broker", f"the offsets of the group {found.name} cannot be read: {found.problem}")
        return
    for number, at in sorted(found.committed.items()):
        if at < found.begin.get(number, at):
            lost = found.begin[number] - at
            yield error(
                "topics",
                f"{found.topic}-{number} has deleted {lost} records that {found.name} had not read: the "
                "service "
                "does not start until `stream-al offsets reset --to earliest` says where to go on",
            )
        elif at > found.end.get(number, at):
            yield error(
                "topics",
                f"{found.topic}-{number} ends before the offset of {found.name}, so it was created anew: run "
                "`stream-al offsets reset --to earliest`",
            )


def _number(text: str | None) -> int | None:
    try:
        return int(text) if text is not None else None
    except ValueError:
        return None
