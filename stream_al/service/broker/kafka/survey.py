"""A survey: what a cluster says about topics and groups, and a few records of a topic.

It joins no consumer group, commits nothing and writes nothing, so a running service does not notice it. What
it reads is bounded in records, bytes and time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAuthorizationFailedError, UnknownTopicOrPartitionError, for_code

from stream_al.engine.doctor.topics import GroupState, TopicState
from stream_al.errors import StreamAlError, Unavailable
from stream_al.service.broker.kafka.connection import Connection
from stream_al.service.broker.kafka.reader import KafkaReader
from stream_al.service.broker.protocols import Record
from stream_al.service.broker.readers import is_behind, started
from stream_al.service.timing.clock import SYSTEM_CLOCK, Clock
from stream_al.service.timing.deadline import Deadline

__all__ = ["Excerpt", "Survey"]

MAX_BYTES = 64 * 2**20  # of the records of one topic
EMPTY_POLLS = 2  # after which a topic is taken to have no more; its last offsets may hold no records
ATTEMPTS, PAUSE_SECONDS = 5, 0.5
SIMILAR, LIKENESS = 3, 0.8  # names that are like one, and how like they are (difflib)
NO_PERMISSION = "this login may not describe them: give it the permissions to describe and read topics"


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Some records of a topic.

    Attributes:
        records: The records.
        whole: Whether they are all that the topic held.
        begin: The first offset of each partition.
        end: One past the last offset of each partition.
    """

    records: list[Record]
    whole: bool
    begin: Mapping[int, int]
    end: Mapping[int, int]


class Survey:
    """A look at a cluster.

    Args:
        connection: The cluster.
        clock: Measures how long reading takes.
    """

    def __init__(self, connection: Connection, clock: Clock = SYSTEM_CLOCK) -> None:
        self._connection = connection
        self._clock = clock

    async def topics(self, names: Iterable[str]) -> dict[str, TopicState]:
        """The topics, in the order of the names.

        Raises:
            Unavailable: No broker responds.
            Misconfigured: A broker responds and does not accept the settings.
        """
        wanted = list(names)
        admin = await self._connection.admin()
        # A broker may create a topic whose name it is asked for. So only those of its own list are described.
        listed = set(await self._connection.wait("listing topics", admin.list_topics()))
        there = [name for name in wanted if name in listed]
        described = (
            await self._connection.wait("describing the topics", admin.describe_topics(there))
            if there
            else []
        )
        configs, refused = await self._configs(wanted)
        found = {
            topic["topic"]: TopicState(
                topic["topic"],
                len(topic["partitions"]),
                configs.get(topic["topic"], {}),
                _problem(topic["error_code"]),
            )
            for topic in described
        }
        hidden = {name: TopicState(name, problem=NO_PERMISSION) for name in refused if name not in found}
        return {name: found.get(name) or hidden.get(name) or TopicState(name) for name in wanted}

    async def like(self, name: str, *, besides: Container[str]) -> list[str]:
        """The names of topics, besides some, that are spelt like a name; the most similar first.

        Raises:
            Unavailable: No broker responds.
            Misconfigured: A broker responds and does not accept the settings.
        """
        admin = await self._connection.admin()
        listed = await self._connection.wait("listing topics", admin.list_topics())
        return get_close_matches(name, [one for one in listed if one not in besides], SIMILAR, LIKENESS)

    async def _configs(self, names: list[str]) -> tuple[dict[str, dict[str, str]], set[str]]:
        """The configuration of each topic, as far as the broker gives it, and the topics it refuses."""
        admin = await self._connection.admin()
        asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        try:
            responses = await self._connection.wait(
                "reading the configuration of the topics", admin.describe_configs(asked)
            )
        except StreamAlError:  # a broker that knows no such request
            return {}, set()
        resources = [resource for response in responses for resource in response.resources]
        configs = {
            resource[3]: {str(entry[0]): str(entry[1]) for entry in resource[4]}
            for resource in resources
            if not resource[0]
        }
        refused = {one[3] for one in resources if for_code(one[0]) is TopicAuthorizationFailedError}
        return configs, refused

    async def group(self, name: str, excerpt: Excerpt, topic: str) -> GroupState:
        """How far a group has come on a topic of which an excerpt was read."""
        for attempt in range(ATTEMPTS):
            try:
                committed = await self._connection.committed(name, topic, excerpt.end)
                break
            except Unavailable as error:  # in a new cluster, the first question makes the coordinator
                if attempt == ATTEMPTS - 1:
                    return GroupState(name, topic, problem=str(error))
                await asyncio.sleep(PAUSE_SECONDS)
        offsets = {number: position.offset for number, position in committed.items()}
        return GroupState(name, topic, offsets, excerpt.begin, excerpt.end)

    async def excerpt(self, topic: str, number: int, *, newest: bool, seconds: float) -> Excerpt:
        """The first or the newest records of a topic.

        Args:
            topic: The topic.
            number: Most records.
            newest: Whether to read the newest of each partition.
            seconds: Longest time.

        Raises:
            StreamAlError: The topic cannot be read.
        """
        deadline = Deadline(seconds, self._clock)
        async with started(KafkaReader(self._connection, topic, expiring=True)) as reader:
            begin, end = await reader.beginning_offsets(), await reader.end_offsets()
            if newest:
                each = -(-number // max(1, len(end)))
                for partition in end:
                    await reader.seek(partition, max(begin[partition], end[partition] - each))
            records: list[Record] = []
            size = empty = 0
            while len(records) < number and size < MAX_BYTES and empty < EMPTY_POLLS and deadline.left > 0:
                if not await is_behind(reader, end):
                    break
                batch = await reader.poll(number - len(records), min(1.0, deadline.left))
                records += batch
                size += sum(len(record.value or b"") for record in batch)
                empty = 0 if batch else empty + 1
            whole = not newest and not await is_behind(reader, end)
        return Excerpt(records, whole, begin, end)


def _problem(code: int) -> str:
    """What an error code means for a topic; empty if it exists, or does not exist."""
    error = for_code(code)
    if not code or error is UnknownTopicOrPartitionError:
        return ""
    return NO_PERMISSION if error is TopicAuthorizationFailedError else f"the broker says {error.__name__}"
