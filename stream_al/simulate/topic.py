"""A range of a Kafka topic as a recorded stream.

If the user names a member of the records, it holds the label. Otherwise the label comes from the examples
that the model has learned, by the sample's id. Samples without a label cannot be simulated and are left out.
In the second case the remaining samples are those that the service selected, so results on them compare
settings on these samples and say nothing about the accuracy over the whole stream.

Samples of several partitions are ordered by the records' timestamps, which are the clock of the stream.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Protocol

from stream_al.datasets.rows import Row
from stream_al.engine.samples.labelled import Places, read_labelled
from stream_al.engine.samples.sample import InputRules, position_id
from stream_al.errors import BadMessage
from stream_al.messages import ClassLabel, decode_json

__all__ = ["LABEL_TIME", "TIME", "KnownLabel", "TopicRecord", "recorded"]

TIME = "_time"
LABEL_TIME = "_label_time"


class TopicRecord(Protocol):
    """One record of a topic."""

    @property
    def topic(self) -> str:
        """The topic."""

    @property
    def partition(self) -> int:
        """The partition of the topic."""

    @property
    def offset(self) -> int:
        """The offset in the partition."""

    @property
    def timestamp_ms(self) -> int:
        """The record's timestamp, in milliseconds."""

    @property
    def key(self) -> bytes | None:
        """The record's key."""

    @property
    def value(self) -> bytes | None:
        """The record's value."""


KnownLabel = tuple[ClassLabel, int]
"""A label that the model has learned, and the timestamp of its record in milliseconds."""


def recorded(
    records: Iterable[TopicRecord],
    rules: InputRules,
    max_bytes: int,
    *,
    places: Places,
    known: Mapping[str, KnownLabel],
) -> tuple[list[Row], int]:
    """The samples whose label is known, in the order of their timestamps, and the number of records left out.

    Args:
        records: The records of the topic.
        rules: Where the parts of a sample are in a record.
        max_bytes: The largest record.
        places: Where label and times are in a record. Without a label the labels come from `known`, and
            without a time the times are the timestamps of the records.
        known: The known labels, by the sample's id.
    """
    rows: list[Row] = []
    left_out = 0
    for record in sorted(records, key=lambda r: (r.timestamp_ms, r.partition, r.offset)):
        position = position_id(record.topic, record.partition, record.offset)
        try:
            given = decode_json(record.value, max_bytes=max_bytes)
            found = read_labelled(given, rules, places, key=record.key, position=position)
        except BadMessage:
            left_out += 1
            continue
        by_id = known.get(found.sample.id)
        label = found.label if places.label else by_id and by_id[0]
        if label is None:
            left_out += 1
            continue
        row = Row.of(found, label)
        if places.time is None:
            row = replace(row, time=record.timestamp_ms / 1000)
        if by_id and places.label_time is None:
            row = replace(row, label_time=by_id[1] / 1000)
        rows.append(row)
    return rows, left_out
