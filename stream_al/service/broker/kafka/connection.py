"""The connection to a cluster: what every client of aiokafka needs to start, to wait and to stop.

Producer, consumers and admin client are separate clients of aiokafka. They share their options, their
deadline and the way in which a failed start is explained. The group and the reader get a `Connection` and
nothing else; `cluster` puts all of them together.

The connection owns its clients: it knows each of them from its start to its stop. So whatever is cut off, in
the middle of a start or of a stop, the last stop of the connection leaves no client behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    ConsumerStoppedError,
    IllegalStateError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    UnsupportedCodecError,
)
from aiokafka.structs import ConsumerRecord

from stream_al.errors import Misconfigured, Unavailable
from stream_al.service.broker.kafka.conversion import error_text
from stream_al.service.broker.kafka.diagnosis import diagnosis
from stream_al.service.broker.kafka.login import login, logs_in_by_token
from stream_al.service.broker.protocols import Position
from stream_al.service.timing.deadline import within
from stream_al.settings import KafkaSettings, LimitSettings

__all__ = ["Connection"]

log = structlog.get_logger(__name__)

Stop = Callable[[], Awaitable[None]]

FETCH_BYTES = 8 * 2**20  # of one partition at a time: it bounds the records that wait in memory
METADATA_MS = 10_000  # after which a client asks again which partitions there are: new ones are read soon
DIAGNOSIS_SECONDS = 5.0
UNDO_SECONDS = 1.0


class Connection:
    """A cluster, as the settings name it, and the admin client for it.

    Args:
        settings: How to reach the brokers and log in.
        limits: The deadline of a call, and how long a poll waits.
        application: The client id, if the settings give none.
    """

    def __init__(self, settings: KafkaSettings, limits: LimitSettings, application: str) -> None:
        self.settings = settings
        self.deadline_seconds = limits.deadline_seconds
        self._poll_ms = int(limits.poll_seconds * 1000)
        self._client_id = settings.client_id or application
        self._admin: AIOKafkaAdminClient | None = None
        self._clients: set[Stop] = set()
        """How to stop each client that was started and not stopped."""
        self._accepted = False
        """Whether a broker has accepted these settings once."""

    async def stop(self, deadline_seconds: float) -> None:
        """Stop every client that still runs; give up quietly after the deadline."""
        self._admin = None
        await asyncio.gather(*(self.close(stop, deadline_seconds) for stop in list(self._clients)))

    async def close(self, stop: Stop, deadline_seconds: float) -> None:
        """Stop one client; give up quietly after the deadline.

        Args:
            stop: The client's method that stops it, as `connect` was given it.
            deadline_seconds: Longest wait.
        """
        self._clients.discard(stop)
        await _stopped(stop(), deadline_seconds)

    def options(self) -> dict[str, Any]:
        """The options of every client of aiokafka.

        Raises:
            Misconfigured: A file that the settings name cannot be used.
            Unavailable: The same, after a broker has accepted the settings once: somebody is replacing the
                file, and it will be there again soon.
        """
        try:
            secure = login(self.settings)
        except Misconfigured as error:
            if self._accepted:
                raise Unavailable(str(error)) from None
            raise
        return {
            "bootstrap_servers": self.settings.bootstrap_servers.split(","),
            "client_id": self._client_id,
            "request_timeout_ms": int(self.settings.request_timeout_seconds * 1000),
            **secure,
        }

    async def consumer(self, *topics: str, listener: Any = None, **options: Any) -> AIOKafkaConsumer:
        """A started consumer, subscribed to the topics if there are any. Raises as `connect`."""
        consumer = AIOKafkaConsumer(
            **self.options(),
            enable_auto_commit=False,
            metadata_max_age_ms=METADATA_MS,
            fetch_max_wait_ms=self._poll_ms,
            max_partition_fetch_bytes=FETCH_BYTES,
            **{"isolation_level": "read_committed", **options},
        )
        if topics:
            consumer.subscribe(list(topics), listener=listener)
        await self.connect(consumer.start(), consumer.stop)
        return consumer

    async def admin(self) -> AIOKafkaAdminClient:
        """The admin client; the first call starts it. Raises as `connect`."""
        if self._admin is None:
            # After a broker has refused a token, aiokafka believes to be logged in and waits for metadata
            # until the deadline. The diagnosis sees the refusal at once.
            first_login_by_token = logs_in_by_token(self.settings) and not self._accepted
            if first_login_by_token and (mistake := await self._diagnosis()):
                raise Misconfigured(mistake)
            admin = AIOKafkaAdminClient(**self.options())
            await self.connect(admin.start(), admin.close)
            self._admin = admin
        return self._admin

    async def connect(self, starting: Awaitable[None], stop: Stop) -> None:
        """Start a client; if the start fails, stop the client again.

        Args:
            starting: The client's start, to be awaited.
            stop: The client's method that stops it.

        Raises:
            Unavailable: No broker responds now. A broker that has accepted the settings before and refuses
                them now counts as one that is not ready yet.
            Misconfigured: A broker responds and does not accept the settings.
        """
        servers = self.settings.bootstrap_servers
        start = asyncio.ensure_future(starting)
        self._clients.add(stop)
        try:
            await self.wait("connecting", asyncio.shield(start))
        except Unavailable as error:
            await self._undo(start, stop)
            mistake = await self._diagnosis() if isinstance(error.__cause__, KafkaError) else None
            if mistake and not self._accepted:
                raise Misconfigured(mistake) from None
            away = f"no broker responds at {servers}: start Kafka, or set kafka.bootstrap_servers ({error})"
            raise Unavailable(mistake or away) from error
        except BaseException:
            await self._undo(start, stop)
            raise
        self._accepted = True

    async def wait(self, what: str, waiting: Any) -> Any:
        """Wait for a call of aiokafka until the deadline. Raises Unavailable."""
        try:
            return await within(self.deadline_seconds, what, waiting)
        except KafkaError as error:
            raise Unavailable(f"{what} failed: {error_text(error)}") from error

    async def fetch(
        self, consumer: AIOKafkaConsumer, topic: str, max_records: int, timeout_seconds: float
    ) -> dict[TopicPartition, list[ConsumerRecord]]:
        """One poll of a consumer, without the partitions that gave no records."""
        what, waiting_ms = f"reading {topic}", int(timeout_seconds * 1000)
        try:
            batch = await within(
                self.deadline_seconds, what, consumer.getmany(timeout_ms=waiting_ms, max_records=max_records)
            )
        except (NoOffsetForPartitionError, OffsetOutOfRangeError, IllegalStateError):
            raise
        except ConsumerStoppedError:  # a request over HTTP may still read while the service stops
            raise Unavailable(f"{what} has ended: the service stops") from None
        except UnsupportedCodecError as error:  # to wait would not help
            raise Misconfigured(
                f"the topic {topic} holds records in a compression that this installation cannot read "
                f"({error_text(error)}): install the package cramjam, or let the producers compress otherwise"
            ) from error
        except KafkaError as error:
            raise Unavailable(f"{what} failed: {error_text(error)}") from error
        return {tp: records for tp, records in batch.items() if records}

    async def partitions(self, topic: str) -> list[int]:
        """The numbers of a topic's partitions. Raises Unavailable if the topic does not exist."""
        admin = await self.admin()
        (found,) = await self.wait(f"describing {topic}", admin.describe_topics([topic]))
        if found["error_code"] or not found["partitions"]:
            raise Unavailable(f"topic {topic} does not exist (yet)")
        return sorted(partition["partition"] for partition in found["partitions"])

    async def committed(self, group: str, topic: str, partitions: Iterable[int]) -> dict[int, Position]:
        """The positions that a group has committed, without the partitions that have no commit."""
        admin = await self.admin()
        tps = [TopicPartition(topic, partition) for partition in partitions]
        found = await self.wait(
            f"reading the offsets of {group}", admin.list_consumer_group_offsets(group, partitions=tps)
        )
        if not found.keys() >= set(tps):  # a coordinator that is still loading leaves out, without an error
            raise Unavailable(f"the offsets of {group} are still being loaded")
        return {
            tp.partition: Position(found[tp].offset, found[tp].metadata or "")
            for tp in tps
            if found[tp].offset >= 0
        }

    async def _diagnosis(self) -> str | None:
        seconds = min(DIAGNOSIS_SECONDS, self.deadline_seconds)
        return await diagnosis(self.settings, self.options(), seconds)

    async def _undo(self, start: asyncio.Future[None], stop: Stop) -> None:
        """Stop a client whose start has failed, or is awaited no more.

        aiokafka does not close the connection over which it asks for the brokers if it is cancelled then. So
        a start may end before it is cancelled.
        """
        try:
            await asyncio.wait([start], timeout=UNDO_SECONDS)
        finally:
            start.cancel()  # has no effect if it has ended
        await asyncio.wait([start], timeout=UNDO_SECONDS)
        if start.done() and not start.cancelled():
            start.exception()  # the caller raises it; without this asyncio logs it
        await self.close(stop, UNDO_SECONDS)


async def _stopped(stopping: Any, seconds: float) -> None:
    """Wait until a client has stopped, at most until the deadline; ignore the failures of a broker.

    The stop runs as a task of its own. aiokafka's consumer cancels its own tasks while it stops; if the
    broker is away, that cancellation comes out of `stop`, and would look like a cancellation of the caller.
    """
    task = asyncio.ensure_future(stopping)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())  # else asyncio logs the error
    try:
        await asyncio.wait({task}, timeout=max(0.05, seconds))
    finally:
        late = task.cancel()  # has no effect on a task that has ended
    error = None if late or task.cancelled() else task.exception()
    if error is not None and not isinstance(error, (TimeoutError, KafkaError, OSError)):
        raise error
    if late or task.cancelled() or error is not None:
        log.debug("client abandoned", why=error_text(error) if error else "it took too long to stop")
