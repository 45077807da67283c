"""Dead letters: list them, and send them onto their topic again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from stream_al.errors import Unavailable
from stream_al.service.broker.dead_letters import origin
from stream_al.service.broker.protocols import Broker, Group, Outgoing, Position
from stream_al.service.maintenance.topics import CHUNK, STOP_SECONDS, Progress, opened, read_topic
from stream_al.settings import Settings

__all__ = ["list_dead_letters", "replay_dead_letters"]

EMPTY_POLLS = 10  # in a row, after which a group is taken to have no more records
SHOWN_BYTES = 500


async def list_dead_letters(
    settings: Settings, broker: Broker, topic: str, progress: Progress
) -> AsyncIterator[dict[str, Any]]:
    """The dead letters of a topic, each with the place that it came from and the reason."""
    name = topic + settings.topics.dead_letter_suffix
    async with opened(broker, name):
        async for record in read_topic(broker, name, progress):
            facts, _ = origin(record)
            yield {
                "offset": record.offset,
                **{f"origin_{fact}": text for fact, text in facts.items()},
                "key": _text(record.key),
                "value": _text(record.value and record.value[:SHOWN_BYTES]),
            }


def _text(content: bytes | None) -> str | None:
    return None if content is None else content.decode("utf-8", "replace")


async def replay_dead_letters(
    settings: Settings, broker: Broker, topic: str, reason: str | None, progress: Progress
) -> int:
    """Send dead letters onto their topic again, unchanged; return their number.

    The offset of a consumer group remembers what was replayed, so a second call continues where the first
    one ended. Dead letters with another reason, and those without their value, are skipped.
    """
    name = topic + settings.topics.dead_letter_suffix
    async with opened(broker, name, topic):
        reader = broker.reader(name)
        await reader.start()
        try:
            end = await reader.end_offsets()  # a replayed record may be refused again: replay it once
        finally:
            await reader.stop(STOP_SECONDS)
        group = broker.group(f"{settings.application}.replay.{topic}", name, "earliest")
        await group.start()
        try:
            return await _replay(group, end, broker, topic, reason, progress)
        finally:
            await group.stop(STOP_SECONDS)


async def _replay(
    group: Group, end: dict[int, int], broker: Broker, topic: str, reason: str | None, progress: Progress
) -> int:
    sent = empty_polls = 0
    finished: set[int] = set()
    while empty_polls < EMPTY_POLLS:
        batch = await group.poll(CHUNK, 0.5)
        empty_polls = 0 if batch else empty_polls + 1
        due = {p: [record for record in records if record.offset < end[p]] for p, records in batch.items()}
        finished |= {p for p, records in batch.items() if len(due[p]) < len(records)}
        group.pause(finished)
        positions = {p: Position(records[-1].next_offset) for p, records in due.items() if records}
        if not positions:
            lag = await group.lag()
            if group.assignment() and not any(number for p, number in lag.items() if p not in finished):
                break
            continue
        replayed = []
        for records in due.values():
            for record in records:
                facts, headers = origin(record)
                wanted = reason in (None, facts.get("exception")) and "value" not in facts
                if wanted:
                    replayed.append(Outgoing(topic, record.key, record.value, headers))
        sent += len(await broker.send(replayed))
        await group.commit(positions)
        progress(sent, sent)
    if empty_polls == EMPTY_POLLS and not group.assignment():
        raise Unavailable("another replay of the same topic is running; wait for it to end")
    return sent
