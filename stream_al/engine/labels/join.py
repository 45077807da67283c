"""The joiner: what a label on the topic means.

A label arrives with the id of its query. Whether it becomes an example depends on three things only: the
query under that id, the label that is known of the id, and log time. So every replica and every replay joins
it alike. The rules themselves are those of `lifecycle`, `judge` and `expiry`; here they meet the messages.

A label that says which version of a sample it is for meets the query and the known label of that version
only, and no label is joined where two queries have had one id (`stream_al.identity`).

The label of a second query becomes an example too, whether it agrees with the first label or not. It must
come from an annotator who has not labelled the sample yet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import msgspec

from stream_al.engine.labels.expiry import expires
from stream_al.engine.labels.judge import judge
from stream_al.engine.labels.lifecycle import Event, Stage, follow
from stream_al.errors import BadMessage
from stream_al.identity import own_id, version_of
from stream_al.messages import ClassLabel, Example, Label, Query, iso

__all__ = ["Joined", "Known", "Outcome", "Pending", "addressed", "join"]


class Outcome(StrEnum):
    """What a label turned out to be."""

    LABELLED = "labelled"
    SKIPPED = "skipped"
    EXPIRED = "expired"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    SECOND = "second"
    """It is the label of a second query: recorded, and not learned by itself."""
    UNSOLICITED = "unsolicited"
    """It has no query, yet it brought its own features. It is learned, and says nothing about the stream."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A pending query, with its time in the log.

    Attributes:
        query: The message.
        queried_ms: The timestamp that the log gave it, in milliseconds.
        life_ms: How long it may wait, in milliseconds.
        version: The version of its sample.
    """

    query: Query
    queried_ms: int
    life_ms: int
    version: str = ""


class Known(NamedTuple):
    """The first label of a sample, and the version of the sample."""

    label: ClassLabel
    version: str = ""


@dataclass(frozen=True, slots=True)
class Joined:
    """A label, joined.

    Attributes:
        outcome: What it is.
        example: What to append to the examples; None for nothing.
        closes: Whether its query is over and gets a tombstone. That includes a query that a crash published
            again after its label.
    """

    outcome: Outcome
    example: Example | None = None
    closes: bool = False


def addressed(label: Label, versions: Callable[[str], str | None]) -> tuple[Label, str | None]:
    """The label under the id of its sample's query, and the version of the sample, if the label says it.

    Args:
        label: The label; its `version` says the version, and so do its features.
        versions: Returns the version of the sample that an id names; None if it names none.

    >>> names = {"row": "v1", "row#v2": "v2"}
    >>> [addressed(Label("row", 1, version=version), names.get)[0].id for version in (None, "v1", "v2")]
    ['row', 'row', 'row#v2']
    """
    brought = version_of(label.features) if label.features else None
    sample_id, version = label.id, None
    for version in filter(None, (label.version, brought)):
        sample_id = own_id(label.id, version, versions)
        if versions(sample_id) == version:
            break
    return label if sample_id == label.id else msgspec.structs.replace(label, id=sample_id), version


def join(
    label: Label,
    *,
    at_ms: int,
    pending: Pending | None,
    known: Known | None,
    version: str | None = None,
    shared: bool = False,
) -> Joined:
    """Join a label with its query.

    Args:
        label: The label.
        at_ms: The timestamp that the log gave it, in milliseconds.
        pending: The pending query under its id; None if there is none.
        known: The first label known of the id; None if there is none.
        version: The version of the sample that the label is for; None if the label does not say.
        shared: Whether two queries for different samples have had its id at once.

    Raises:
        BadMessage: `unknown_id`: the id has no pending query and no known label, and the label brought no
            features; `unknown_version`: the same of the version that the label brought; `ambiguous_id`: the
            label may be for either of two samples; `same_annotator`: a second label comes from an annotator
            who has labelled the sample already.
    """
    if version is not None:
        pending = pending if pending is not None and pending.version == version else None
        known = known if known is not None and known.version == version else None
    elif shared:
        raise BadMessage(
            "ambiguous_id",
            f"two queries had the id {label.id[:100]!r} at once, so the label may be for either: let labels "
            "bring back the `version` of their query",
        )
    if pending is not None:
        return _with_query(label, at_ms, pending)
    if known is not None:
        return _with_known_label(label, known)
    if label.features and not label.skipped:
        return Joined(Outcome.UNSOLICITED, _example(label, at_ms, label.features, reason="unsolicited"))
    if label.version is not None:
        raise BadMessage(
            "unknown_version",
            f"no query of this version waits for {label.id[:100]!r}: it is long over, or wrong",
        )
    raise BadMessage(
        "unknown_id", f"no query waits for {label.id[:100]!r}: it was never asked or is long over"
    )


def _with_query(label: Label, at_ms: int, pending: Pending) -> Joined:
    late = expires(pending.queried_ms, pending.life_ms, at_ms)
    event = Event.DEADLINE if late else Event.SKIP if label.skipped else Event.LABEL
    stage = follow(Stage.PENDING, event)
    if stage is Stage.EXPIRED:
        return Joined(Outcome.EXPIRED, closes=True)
    if stage is Stage.SKIPPED:
        return Joined(Outcome.SKIPPED, closes=True)
    query = pending.query
    if query.second_of is not None:
        return Joined(Outcome.SECOND, _second_label(label, at_ms, query, pending.version), closes=True)
    example = _example(label, at_ms, query.features, reason=query.reason, query=query)
    return Joined(Outcome.LABELLED, example, closes=True)


def _second_label(label: Label, at_ms: int, query: Query, version: str) -> Example:
    """The record of a second label; its features are those of the first example."""
    who = label.annotator if label.annotator is not None else label.via
    if who is not None and who in query.labelled_by:
        raise BadMessage(
            "same_annotator",
            f"{who[:100]!r} has labelled this sample already, and {label.id[:100]!r} asks for the label of "
            "another annotator: leave it to somebody else, or give each person a name in `annotator`",
        )
    example = _example(label, at_ms, {}, reason=query.reason, query=query)
    return msgspec.structs.replace(
        example,
        features=None,
        version=version or None,
        second_of=query.second_of,
        labelled_by=query.labelled_by,
    )


def _with_known_label(label: Label, known: Known) -> Joined:
    # A skip of a sample that has a label changes nothing either.
    if label.skipped or label.label is None or judge(known.label, label.label) is Event.SAME_LABEL:
        return Joined(Outcome.DUPLICATE, closes=True)
    # Without features it is a record of the conflict that no model learns.
    record = Example(
        id=label.id,
        label=label.label,
        annotator=label.annotator,
        labelled_at=label.labelled_at,
        via=label.via,
        version=known.version or None,
        guess_shown=label.guess_shown,
        comment=label.comment,
        flagged=label.flagged,
    )
    return Joined(Outcome.CONFLICT, record, closes=True)


def _example(
    label: Label, at_ms: int, features: dict[str, object], *, reason: str, query: Query | None = None
) -> Example:
    assert label.label is not None  # noqa: S101 - the callers have told labels from skips
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
        model=query.model if query else None,
        via=label.via,
        guess_shown=label.guess_shown,
        comment=label.comment,
        flagged=label.flagged,
    )
