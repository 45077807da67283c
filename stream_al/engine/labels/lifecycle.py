"""The life of a query, as a table.

A sample that is selected becomes a query once the log has it, waits as pending, and ends as labelled,
skipped or expired. What an event means depends on nothing but the stage a query is in, so the whole
life is the table below; the diagram in the README is drawn from it.

Rules that the table holds:

- The first label in the log wins. The same label again changes nothing; another label is a conflict,
  which is recorded and never un-learned (a River model cannot forget one example).
- A closed query stays closed: an answer after a skip or after expiry is counted and not learned.
- Every writer may repeat itself: an event that comes twice changes nothing the second time.

*Expiry is a matter of log time.* A query's deadline is the timestamp that the log gave it plus its
life; time passes as the log's timestamps pass. No local clock has a say, so replicas agree and a
replay agrees with them.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ["LIFE", "Event", "Stage", "diagram", "expires", "follow"]


class Stage(StrEnum):
    """Where a query is in its life."""

    SELECTED = "selected"
    PENDING = "pending"
    LABELLED = "labelled"
    CONFLICTED = "conflicted"
    SKIPPED = "skipped"
    EXPIRED = "expired"


class Event(StrEnum):
    """What can happen to it."""

    QUERIED = "queried"
    LABEL = "label"
    SAME_LABEL = "same label"
    OTHER_LABEL = "other label"
    SKIP = "skip"
    DEADLINE = "deadline"


LIFE: dict[tuple[Stage, Event], Stage] = {
    (Stage.SELECTED, Event.QUERIED): Stage.PENDING,
    (Stage.PENDING, Event.QUERIED): Stage.PENDING,
    (Stage.PENDING, Event.LABEL): Stage.LABELLED,
    (Stage.PENDING, Event.SKIP): Stage.SKIPPED,
    (Stage.PENDING, Event.DEADLINE): Stage.EXPIRED,
    (Stage.LABELLED, Event.SAME_LABEL): Stage.LABELLED,
    (Stage.LABELLED, Event.OTHER_LABEL): Stage.CONFLICTED,
    (Stage.CONFLICTED, Event.SAME_LABEL): Stage.CONFLICTED,
    (Stage.CONFLICTED, Event.OTHER_LABEL): Stage.CONFLICTED,
}
"""Stage and event to the next stage. What is not in the table changes nothing."""


def follow(stage: Stage, event: Event) -> Stage:
    """The stage after an event.

    >>> follow(Stage.PENDING, Event.LABEL)
    <Stage.LABELLED: 'labelled'>
    >>> follow(Stage.EXPIRED, Event.LABEL)
    <Stage.EXPIRED: 'expired'>
    """
    return LIFE.get((stage, event), stage)


def expires(queried_ms: int, life_ms: int, now_ms: int) -> bool:
    """Whether a query's life is over.

    Args:
        queried_ms: The timestamp that the log gave the query, in milliseconds.
        life_ms: How long it may wait, in milliseconds.
        now_ms: Log time: the timestamp of the record that is being looked at.
    """
    return now_ms > queried_ms + life_ms


def diagram() -> str:
    """The table as a Mermaid state diagram, for the README.

    Steps that change nothing are left out.
    """
    lines = ["stateDiagram-v2", f"    [*] --> {Stage.SELECTED}"]
    lines += [
        f"    {before} --> {after}: {event}" for (before, event), after in LIFE.items() if before != after
    ]
    moving = {before for (before, _), after in LIFE.items() if before != after}
    lines += [f"    {stage} --> [*]" for stage in Stage if stage not in moving or stage is Stage.LABELLED]
    return "\n".join(lines)
