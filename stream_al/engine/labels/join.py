"""The joiner: what does an answer mean?

An answer arrives with an id and a label. Whether it becomes an example depends on the query that it
answers, on what has been learned of the id before, and on the log's time: nothing else, so every
replica and every replay judges it alike. The table of a query's life (`engine.labels.lifecycle`) has the
rules; here they meet the messages.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from stream_al.engine.labels.lifecycle import Event, Stage, expires, follow
from stream_al.engine.model.model import same_label
from stream_al.errors import BadMessage
from stream_al.messages import ClassLabel, Example, Label, Query, iso

__all__ = ["Joined", "Outcome", "Pending", "join"]


class Outcome(StrEnum):
    """What an answer turned out to be."""

    LABELLED = "labelled"
    SKIPPED = "skipped"
    EXPIRED = "expired"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    UNSOLICITED = "unsolicited"
    """Nobody asked, yet it brought its own features: learned, though it proves nothing of the stream."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A query that waits, with the log's view of its time.

    Attributes:
        query: The message.
        queried_ms: The timestamp that the log gave it.
        life_ms: How long it may wait.
    """

    query: Query
    queried_ms: int
    life_ms: int


@dataclass(frozen=True, slots=True)
class Joined:
    """The verdict on an answer.

    Attributes:
        outcome: What it is.
        example: What to append to the examples, if anything.
        closes: Whether its query is over and gets a tombstone; also a query that a crash repeated after
            its answer.
    """

    outcome: Outcome
    example: Example | None = None
    closes: bool = False


def join(label: Label, *, at_ms: int, pending: Pending | None, known: ClassLabel | None) -> Joined:
    """Judge an answer.

    Args:
        label: The answer.
        at_ms: The timestamp that the log gave it.
        pending: The query it answers, if one waits.
        known: The label learned for the id before, if one was.

    Raises:
        BadMessage: `unknown_id`: no query waits, none is remembered, and the answer brought no features.
    """
    if pending is not None:
        return _label(label, at_ms, pending)
    if known is not None:
        if label.skipped or label.label is None or same_label(known, label.label):
            return Joined(Outcome.DUPLICATE, closes=True)  # a skip of what is labelled changes nothing either
        record = Example(
            id=label.id, label=label.label, annotator=label.annotator, labelled_at=label.labelled_at
        )
        return Joined(Outcome.CONFLICT, record, closes=True)
    if label.features and not label.skipped:
        return Joined(Outcome.UNSOLICITED, _example(label, at_ms, label.features, reason="unsolicited"))
    raise BadMessage(
        "unknown_id", f"no query waits for {label.id[:100]!r}: it was never asked or is long over"
    )


def _label(label: Label, at_ms: int, pending: Pending) -> Joined:
    late = expires(pending.queried_ms, pending.life_ms, at_ms)
    event = Event.DEADLINE if late else Event.SKIP if label.skipped else Event.LABEL
    stage = follow(Stage.PENDING, event)
    if stage is Stage.EXPIRED:
        return Joined(Outcome.EXPIRED, closes=True)
    if stage is Stage.SKIPPED:
        return Joined(Outcome.SKIPPED, closes=True)
    query = pending.query
    example = _example(label, at_ms, query.features, reason=query.reason, query=query)
    return Joined(Outcome.LABELLED, example, closes=True)


def _example(
    label: Label, at_ms: int, features: dict[str, object], *, reason: str, query: Query | None = None
) -> Example:
    assert label.label is not None  # noqa: S101 - the callers have told answers from skips
    return Example(
        id=label.id,
        label=label.label,
        features=features,
        annotator=label.annotator,
        propensity=query.propensity if query else None,
        reason=reason,
        prediction=query.prediction if query else None,
        queried_at=query.queried_at if query else None,
        labelled_at=label.labelled_at or iso(at_ms),
    )
