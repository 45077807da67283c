"""People who label in a browser."""

from __future__ import annotations

from functools import partial

from playwright.async_api import Page

from tests.desk.desk_server import Served
from tests.support.flow import decided
from tests.support.world import World

KEYS = {"down": "1", "up": "2"}


async def shown(page: Page) -> str:
    """The id of the query that a page shows."""
    return await page.locator(".item h1").inner_text()


async def asked(world: World, replicas: list[Served], number: int) -> None:
    """Send samples until so many queries are pending everywhere."""
    start = 0
    while len(await world.queries()) < number:
        await world.samples(20, start)
        start += 20
        await world.until(partial(decided, world, start), "the samples are decided")
    total = len(await world.open_queries())
    await world.until(lambda: all(len(one.app.pending) == total for one in replicas), "all are known")
