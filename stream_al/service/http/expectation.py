"""What will become of posted labels, as far as this process knows when they are posted.

It is the judgement of `engine.labels.join` on what is known here now. The service judges again when it reads
the label from the topic: another label may have come before it, its query may be expired by then, and a query
that is not known here yet is looked for first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.exceptions import HTTPException

from stream_al.engine.labels.join import Outcome, addressed, join
from stream_al.errors import BadMessage
from stream_al.messages import Label
from stream_al.service.app import App
from stream_al.service.loops.taken_ids import TakenIds
from stream_al.service.timing.time_slices import TimeSlices

__all__ = ["expectations", "refuse_unsolicited"]

UNKNOWN = "unknown"
OTHER_VERSION = "other_version"
REFUSED = "refused"

NOTES = {
    Outcome.LABELLED: "The query of this id is pending. The model will learn the label.",
    Outcome.SKIPPED: "The query of this id is pending. It will be closed without a label.",
    Outcome.EXPIRED: "The query of this id has expired. The label will be counted and not learned.",
    Outcome.DUPLICATE: "This id has this label already. Nothing will change.",
    Outcome.CONFLICT: "This id has another label already, and the first one counts. This one will be "
    "recorded and not learned.",
    Outcome.SECOND: "The query of this id asks another annotator about a sample that has a label. The label "
    "will be recorded and not learned.",
    REFUSED: "This annotator has labelled the sample already, and the query asks for the label of another "
    "one. The label becomes a dead letter (`same_annotator`), and the query stays pending.",
    Outcome.UNSOLICITED: "No query of this id with these features is known here. The model will learn the "
    "label with the features that it brings. It says nothing about the accuracy.",
    UNKNOWN: "No query of this id is known here. One will be looked for in the topic of the queries. If "
    "there is none, the label becomes a dead letter (`unknown_id`, or `unknown_version` if it says a "
    "version), because it brings no features.",
    OTHER_VERSION: "A query of this id is known here, and the label says another `version`. A query of that "
    "version will be looked for in the topic of the queries. If there is none, the label becomes a dead "
    "letter (`unknown_version`): send back the `version` that stands in the query.",
}


async def expectations(app: App, labels: Sequence[Label]) -> dict[str, Any]:
    """For each label what is expected to become of it, and what each of these words means."""
    taken = TakenIds(app.local_model, app.pending)
    expected = [
        {"id": label.id, "expected": _expected(app, label, taken)}
        async for label in TimeSlices(app.clock).one_by_one(labels)
    ]
    words = {one["expected"] for one in expected}
    return {"labels": expected, "notes": {str(word): text for word, text in NOTES.items() if word in words}}


def refuse_unsolicited(expected: dict[str, Any]) -> None:
    """Refuse a request that has labels without a query. Raises HTTPException (403)."""
    for one in expected["labels"]:
        if one["expected"] == Outcome.UNSOLICITED:
            raise HTTPException(
                403,
                f"no query of the id {one['id'][:100]!r} with these features is known here: send "
                "the label without features, use a token with the role admin, or set labels.unsolicited=true",
            )


def _expected(app: App, label: Label, taken: TakenIds) -> str:
    """The outcome after the labels before it in the same request, which are noted in `taken`."""
    asked, (label, version) = label.id, addressed(label, taken.version)
    pending = None if label.id in taken.batch else app.pending.get(label.id)
    known = taken.known(label.id)
    try:
        joined = join(label, at_ms=app.pending.time.now_ms, pending=pending, known=known, version=version)
    except BadMessage as error:
        if error.reason == "unknown_version" and taken.version(asked) is not None:
            return OTHER_VERSION
        return REFUSED if error.reason == "same_annotator" else UNKNOWN
    if joined.example is not None:
        taken.note(joined.example)
    return joined.outcome.value
