"""Samples that pass through a world: decided, queried, labelled, learned."""

from __future__ import annotations

from tests.support.world import World


async def run(world: World, number: int = 120, start: int = 0) -> list[str]:
    """Send samples, label their queries and wait until all is learned; the ids of the samples."""
    ids = [s["id"] for s in await world.samples(number, start)]
    await world.settle(ids)
    return ids


async def decided(world: World, number: int) -> bool:
    """Whether so many samples are decided."""
    return len(await world.decided()) >= number


async def joined(world: World, number: int) -> bool:
    """Whether there are so many examples."""
    return len(await world.examples()) >= number


def quiet(*numbers: int) -> None:
    """Ignore the progress of a maintenance command."""
