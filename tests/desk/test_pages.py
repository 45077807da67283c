"""Going from page to page in a browser."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Route, expect

from tests.desk.desk_server import MakeDesks, OpenDesk

pytestmark = pytest.mark.long


async def test_a_page_that_is_left_while_it_loads_takes_nothing_from_the_next_one(
    desks: MakeDesks, open_desk: OpenDesk
) -> None:
    """Else Label gave its queries back when the other page had loaded, and looked for queries for ever."""
    world, (served,) = await desks()
    await world.ask("s1")
    await world.until(lambda: len(served.app.pending) == 1, "it is known")
    page = await open_desk(served, "watch")
    await expect(page.locator(".page-watch > *").first).to_be_visible()
    free = asyncio.Event()

    async def wait(route: Route) -> None:
        await free.wait()
        await route.continue_()

    await page.route("**/v1/quality", wait)
    async with page.expect_request("**/v1/quality"):
        await page.evaluate("location.hash = '#quality'")
    await page.evaluate("location.hash = '#label'")
    await expect(page.locator(".item h1")).to_have_text("s1")
    async with page.expect_response("**/v1/quality") as response:
        free.set()
    await (await response.value).finished()
    assert await page.evaluate("new Promise((done) => setTimeout(() => done(location.hash), 0))") == "#label"
    await page.keyboard.press("2")
    await expect(page.locator(".held")).to_contain_text("up")
    await page.evaluate("location.hash = '#watch'")  # leaving the page sends the label

    async def joined() -> bool:
        return bool(await world.examples())

    await world.until(joined, "it is joined")
