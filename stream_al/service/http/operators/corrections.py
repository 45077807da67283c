"""The route that corrects a label.

A correction is appended to the examples by the replica that gets the request. It goes there directly, and not
by way of the labels: whoever may write to the topic of the labels could otherwise correct every label. Before
that the replica reads what is in the log by now, so that it judges by the label that counts. If another
correction comes in between, the last one in the log wins, as everywhere.
"""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import FastAPI, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from stream_al.engine.labels.corrections import Author, Given, NotCorrected, check_rights, correction
from stream_al.engine.labels.join import addressed
from stream_al.errors import Unavailable
from stream_al.messages import Example, Label, decode, encode, iso
from stream_al.service.app import App
from stream_al.service.broker.protocols import Outgoing
from stream_al.service.broker.readers import next_record, started
from stream_al.service.engine_settings import allowed_classes
from stream_al.service.http.access.guard import add_to_audit, caller_name, caller_role
from stream_al.service.http.access.roles import Role
from stream_al.service.http.schemas import problems
from stream_al.service.loops.taken_ids import TakenIds
from stream_al.service.model.replay import PARTITION
from stream_al.service.timing.deadline import Deadline

__all__ = ["correction_routes"]

STOP_SECONDS = 1.0
NOTES = {
    "corrected": "The right label counts from now on. All replicas build their models anew as if it had been "
    "given at once; `rebuilding` in the status says whether this one is still at it. The log keeps both "
    "labels.",
    "replaced": "The second label is replaced. No model learns second labels, so none is built anew; what "
    "annotators agree on is weighed anew.",
    "duplicate": "This label counts already. Nothing was written.",
}


class Correction(BaseModel):
    """The right label of a sample that has another one."""

    model_config = ConfigDict(extra="forbid")

    id: Any = Field(description="The id of the query.", json_schema_extra={"type": ["string", "integer"]})
    label: Any = Field(
        description="The right class.", json_schema_extra={"type": ["string", "number", "boolean"]}
    )
    annotator: str | None = Field(default=None, description="Who decides.")
    version: str | None = Field(default=None, description="The `version` of the query.")


class AcceptedCorrection(BaseModel):
    """What has become of a correction."""

    accepted: int = Field(description="1 if the broker has confirmed it, 0 if there was nothing to correct.")
    id: str
    label: Any = Field(description="The label that counts now.")
    former_label: Any = Field(description="The label that counted before.")
    expected: str = Field(description="corrected, replaced or duplicate.")
    note: str = Field(description="What this word means.")


def correction_routes(web: FastAPI, app: App) -> None:
    """Add the route."""

    @web.post(
        "/v1/corrections",
        tags=["labelling"],
        status_code=202,
        response_model=AcceptedCorrection,
        responses=problems(408, 413, 422, 503),
    )
    async def post_corrections(request: Request, wanted: Correction) -> dict[str, Any]:
        """Correct the label of a sample: `{"id": ..., "label": ...}`.

        The role admin may correct every label. The role label may correct a label that came with its own
        token, for `labels.correct_minutes`.
        """
        given = {**wanted.model_dump(exclude_unset=True), "via": caller_name(request)}
        label = decode(Label, encode(given), max_bytes=app.settings.input.max_bytes)
        assert label.label is not None  # noqa: S101 - `decode` refuses a label without a class
        right = allowed_classes(app.settings).named_by(label.label)
        seconds = app.settings.limits.deadline_seconds
        try:
            async with asyncio.timeout(seconds):
                await app.control.catch_up()
                await app.local_model.catch_up()
        except TimeoutError:
            raise Unavailable(
                f"this replica has not learned all examples within {seconds:g} s: try again"
            ) from None
        sample_id = addressed(label, TakenIds(app.local_model, app.pending).version)[0].id
        ledger = app.local_model.learner.ledger
        made = correction(
            ledger,
            sample_id,
            right,
            Author(label.annotator, label.via),
            pending=app.pending.get(sample_id) is not None,
            labelled_at=iso(app.clock.wall_ms()),
        )
        former = ledger.known[sample_id]
        await _check(app, request, sample_id)
        if made is not None:
            out = Outgoing(app.settings.topics.examples, sample_id.encode(), encode(made))
            await app.broker.send([out])
        word = "duplicate" if made is None else "corrected" if made.second_of is None else "replaced"
        add_to_audit(request, accepted=int(made is not None), sample=sample_id)
        found = {"accepted": int(made is not None), "id": sample_id, "label": right, "former_label": former}
        return {**found, "expected": word, "note": NOTES[word]}


async def _check(app: App, request: Request, sample_id: str) -> None:
    """Refuse who may not correct this label (403), and what this replica could not follow (422)."""
    ledger = app.local_model.learner.ledger
    first, decided_at = ledger.known.offset(sample_id), ledger.decided_at(sample_id)
    if caller_role(request) < Role.ADMIN:
        try:
            check_rights(
                Given(None, 0) if decided_at is None else await _given(app, decided_at),
                caller=caller_name(request),
                now_ms=app.pending.time.now_ms,
                minutes=app.settings.labels.correct_minutes,
            )
        except NotCorrected as error:
            raise HTTPException(403, str(error)) from None
    if first is not None:  # else no model has learned it
        await app.local_model.check_correction(first)


async def _given(app: App, offset: int) -> Given:
    """The label at an offset of the examples, as the log has it."""
    reader = app.broker.reader(app.settings.topics.examples)
    async with started(reader):
        if offset < (await reader.beginning_offsets())[PARTITION]:
            return Given(None, 0)  # the topic no longer says whose it was
        await reader.seek(PARTITION, offset)
        deadline = Deadline(app.settings.limits.deadline_seconds, app.clock)
        record = await next_record(reader, deadline, f"the example {offset}")
        example = decode(Example, record.value, max_bytes=app.settings.input.max_message_bytes)
        return Given(example.via if record.offset == offset else None, record.timestamp_ms)
