"""Membership in a group: what a rebalance leaves behind is no error."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError, NoOffsetForPartitionError

from stream_al.service.app import App
from stream_al.service.broker.kafka import Kafka
from stream_al.service.broker.kafka.connection import Connection
from stream_al.service.broker.kafka.group import KafkaGroup
from stream_al.settings import load

GONE = TopicPartition("samples", 0)


class Moved:
    """A consumer whose partition was taken away after it had said that the partition has no offset."""

    async def getmany(self, **options: Any) -> None:
        raise NoOffsetForPartitionError(GONE)

    def assignment(self) -> set[TopicPartition]:
        return set()

    def seek(self, partition: TopicPartition, offset: int) -> None:
        raise IllegalStateError(f"No current assignment for partition {partition}")


@pytest.mark.parametrize("end", [0, 7])
async def test_a_new_partition_that_has_moved_away_meanwhile_is_left_to_its_new_owner(end: int) -> None:
    settings = load(overrides=[], environ={})
    group = KafkaGroup(Connection(settings.kafka, settings.limits, "a"), "a.select", "samples", "latest")
    group._running, group._first = Moved(), {0: end}
    assert await group.poll(10, 0.1) == {}


def test_a_process_that_has_not_joined_yet_can_be_paused_and_resumed() -> None:
    """Else `POST /v1/pause` would say that it has failed, and the process would be paused all the same."""
    settings = load(overrides=[], environ={})
    app = App(settings, Kafka(settings))
    app.pause()
    assert (app.select.paused, app.metrics.paused._value.get()) == (True, 1)
    app.resume()
    assert (app.select.paused, app.metrics.paused._value.get()) == (False, 0)
