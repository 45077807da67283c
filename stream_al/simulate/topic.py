"""A range of a Kafka topic as a recorded stream.

A label is found in the record itself, where the user names its member, or else among the examples that the
model has learned, by the sample's id; samples without one cannot be simulated and are left out. Mind what
that means in the second case: the examples hold what the service chose to ask for, so a simulation over them
alone compares settings on those samples and says nothing about the accuracy over the stream.

Samples of several partitions are put in the order of the log's timestamps, which are the stream's clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Protocol

from stream_al.datasets.rows import Row
from stream_al.engine.samples.sample import InputRules, position_id, read_sample
from stream_al.errors import BadMessage
from stream_al.messages import ClassLabel, decode_json

__all__ = ["LABEL_TIME", "TIME", "KnownLabel", "TopicRecord", "recorded"]

TIME = "_time"
LABEL_TIME = "_label_time"


class TopicRecord(Protocol):
    """One record of a topic."""

    @property
    def topic(self) -> str:
        """Where it lies."""

    @property
    def partition(self) -> int:
        """Where in the topic."""

    @property
    def offset(self) -> int:
        """Where in the partition."""

    @property
    def timestamp_ms(self) -> int:
        """The time that the log gave it."""

    @property
    def key(self) -> bytes | None:
        """Its key."""

    @property
    def value(self) -> bytes | None:
        """Its value."""


KnownLabel = tuple[ClassLabel, int]
"""A label that the model has learned, and when the log got it, in milliseconds."""


def recorded(
    records: Iterable[TopicRecord],
    rules: InputRules,
    max_bytes: int,
    *,
    label: str | None,
    known: Mapping[str, KnownLabel],
) -> tuple[list[Row], int]:
    """The samples whose label is known, in log time, and how many records were left out.

    Args:
        records: Of the topic.
        rules: Where things lie in a record.
        max_bytes: The longest record.
        label: The path of the label in a record; None looks it up by id.
        known: Labels by id.
    """
    # Where the label lies is no feature; as the payload it is taken out by the rules themselves.
    rules = replace(rules, payload=label) if label else rules
    rows: list[Row] = []
    left_out = 0
    for record in sorted(records, key=lambda r: (r.timestamp_ms, r.partition, r.offset)):
        position = position_id(record.topic, record.partition, record.offset)
        notes = {TIME: str(record.timestamp_ms / 1000)}
        try:
            given = decode_json(record.value, max_bytes=max_bytes)
            sample = read_sample(given, rules, key=record.key, position=position)
        except BadMessage:
            left_out += 1
            continue
        found = known.get(sample.id)
        truth = sample.payload if label else found and found[0]
        if not isinstance(truth, str | int | float) or truth == "":
            left_out += 1
            continue
        if found:
            notes[LABEL_TIME] = str(found[1] / 1000)
        rows.append(Row(dict(sample.features), truth, notes))
    return rows, left_out
