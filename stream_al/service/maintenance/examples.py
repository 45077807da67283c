"""Examples: the labelled dataset, written to a file and read from one."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TextIO

from stream_al.datasets.rows import Row
from stream_al.engine.samples.sample import flat_features
from stream_al.errors import BadMessage, Misconfigured
from stream_al.messages import ClassLabel, Example, decode, encode, label_text
from stream_al.service.broker.protocols import Broker, Outgoing
from stream_al.service.engine_settings import input_rules
from stream_al.service.maintenance.topics import CHUNK, Progress, opened, opened_control, read_topic
from stream_al.settings import Settings

__all__ = ["export_examples", "import_labels", "known_labels"]


async def export_examples(
    settings: Settings, broker: Broker, out: TextIO, file_format: str, progress: Progress
) -> int:
    """Write the labelled dataset as `csv` or `jsonl`; return the number of rows.

    It holds the examples that the model has learned. Contradictions, and the examples that an operator has
    excluded, are left out.
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
    names: dict[str, None] = {}
    async for example, _ in _learned(settings, broker, lambda done, total: None):
        names.update(dict.fromkeys(example.features or {}))
    facts = ("id", "annotator", "propensity", "reason", "queried_at", "labelled_at")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*(f"_{fact}" for fact in facts), *names, "label"])
    number = 0
    async for example, _ in _learned(settings, broker, progress):
        features = example.features or {}
        cells = [getattr(example, fact) for fact in facts] + [features.get(name) for name in names]
        writer.writerow(["" if cell is None else cell for cell in cells] + [label_text(example.label)])
        number += 1
    return number


async def known_labels(settings: Settings, broker: Broker) -> dict[str, tuple[ClassLabel, int]]:
    """The labels that the model has learned, by sample id, each with its log time in milliseconds."""
    async with opened(broker, settings.topics.examples, settings.topics.control):
        learned = _learned(settings, broker, lambda done, total: None)
        return {example.id: (example.label, at_ms) async for example, at_ms in learned}


async def _learned(
    settings: Settings, broker: Broker, progress: Progress
) -> AsyncIterator[tuple[Example, int]]:
    """What the model learns of the examples, and when the log got each, in milliseconds.

    The first of an id that is not voided; contradictions, which carry no features, teach nothing.
    """
    seen: set[str] = set()
    async with opened_control(settings, broker) as control:
        excluded = control.exclusions
    async for record in read_topic(broker, settings.topics.examples, progress):
        try:
            example = decode(Example, record.value, max_bytes=len(record.value or b""))
        except BadMessage:
            continue  # the fold passes over it too
        if example.features is not None and example.id not in seen and record.offset not in excluded:
            seen.add(example.id)
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
