"""Watch in a browser: its charts say what the service says, and operators pause and change the budget."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from tests.desk.desk_server import MakeDesks, OpenDesk, Served
from tests.support.world import World

pytestmark = pytest.mark.long


async def tile(page: Page, name: str) -> str:
    return await page.locator(f".tile:has(dt:text-is('{name}')) dd").first.inner_text()


async def busy(world: World, served: Served) -> None:
    """Samples, queries and labels, with a point of the figures before and after.

    The model knows no class at the queries of the first half, and predicts at those of the second one.
    """
    served.app.desk.figures.take()
    for start in (0, 40):
        await world.settle([one["id"] for one in await world.samples(40, start)])
    await world.until(lambda: served.app.desk.recent.total == 80, "all is counted")
    await world.until(lambda: served.app.local_model.model.examples == 16, "all is learned")
    await world.until(lambda: not served.app.pending, "nothing is pending")


async def test_the_charts_show_the_numbers_of_the_service(desks: MakeDesks, open_desk: OpenDesk) -> None:
    world, (served,) = await desks("budget.share=0.2", "model.definition=auto")
    world.at_pace(watch_seconds=0.3)
    await busy(world, served)
    served.app.desk.figures.take()
    page = await open_desk(served, "watch")
    await expect(page.locator(".plot").first).to_be_visible()
    point = served.app.desk.figures._point()
    recent = point["accuracy"]["recent"]
    accuracy = page.locator(".chart[aria-label='Accuracy']")
    said = f"recent: {100 * recent['accuracy']:.3g}% (interval {100 * recent['low']:.3g}% to"
    name = await accuracy.locator("svg").get_attribute("aria-label")
    assert name is not None
    assert said in name
    assert await tile(page, "Labels learned") == str(point["examples"]) == "16"
    assert await tile(page, "Pending") == "0"
    assert await tile(page, "Asked for") == "20%"
    assert 0 < point["predicted"] < 1
    await expect(page.locator(".tile:has(dt:text-is('Accuracy'))")).to_contain_text("with a prediction")
    members = await page.locator(".chart[aria-label='Members of the model'] svg").get_attribute("aria-label")
    for member, weight in point["members"].items():
        found = re.search(rf"{member}: ([\d.]+)%", members or "")
        assert found, member
        assert float(found[1]) == pytest.approx(100 * weight, abs=0.06)
    utility = page.locator(".chart[aria-label='Utility of the samples']")
    await utility.get_by_text("Numbers").click()
    cells = await utility.locator("tbody td").all_inner_texts()
    assert [int(one.split()[0]) for one in cells] == point["utility"][:10]
    threshold = await page.locator(".chart[aria-label='Threshold'] svg").get_attribute("aria-label")
    assert all(f"partition {number}:" in (threshold or "") for number in point["thresholds"])


async def test_new_points_appear_without_a_reload(desks: MakeDesks, open_desk: OpenDesk) -> None:
    world, (served,) = await desks("budget.share=0.2")
    served.app.desk.figures.seconds = 0.5
    served.app.desk.figures.take()
    page = await open_desk(served, "watch")
    await expect(page.locator(".tile").first).to_be_visible()
    assert await tile(page, "Labels learned") == "0"
    await busy(world, served)
    served.app.desk.figures.take()
    await expect(page.locator(".tile:has(dt:text-is('Labels learned'))")).to_contain_text("16")


async def test_an_operator_pauses_resumes_and_changes_the_budget(
    desks: MakeDesks, open_desk: OpenDesk
) -> None:
    world, (served,) = await desks("budget.share=0.2")
    served.app.desk.figures.take()
    page = await open_desk(served, "watch", allowed=("422",))
    await page.get_by_role("button", name="Pause").click()
    await world.until(lambda: served.app.select.paused, "it is paused")
    await expect(page.get_by_text("selection paused")).to_be_visible()
    await page.get_by_role("button", name="Resume").click()
    await world.until(lambda: not served.app.select.paused, "it goes on")
    await page.get_by_role("button", name="Change the budget").click()
    share = page.get_by_label("Share of the samples, in %")
    await expect(share).to_have_value("20")
    await share.fill("12.5")
    await page.get_by_label("Most labels in all").fill("99")
    await page.get_by_role("button", name="Change", exact=True).click()
    await world.until(lambda: served.app.control.budget.share == 0.125, "the budget is changed")
    assert served.app.control.budget.total == 99
    await expect(page.get_by_role("dialog")).to_have_count(0)


async def test_a_drift_is_marked(desks: MakeDesks, open_desk: OpenDesk) -> None:
    _, (served,) = await desks("budget.share=0.2")
    figures, drift = served.app.desk.figures, served.app.local_model.learner.drift
    current = served.app.local_model.learner.evaluation.current
    current.update("up", "up", propensity=0.5)
    figures.take()
    drift.found, drift.last = 1, 41
    figures.take()
    page = await open_desk(served, "watch")
    chart = page.locator(".chart[aria-label='Accuracy']")
    await expect(chart.locator("line.mark")).to_have_count(1)
    assert "drift at example 41" in (await chart.locator("svg").get_attribute("aria-label") or "")
