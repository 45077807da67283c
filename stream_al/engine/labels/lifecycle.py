"""The life of a query, as a table.

A selected sample becomes a query once the log holds it. The query waits as pending and ends as labelled,
skipped or expired. What an event means depends only on the stage of the query, so its whole life is the
table `LIFE`. The diagram in the documents is drawn from it.

Rules that the table holds:

- The first label in the log wins (`engine.labels.judge`). The same label again changes nothing. Another
  label is a conflict, which is recorded and changes nothing. A correction (`engine.labels.corrections`) is no
  event of a query.
- A closed query stays closed. A label after a skip or after expiry is counted and not learned.
- Every writer may repeat itself. An event that comes twice changes nothing the second time.

When a query expires is the rule of `engine.labels.expiry`.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ["LIFE", "Event", "Stage", "diagram", "follow"]


class Stage(StrEnum):
    """The stages of a query."""

    SELECTED = "selected"
    PENDING = "pending"
    LABELLED = "labelled"
    CONFLICTED = "conflicted"
    SKIPPED = "skipped"
    EXPIRED = "expired"


class Event(StrEnum):
    """What can happen to a query."""

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
"""Stage and event to the next stage. An event that is not in the table changes nothing."""


def follow(stage: Stage, event: Event) -> Stage:
    """The stage after an event.

    >>> follow(Stage.PENDING, Event.LABEL)
    <Stage.LABELLED: 'labelled'>
    >>> follow(Stage.EXPIRED, Event.LABEL)
    <Stage.EXPIRED: 'expired'>
    """
    return LIFE.get((stage, event), stage)


def diagram() -> str:
    """The table as a Mermaid state diagram, for the documents.

    Steps that change nothing are left out.
    """
    lines = ["stateDiagram-v2", f"    [*] --> {Stage.SELECTED}"]
    lines += [
        f"    {before} --> {after}: {event}" for (before, event), after in LIFE.items() if before != after
    ]
    moving = {before for (before, _), after in LIFE.items() if before != after}
    lines += [f"    {stage} --> [*]" for stage in Stage if stage not in moving or stage is Stage.LABELLED]
    return "\n".join(lines)
