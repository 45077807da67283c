"""Examples: the labelled dataset, written to a file and read from one.

What is exported is what the model has learned, no more and no less. So the export folds the examples as every
replica does, and writes an example if its outcome is `learned`. That leaves out duplicates, contradictions,
examples that an operator has excluded, examples that the model refused, and records that are no examples. It
costs the time of learning.
"""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator, Callable, Iterable
from tempfile import SpooledTemporaryFile
from typing import TextIO

from stream_al.datasets.rows import Row
from stream_al.engine.labels.learner import Outcome
from stream_al.engine.samples.sample import flat_features
from stream_al.errors import BadMessage, Misconfigured
from stream_al.messages import ClassLabel, Example, decode, encode, label_text
from stream_al.service.broker.protocols import Broker, Outgoing
from stream_al.service.broker.topics import max_message_bytes
from stream_al.service.engine_settings import fresh_learner, input_rules
from stream_al.service.maintenance.topics import CHUNK, Progress, opened, opened_control, read_topic
from stream_al.settings import Settings

__all__ = ["export_examples", "import_labels", "known_labels"]

SPOOL_BYTES = 64 * 2**20  # of examples kept in memory before they go to a temporary file


async def export_examples(
    settings: Settings, broker: Broker, out: TextIO, file_format: str, progress: Progress
) -> int:
    """Write the labelled dataset as `csv` or `jsonl`; return the number of rows.

    It holds the examples that the model has learned.
    """
    async with opened(broker, settings.topics.examples, settings.topics.control):
        if file_format == "jsonl":
            number = 0
            async for example, _ in _learned(settings, broker, progress):
                out.write(encode(example).decode() + "\n")
                number += 1
            return number
        return await _export_csv(settings, broker, out, progress)


async def _export_csv(settings: Settings, broker: Broker, out: TextIO, progress: Progress) -> int:
    facts = ("id", "annotator", "propensity", "reason", "queried_at", "labelled_at")
    names: dict[str, None] = {}
    number = 0
    # The header names all features, and they are known only at the end. So the examples wait in a file.
    with SpooledTemporaryFile(SPOOL_BYTES) as learned:
        async for example, _ in _learned(settings, broker, progress):
            names.update(dict.fromkeys(example.features or {}))
            learned.write(encode(example) + b"\n")
            number += 1
        learned.seek(0)
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([*(f"_{fact}" for fact in facts), *names, "label"])
        for line in learned:
            example = decode(Example, line, max_bytes=len(line))
            features = example.features or {}
            cells = [getattr(example, fact) for fact in facts] + [features.get(name) for name in names]
            writer.writerow(["" if cell is None else cell for cell in cells] + [label_text(example.label)])
    return number


async def known_labels(settings: Settings, broker: Broker) -> dict[str, tuple[ClassLabel, int]]:
    """The labels that the model has learned, by sample id, each with its log time in milliseconds.

    If the model has learned an id again after it forgot it, the first label counts.
    """
    known: dict[str, tuple[ClassLabel, int]] = {}
    async with opened(broker, settings.topics.examples, settings.topics.control):
        async for example, at_ms in _learned(settings, broker, lambda done, total: None):
            known.setdefault(example.id, (example.label, at_ms))
    return known


async def _learned(
    settings: Settings, broker: Broker, progress: Progress
) -> AsyncIterator[tuple[Example, int]]:
    """The examples that the model learns, each with its log time in milliseconds."""
    learner, max_bytes = fresh_learner(settings), max_message_bytes(settings.input)
    async with opened_control(settings, broker) as control:
        learner.excluded = control.exclusions
    async for record in read_topic(broker, settings.topics.examples, progress):
        try:
            example = decode(Example, record.value, max_bytes=max_bytes)
        except BadMessage:
            learner.skip(record.offset)
            continue
        if learner.fold(example, record.offset) is Outcome.LEARNED:
            yield example, record.timestamp_ms


async def import_labels(
    settings: Settings, broker: Broker, rows: Iterable[Row], source: str, progress: Callable[[int], None]
) -> int:
    """Seed the model: append rows as examples with the reason `seed`; return their number.

    The id of an example is made of the name of the source and the number of the row. So the model learns
    each row once, even if an import is repeated, or started again after an interruption.

    Raises:
        Misconfigured: A row cannot be learned; the rows before it may have been sent.
    """
    rules, topic = input_rules(settings), settings.topics.examples
    async with opened(broker, topic):
        chunk: list[Outgoing] = []
        sent = 0
        for number, row in enumerate(rows, 1):
            try:
                features = flat_features(row.features, rules)
            except BadMessage as error:
                raise Misconfigured(f"row {number}: {error}") from None
            sample_id = f"seed-{source}-{number}"
            example = Example(id=sample_id, label=row.label, features=dict(features), reason="seed")
            chunk.append(Outgoing(topic, sample_id.encode(), encode(example)))
            if len(chunk) == CHUNK:
                sent += len(await broker.send(chunk))
                progress(sent)
                chunk = []
        sent += len(await broker.send(chunk))
        progress(sent)
        return sent
