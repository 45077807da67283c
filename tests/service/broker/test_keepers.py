"""Commits for a group that has no members: one that is cut off leaves no error behind."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient

from stream_al.service.broker.protocols import Position
from tests.support.world import MakeWorld

GROUP = "no-members"


async def test_a_commit_that_is_cut_off_leaves_no_error_behind(
    kafka_world: MakeWorld, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A stop cuts off the copy of the accounts, and writes it again: no traceback comes into the log.

    The client still looks for the coordinator then, if the service stops soon after its start.
    """
    world = await kafka_world()
    topic, client = world.topics.samples, world.connect(world.settings)
    world.at_end(lambda: client.stop(5.0))
    looks, may_find, find = asyncio.Event(), asyncio.Event(), AIOKafkaClient.coordinator_lookup

    async def find_late(self: AIOKafkaClient, *what: Any) -> Any:
        looks.set()
        await may_find.wait()
        return await find(self, *what)

    monkeypatch.setattr(AIOKafkaClient, "coordinator_lookup", find_late)
    with caplog.at_level(logging.ERROR, logger="aiokafka"):
        first = asyncio.create_task(client.keep_positions(GROUP, topic, {0: Position(1, "cut off")}))
        await looks.wait()
        first.cancel()
        await asyncio.wait({first})
        second = asyncio.create_task(client.keep_positions(GROUP, topic, {0: Position(2, "last")}))
        await asyncio.sleep(0)  # it begins
        may_find.set()
        await second
        kept = await client.kept_positions(GROUP, topic, [0])
        await client.stop(5.0)
    assert kept[0].offset == 2
    # A coordinator that is not ready yet is logged too, but without a traceback: aiokafka asks again.
    assert not [record.getMessage() for record in caplog.records if record.exc_info]


async def test_positions_are_kept_also_of_partitions_that_come_later(kafka_world: MakeWorld) -> None:
    """The second commit names partitions that the client for the first one does not know."""
    world = await kafka_world()
    for topic in (world.topics.samples, world.topics.labels):
        await world.client.keep_positions(GROUP, topic, {0: Position(3, "kept")})
    for topic in (world.topics.samples, world.topics.labels):
        assert (await world.client.kept_positions(GROUP, topic, [0]))[0].offset == 3
