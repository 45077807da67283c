"""Correct a label from the command line: append a correction to the examples.

Whoever may write to the topic of the examples is an operator, so no rights are checked. The examples are read
once, without learning, for the label that counts.
"""

from __future__ import annotations

from typing import NamedTuple

from stream_al.engine.labels.corrections import Author, correction
from stream_al.engine.labels.judge import KnownLabels
from stream_al.engine.labels.ledger import Ledger
from stream_al.engine.labels.spelling import AllowedClasses
from stream_al.errors import BadMessage, Misconfigured
from stream_al.messages import ClassLabel, Example, decode, encode, iso
from stream_al.service.broker.protocols import Broker, Outgoing
from stream_al.service.engine_settings import allowed_classes
from stream_al.service.maintenance.topics import Progress, opened, opened_control, read_topic
from stream_al.service.timing.clock import SYSTEM_CLOCK
from stream_al.settings import Settings
from stream_al.settings.yaml_text import Plain, as_written

__all__ = ["CorrectedLabel", "correct_label"]


class CorrectedLabel(NamedTuple):
    """What has become of a correction.

    Attributes:
        former: The label that counted before.
        label: The label that counts now.
        written: Whether a correction was written; not if this label counted already.
    """

    former: ClassLabel
    label: ClassLabel
    written: bool


async def correct_label(
    settings: Settings,
    broker: Broker,
    sample_id: str,
    label: str,
    annotator: str | None,
    progress: Progress,
) -> CorrectedLabel:
    """Correct the label of a sample.

    Args:
        settings: The settings.
        broker: The broker.
        sample_id: The id of the sample's query.
        label: The right class, as it is written on a command line.
        annotator: Who decides.
        progress: Called with the examples read and the number of all examples.

    Raises:
        Misconfigured: The label cannot be corrected; the error says why.
    """
    topics = settings.topics
    async with opened(broker, topics.examples, topics.control, topics.queries):
        ledger = await _ledger(settings, broker, progress)
        try:
            right = _class_of(label, allowed_classes(settings), ledger)
        except BadMessage as error:
            raise Misconfigured(str(error)) from None
        pending = sample_id not in ledger.known and await _is_pending(settings, broker, sample_id)
        author, now = Author(annotator), iso(SYSTEM_CLOCK.wall_ms())
        made = correction(ledger, sample_id, right, author, pending=pending, labelled_at=now)
        if made is not None:
            await broker.send([Outgoing(topics.examples, sample_id.encode(), encode(made))])
    return CorrectedLabel(ledger.known[sample_id], right, made is not None)


async def _ledger(settings: Settings, broker: Broker, progress: Progress) -> Ledger:
    """What all examples say of labels."""
    ledger, max_bytes = Ledger(KnownLabels(settings.labels.remember)), settings.input.max_message_bytes
    async with opened_control(settings, broker) as control:
        excluded = control.exclusions
    async for record in read_topic(broker, settings.topics.examples, progress):
        try:
            example = decode(Example, record.value, max_bytes=max_bytes)
        except BadMessage:
            continue
        if record.offset in excluded:
            ledger.pass_over(example)
        else:
            ledger.enter(example, record.offset)
    return ledger


def _class_of(text: str, allowed: AllowedClasses, ledger: Ledger) -> ClassLabel:
    """The class that a text names: an allowed one, else one that has labels, else a new one.

    Raises:
        BadMessage: It names none of the allowed classes.
    """
    if allowed:
        return allowed.named_by(text)
    seen = set(ledger.known.values())
    try:
        return AllowedClasses(list(seen)).named_by(text) if seen else text
    except BadMessage:
        new: ClassLabel = as_written(Plain(text))
        return new


async def _is_pending(settings: Settings, broker: Broker, sample_id: str) -> bool:
    """Whether the topic of the queries has an open query of an id."""
    key, pending = sample_id.encode(), False
    async for record in read_topic(broker, settings.topics.queries, lambda done, total: None):
        if record.key == key:
            pending = record.value is not None
    return pending
