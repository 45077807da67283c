"""Examples: the labelled dataset, written to a file and read from one.

What is exported is what the model has learned, no more and no less. So the export folds the examples as every
replica does, and writes an example if its outcome is `learned`. That leaves out duplicates, contradictions,
examples that an operator has excluded, examples that the model refused, and records that are no examples. It
costs the time of learning. Labels are those that count: a corrected one is the right one, whoever reads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from typing import IO, Any, NamedTuple

import msgspec

from stream_al.datasets.export import Export, Superseded
from stream_al.datasets.rows import Row
from stream_al.engine.labels.corrections import CONSENSUS
from stream_al.engine.labels.learner import Learner, Outcome
from stream_al.engine.labels.refusals import Refusal
from stream_al.errors import BadMessage
from stream_al.messages import ClassLabel, Example, decode, encode, iso
from stream_al.service.broker.protocols import Broker, Outgoing, Record
from stream_al.service.broker.readers import started
from stream_al.service.engine_settings import fresh_learner
from stream_al.service.maintenance.topics import (
    CHUNK,
    Progress,
    opened,
    opened_control,
    read_topic,
)
from stream_al.service.model.replay import PARTITION
from stream_al.service.model.scout import Scout
from stream_al.service.timing.clock import SYSTEM_CLOCK
from stream_al.service.timing.time_slices import TimeSlices
from stream_al.settings import Settings

__all__ = [
    "ImportOutcomes",
    "Imported",
    "export_examples",
    "import_labels",
    "import_outcomes",
    "known_labels",
]


async def export_examples(
    settings: Settings, broker: Broker, out: IO[Any], file_format: str, progress: Progress
) -> int:
    """Write the labelled dataset as `jsonl`, `csv` or `parquet`; return the number of rows.

    It holds the examples that the model has learned. The file takes text, or bytes for `parquet`.
    """
    with Export(out, file_format) as export:
        async with opened(broker, settings.topics.examples, settings.topics.control):
            async for folded in _learned(settings, broker, progress):
                export.add(folded.example, folded.superseded)
    return export.number


async def known_labels(settings: Settings, broker: Broker) -> dict[str, tuple[ClassLabel, int]]:
    """The labels that the model has learned, by sample id, each with its log time in milliseconds.

    If the model has learned an id again after it forgot it, the first label counts.
    """
    known: dict[str, tuple[ClassLabel, int]] = {}
    async with opened(broker, settings.topics.examples, settings.topics.control):
        async for folded in _learned(settings, broker, lambda done, total: None):
            known.setdefault(folded.example.id, (folded.example.label, folded.at_ms))
    return known


class _Folded(NamedTuple):
    """An example with the label that counts for it.

    Attributes:
        example: The example.
        offset: Its offset.
        at_ms: Its log time, in milliseconds.
        outcome: What became of it.
        refusal: Why it was refused.
        superseded: What its label was before, if it was corrected.
    """

    example: Example
    offset: int
    at_ms: int
    outcome: Outcome
    refusal: Refusal | None = None
    superseded: Superseded | None = None


async def _learned(settings: Settings, broker: Broker, progress: Progress) -> AsyncIterator[_Folded]:
    """The examples that the model learns."""
    async for folded in _folded(settings, broker, progress):
        if folded.outcome is Outcome.LEARNED:
            yield folded


async def _folded(settings: Settings, broker: Broker, progress: Progress) -> AsyncIterator[_Folded]:
    """All examples, folded as every replica folds them."""
    learner, max_bytes = fresh_learner(settings), settings.input.max_message_bytes
    async with opened_control(settings, broker) as control:
        learner.excluded = control.exclusions
    authors = await _learn_corrections(settings, broker, learner)
    async for record in read_topic(broker, settings.topics.examples, progress):
        try:
            example = decode(Example, record.value, max_bytes=max_bytes)
        except BadMessage:
            learner.skip(record.offset)
            continue
        outcome = learner.fold(example, record.offset)
        refusal = learner.refusals.last if outcome is Outcome.REFUSED else None
        superseded = None
        if author := authors.get(record.offset):
            superseded = Superseded(example.label, *author)
            right = learner.corrections.label(record.offset, example.label)
            example = msgspec.structs.replace(example, label=right)
        yield _Folded(example, record.offset, record.timestamp_ms, outcome, refusal, superseded)


async def _learn_corrections(
    settings: Settings, broker: Broker, learner: Learner
) -> dict[int, tuple[str | None, str]]:
    """Tell a learner all corrections; return who decided and when, by the offset of the corrected example."""
    authors: dict[int, tuple[str | None, str]] = {}

    def note(first: int, made: Example, record: Record) -> None:
        by = made.annotator or made.via or (made.reason if made.reason == CONSENSUS else None)
        authors[first] = by, iso(record.timestamp_ms)

    reader, max_bytes = broker.reader(settings.topics.examples), settings.input.max_message_bytes
    async with started(reader):
        begin, end = (await reader.beginning_offsets())[PARTITION], (await reader.end_offsets())[PARTITION]
        slices = TimeSlices(SYSTEM_CLOCK)
        scout = Scout(reader, PARTITION, learner.excluded, max_bytes, slices, lambda: None)
        learner.correct(await scout.corrections(learner.ledger, begin, end, note))
    return authors


@dataclass
class Imported:
    """The rows that were sent, as ranges of their offsets in the topic of the examples.

    >>> imported = Imported()
    >>> for offset in (5, 6, 9):
    ...     imported.add(offset)
    >>> imported.number, imported.ranges, 6 in imported, 7 in imported
    (3, [range(5, 7), range(9, 10)], True, False)
    """

    number: int = 0
    ranges: list[range] = field(default_factory=list)

    def add(self, offset: int) -> None:
        """Count a row that was sent."""
        self.number += 1
        if self.ranges and self.ranges[-1].stop == offset:
            self.ranges[-1] = range(self.ranges[-1].start, offset + 1)
        else:
            self.ranges.append(range(offset, offset + 1))

    def __contains__(self, offset: int) -> bool:
        return any(offset in sent for sent in self.ranges)


async def import_labels(
    settings: Settings, broker: Broker, rows: Iterable[Row], source: str, progress: Callable[[int], None]
) -> Imported:
    """Seed the model: append rows as examples with the reason `seed`; say where they are.

    A row keeps its id. Without one, its id is made of the name of the source and the number of the row. So
    the model learns each row once, even if an import is repeated, or started again after an interruption.
    """
    topic = settings.topics.examples
    imported = Imported()
    async with opened(broker, topic):
        chunk: list[Outgoing] = []

        async def send() -> None:
            for ack in await broker.send(chunk):
                imported.add(ack.offset)
            chunk.clear()
            progress(imported.number)

        for number, row in enumerate(rows, 1):
            sample_id = row.id or f"{source}-{number}"
            example = Example(
                id=sample_id,
                label=row.label,
                features=row.features,
                annotator=row.annotator,
                labelled_at=row.labelled_at,
                reason="seed",
            )
            chunk.append(Outgoing(topic, sample_id.encode(), encode(example)))
            if len(chunk) == CHUNK:
                await send()
        await send()
    return imported


@dataclass
class ImportOutcomes:
    """What the model makes of the rows that were imported.

    Attributes:
        counts: The rows by their outcome.
        refused: The refused rows by the reason.
        messages: What is wrong and what to do, by the reason.
    """

    counts: Counter[Outcome] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    messages: dict[str, str] = field(default_factory=dict)


async def import_outcomes(
    settings: Settings, broker: Broker, imported: Imported, progress: Progress
) -> ImportOutcomes:
    """What becomes of the rows that were imported: how many are learned, refused, duplicates, conflicts.

    It folds the examples as every replica does, so it says what the replicas make of them, whether one runs
    or not. It costs the time of learning all examples.
    """
    found = ImportOutcomes()
    async with opened(broker, settings.topics.examples, settings.topics.control):
        async for folded in _folded(settings, broker, progress):
            if folded.offset not in imported:
                continue
            found.counts[folded.outcome] += 1
            if folded.refusal is not None:
                found.refused[folded.refusal.reason] += 1
                found.messages.setdefault(folded.refusal.reason, folded.refusal.message)
    return found
