"""What the command line does to the topics besides serving: create, export, import, replay, rebuild.

Each tool opens the broker, does one bounded thing and closes. Progress is reported through a callback,
since only the command line knows whether anyone is watching.
"""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, TextIO

from stream_al.datasets.rows import Row
from stream_al.engine.labels.exclusions import Exclusions
from stream_al.engine.labels.learner import Learner
from stream_al.engine.samples.sample import flat_features
from stream_al.errors import BadMessage, Misconfigured, Unavailable
from stream_al.messages import ClassLabel, Example, decode, encode, label_text
from stream_al.service.broker.dead_letters import origin
from stream_al.service.broker.protocols import Broker, Group, Outgoing, Position, Reader, Record, is_behind
from stream_al.service.broker.topics import needed
from stream_al.service.control import Control
from stream_al.service.loops.select import input_rules
from stream_al.service.model.local_model import LocalModel, fresh_learner
from stream_al.service.model.replay import PARTITION
from stream_al.service.model.snapshots import Snapshots
from stream_al.service.telemetry.metrics import Metrics
from stream_al.settings import Settings

__all__ = [
    "create_topics",
    "export_examples",
    "import_labels",
    "known_labels",
    "letters",
    "model",
    "opened",
    "replay",
    "reset_offsets",
]

Progress = Callable[[int, int], None]
CHUNK = 1000  # records sent or read at once
QUIET_POLLS = 10  # polls without a record after which a group has nothing more to give


@asynccontextmanager
async def opened(broker: Broker, *topics: str) -> AsyncIterator[Broker]:
    """The broker, connected, with the topics there."""
    try:
        await broker.start()
        missing = await broker.missing_topics(topics)
        if missing:
            raise Misconfigured(f"topics: {', '.join(missing)} do not exist: run `stream-al topics create`")
        yield broker
    finally:
        await broker.stop(5.0)


async def create_topics(settings: Settings, broker: Broker) -> tuple[list[str], list[str]]:
    """Create the topics that do not exist; the names created, and those that were there."""
    async with opened(broker):
        topics = needed(settings)
        missing = set(await broker.missing_topics(topic.name for topic in topics))
        created = await broker.create_topics([topic for topic in topics if topic.name in missing])
        return created, [topic.name for topic in topics if topic.name not in created]


async def reset_offsets(settings: Settings, broker: Broker, topic: str, to: str) -> dict[int, int]:
    """Let the group that reads a topic go on at its earliest or latest record; the offset by partition."""
    stages = {settings.topics.samples: "select", settings.topics.labels: "intake"}
    if topic not in stages:
        raise Misconfigured(f"--topic: write {' or '.join(stages)}, not {topic!r}")
    async with opened(broker, topic):
        return await broker.reset_offsets(f"{settings.application}.{stages[topic]}", topic, to)


async def everything(broker: Broker, topic: str, progress: Progress) -> AsyncIterator[Record]:
    """All records that a topic holds now."""
    reader: Reader = broker.reader(topic)
    await reader.start()
    try:
        first, end = await reader.beginning_offsets(), await reader.end_offsets()
        total = sum(end[p] - first[p] for p in end)
        done = 0
        while await is_behind(reader, end):
            for record in await reader.poll(CHUNK, 1.0):
                done += 1
                yield record
            progress(min(done, total), total)
    finally:
        await reader.stop(5.0)


async def export_examples(
    settings: Settings, broker: Broker, out: TextIO, form: str, progress: Progress
) -> int:
    """Write the labelled dataset; how many rows.

    It holds what the model has learned: contradictions and what an operator has taken back are left out.
    """
    async with opened(broker, settings.topics.examples, settings.topics.control):
        if form == "jsonl":
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
    """The labels that the model has learned, by the ids of their samples, and when the log got each (ms)."""
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
    async with _control(settings, broker) as control:
        excluded = control.exclusions
    async for record in everything(broker, settings.topics.examples, progress):
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
    """Seed the model: append rows as examples with reason `seed`; how many.

    Ids are made of the source's name and the row's number, so an import that is repeated, or goes on
    after it was interrupted, teaches nothing twice.
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


async def letters(
    settings: Settings, broker: Broker, topic: str, progress: Progress
) -> AsyncIterator[dict[str, Any]]:
    """The dead letters of a topic, with where they came from and why."""
    name = topic + settings.topics.dead_letter_suffix
    async with opened(broker, name):
        async for record in everything(broker, name, progress):
            facts, _ = origin(record)
            key = record.key.decode("utf-8", "replace") if record.key is not None else None
            value = record.value[:500].decode("utf-8", "replace") if record.value is not None else None
            yield {
                "offset": record.offset,
                **{f"origin_{k}": v for k, v in facts.items()},
                "key": key,
                "value": value,
            }


async def replay(
    settings: Settings, broker: Broker, topic: str, reason: str | None, progress: Progress
) -> int:
    """Send dead letters back onto their topic as they were; how many.

    What was replayed is remembered as the offset of a consumer group, so a second call takes up where
    the first ended. Letters with another reason, or without their value, are passed over.
    """
    name = topic + settings.topics.dead_letter_suffix
    async with opened(broker, name, topic):
        reader = broker.reader(name)
        await reader.start()
        try:
            end = await reader.end_offsets()  # what is replayed may come back as a letter: once is enough
        finally:
            await reader.stop(5.0)
        group = broker.group(f"{settings.application}.replay.{topic}", name, "earliest")
        await group.start()
        try:
            return await _replay(group, end, broker, topic, reason, progress)
        finally:
            await group.stop(5.0)


async def _replay(
    group: Group, end: dict[int, int], broker: Broker, topic: str, reason: str | None, progress: Progress
) -> int:
    sent = quiet = 0
    past: set[int] = set()
    while quiet < QUIET_POLLS:
        batch = await group.poll(CHUNK, 0.5)
        quiet = 0 if batch else quiet + 1
        due = {p: [record for record in records if record.offset < end[p]] for p, records in batch.items()}
        past |= {p for p, records in batch.items() if len(due[p]) < len(records)}
        group.pause(past)
        positions = {p: Position(records[-1].offset + 1) for p, records in due.items() if records}
        if not positions:
            lag = await group.lag()
            if group.assignment() and not any(number for p, number in lag.items() if p not in past):
                break
            continue
        again = []
        for records in due.values():
            for record in records:
                facts, headers = origin(record)
                wanted = reason in (None, facts.get("exception")) and "value" not in facts
                if wanted:
                    again.append(Outgoing(topic, record.key, record.value, headers))
        sent += len(await broker.send(again))
        await group.commit(positions)
        progress(sent, sent)
    if quiet == QUIET_POLLS and not group.assignment():
        raise Unavailable("another replay of the same topic is running; wait for it to end")
    return sent


async def model(
    settings: Settings, broker: Broker, *, rebuild: bool, progress: Progress, from_here: bool = False
) -> Learner:
    """The model at the end of the log: from the newest snapshot, or rebuilt from the first example.

    Args:
        settings: Which model.
        broker: The broker.
        rebuild: Delete the snapshots first and write a new one.
        progress: Called with the examples learned and their number.
        from_here: Do without examples that the log no longer holds, on all replicas: they are voided.
    """
    snapshots = Snapshots(settings, fresh_learner(settings).model.fingerprint)
    topic = settings.topics.examples
    async with opened(broker, topic, settings.topics.control), _control(settings, broker) as control:
        if rebuild:
            await snapshots.clear()
        metrics = Metrics(settings.application)
        local_model = LocalModel(lambda: broker.reader(topic), settings, snapshots, metrics)
        await local_model.reader.start()
        try:
            if rebuild:
                await _agree(control, local_model.reader, from_here=from_here)
            if control.model_record:
                local_model.exclude(control.exclusions)
            await local_model.restore(progress)
            if rebuild:
                await local_model.save()
        finally:
            await local_model.reader.stop(5.0)
        return local_model.learner


async def _agree(control: Control, reader: Reader, *, from_here: bool) -> None:
    """Have what is voided suit the log: nothing of another log, and what is gone if that is wanted."""
    begin, end = (await reader.beginning_offsets())[PARTITION], (await reader.end_offsets())[PARTITION]

    def suited(before: Exclusions) -> Exclusions:
        of_this_log = before if before.end <= end else Exclusions()
        return of_this_log.adding(0, begin) if from_here else of_this_log

    if suited(control.exclusions) != control.exclusions:
        await control.change_exclusions(suited, by=None)


@asynccontextmanager
async def _control(settings: Settings, broker: Broker) -> AsyncIterator[Control]:
    """What is changed at run time, as it stands."""
    control = Control(broker, settings, Metrics(settings.application))
    await control.reader.start()
    try:
        await control.catch_up()
        yield control
    finally:
        await control.reader.stop(5.0)
