"""What flows through a world while a fault happens, and how a fault waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

from tests.support.processes import Server
from tests.support.replica import DEADLINE_SECONDS
from tests.support.world import World

__all__ = ["drain", "has_decided", "has_learned", "labelling", "send_at_pace", "wait_until"]

POLL_SECONDS = 0.05


async def wait_until(condition: Callable[[], Any], what: str, seconds: float = DEADLINE_SECONDS) -> float:
    """Wait until a condition holds; the seconds that it took. After the deadline the fault fails."""
    began = monotonic()
    while True:
        found = condition()
        if found if not isinstance(found, Awaitable) else await found:
            return monotonic() - began
        assert monotonic() - began < seconds, f"not within {seconds:g} s: {what}"
        await asyncio.sleep(POLL_SECONDS)


async def has_decided(world: World, ids: set[str]) -> bool:
    """Whether all these samples are decided."""
    return await world.decided() >= ids


async def has_learned(world: World, ids: set[str]) -> bool:
    """Whether all these samples are examples."""
    return {e["id"] for e in await world.examples()} >= ids


@asynccontextmanager
async def labelling(world: World, every_seconds: float = 0.2) -> AsyncIterator[None]:
    """While this context is open, every query of a world gets its true label."""

    async def label() -> None:
        while True:
            await world.label_queries()
            await asyncio.sleep(every_seconds)

    task = asyncio.create_task(label())
    try:
        yield
    finally:
        task.cancel()
        failed = (await asyncio.gather(task, return_exceptions=True))[0]
        if isinstance(failed, Exception):
            raise failed


async def drain(
    world: World, ids: Iterable[str], servers: Sequence[Server], seconds: float = DEADLINE_SECONDS
) -> None:
    """Label queries until every sample is decided, every query labelled, and every server has learned all."""
    wanted = set(ids)

    async def drained() -> bool:
        for server in servers:
            assert server.code is None, f"a server ended:\n{server.tail()}"
        if not await has_decided(world, wanted):
            return False
        await world.label_queries()
        if not await has_learned(world, {q["id"] for q in await world.queries()}):
            return False
        end = len(await world.records(world.topics.examples))
        states: list[Any] = [await server.status() for server in servers]
        return all(s["examples"]["offset"] == end and not s["pending"] for s in states)

    await wait_until(drained, "all is decided, labelled and learned", seconds)


async def send_at_pace(
    world: World, start: int, end: int, *, per_second: float, at_once: int = 10
) -> set[str]:
    """Send the samples with these numbers at a steady pace; their ids."""
    ids = set()
    for number in range(start, end, at_once):
        ids |= {s["id"] for s in await world.samples(min(at_once, end - number), start=number)}
        await asyncio.sleep(at_once / per_second)
    return ids
