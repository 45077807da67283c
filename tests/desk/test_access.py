"""Every page is usable by screen reader and keyboard, in light and dark, and at the width of a phone."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.desk.desk_server import MakeDesks, OpenDesk
from tests.support.stream import query

pytestmark = pytest.mark.long

PAGES = ("label", "watch", "explore", "quality")
PHONE = {"width": 360, "height": 740}
LONG_TEXT = "The parcel never came, and nobody could say where it was. Please call me back about it today."
SHOTS = os.environ.get("STREAM_AL_SHOTS")
"""A folder for pictures of the pages, to look at."""


async def settled(page: Page, place: str) -> None:
    """Wait until a page is drawn."""
    if place == "label":
        await expect(page.locator(".effect").first).to_be_visible()
    else:
        await expect(page.locator(f".page-{place} > *").first).to_be_visible()


async def picture(page: Page, name: str) -> None:
    if SHOTS:
        await page.screenshot(path=Path(SHOTS) / f"{name}.png")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_no_page_has_a_serious_finding_of_axe(
    desks: MakeDesks, open_desk: OpenDesk, axe: str, scheme: str
) -> None:
    """Contrast, names, roles, focus: on every page, and in every dialog of Label."""
    world, (served,) = await desks("labels.classes=[]", "labels.unsolicited=true")
    await world.settle([one["id"] for one in await world.samples(60)])
    shown = {**query("s1"), "features": {"x": 0.7, "y": 0.2, "text": LONG_TEXT}, "payload": {"note": [1, 2]}}
    shown["prediction"] = {"label": "up", "probabilities": {"up": 0.6, "down": 0.4}}
    await world.send(world.topics.queries, [shown, {**query("s2"), "features": {"x": 0.1}}])
    await world.until(lambda: len(served.app.pending) == 2, "they are known")
    page = await open_desk(served, color_scheme=scheme)
    await page.emulate_media(reduced_motion="reduce")  # what fades in has less contrast for a moment
    found: dict[str, list[str]] = {}

    async def check(name: str) -> None:
        await picture(page, f"{name}-{scheme}")
        await page.evaluate(axe)
        report = json.loads(await page.evaluate("axe.run().then(JSON.stringify)"))
        bad = [one for one in report["violations"] if one["impact"] in ("serious", "critical")]
        found[name] = [f"{one['id']}: {one['nodes'][0]['html']}" for one in bad]
        assert len(report["passes"]) > 10

    for place in PAGES:
        await page.evaluate("place => { location.hash = place }", place)
        await settled(page, place)
        await check(place)
    await page.evaluate("location.hash = 'label'")
    await settled(page, "label")
    await page.keyboard.press("g")
    await page.keyboard.press("f")
    await check("label-guess-flag")
    await page.keyboard.press("Escape")
    for name, key in (("Keyboard help", "help"), ("Skip", "s"), ("New class", "n")):
        await page.get_by_role("button", name=name).click()
        await expect(page.locator("dialog[open]")).to_be_visible()
        await check(f"dialog-{key}")
        await page.keyboard.press("Escape")
        await expect(page.locator("dialog[open]")).to_have_count(0)
    assert not {name: bad for name, bad in found.items() if bad}


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_page_fits_a_phone(desks: MakeDesks, open_desk: OpenDesk, scheme: str) -> None:
    """Nothing is wider than the screen, and the class buttons are in sight."""
    world, (served,) = await desks()
    await world.settle([one["id"] for one in await world.samples(40)])
    features = {f"a-rather-long-name-of-a-feature-{number}": "x" * 60 for number in range(12)}
    await world.send(world.topics.queries, [{**query("s1"), "features": {**features, "text": LONG_TEXT}}])
    await world.until(lambda: len(served.app.pending) == 1, "it is known")
    page = await open_desk(served, viewport=PHONE, color_scheme=scheme)
    for place in PAGES:
        await page.evaluate("place => { location.hash = place }", place)
        await settled(page, place)
        await picture(page, f"{place}-{scheme}-phone")
        assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        if place == "label":
            await expect(page.get_by_role("button", name="down")).to_be_in_viewport()


async def test_the_theme_follows_the_system_until_it_is_switched(
    desks: MakeDesks, open_desk: OpenDesk
) -> None:
    _, (served,) = await desks()
    page = await open_desk(served, color_scheme="dark")
    root = page.locator("html")
    await expect(root).to_have_attribute("data-theme", "dark")
    await page.emulate_media(color_scheme="light")
    await expect(root).to_have_attribute("data-theme", "light")
    await page.get_by_role("button", name="Switch between light and dark").click()
    await expect(root).to_have_attribute("data-theme", "dark")
    await page.reload()
    await expect(root).to_have_attribute("data-theme", "dark")
