"""Explore in a browser: the map, the table, and asking for labels by hand."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import pytest
from playwright.async_api import Page, expect

from stream_al.service.http.access.roles import Role
from tests.desk.desk_server import MakeDesks, OpenDesk, Served
from tests.support.http_server import CLOSED, TOKENS
from tests.support.stream import sample, truth
from tests.support.world import World

pytestmark = pytest.mark.long

BUDGET = "budget.share=0.2"
NOTHING = "\N{EN DASH}"


async def kept(world: World, served: Served, number: int, start: int = 0) -> None:
    """Send samples, label their queries, and wait until all of it is done."""
    await world.samples(number, start)
    recent = served.app.desk.recent
    await world.until(lambda: recent.total >= start + number, "the samples are kept")
    await world.settle([])
    end = len(await world.records(world.topics.examples))
    await world.until(lambda: served.app.local_model.learner.offset == end, "all is learned")


async def rows(page: Page) -> dict[str, list[str]]:
    """The rows of the table by id: the texts of their cells."""
    texts = await page.locator("table.items tbody tr").evaluate_all(
        "rows => rows.map(row => [...row.children].map(cell => cell.textContent))"
    )
    return {row[1]: row for row in texts}


async def point_of(page: Page, sample_id: str) -> tuple[float, float]:
    """Where the map draws an item, found by opening it from the table: its place is marked."""
    await page.get_by_role("button", name=sample_id, exact=True).first.click()
    await expect(page.locator(".item-id")).to_have_text(sample_id)
    await page.evaluate("scrollTo(0, 0)")  # from here on the page does not scroll by itself
    found = await page.evaluate(MARKED)
    assert found, "the open item is marked on the map"
    box = await page.locator("canvas").bounding_box()
    assert box is not None
    return box["x"] + found[0], box["y"] + found[1]


MARKED = """() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => {
  const canvas = document.querySelector("canvas"), pen = canvas.getContext("2d");
  const style = getComputedStyle(canvas).getPropertyValue("--bad").trim();
  const probe = document.createElement("canvas").getContext("2d");
  probe.fillStyle = style; probe.fillRect(0, 0, 1, 1);
  const [r, g, b] = probe.getImageData(0, 0, 1, 1).data;
  const { data, width, height } = pen.getImageData(0, 0, canvas.width, canvas.height);
  let n = 0, sx = 0, sy = 0;
  for (let i = 0; i < data.length; i += 4) {
    if (data[i] === r && data[i + 1] === g && data[i + 2] === b && data[i + 3] === 255) {
      n += 1; sx += (i / 4) % width; sy += Math.floor(i / 4 / width);
    }
  }
  const ratio = canvas.width / canvas.clientWidth;
  done(n ? [sx / n / ratio, sy / n / ratio] : null);
})))"""


async def test_the_table_shows_what_the_service_says(desks: MakeDesks, open_desk: OpenDesk) -> None:
    world, (served,) = await desks(BUDGET)
    await kept(world, served, 20)
    page = await open_desk(served, "explore")
    await expect(page.locator(".map-count")).to_contain_text("20 of 20 items")
    shown = await rows(page)
    assert shown.keys() == {f"s{n}" for n in range(20)}
    labelled = {e["id"]: e["label"] for e in await world.examples()}
    for sample_id, row in shown.items():
        assert row[4] == labelled.get(sample_id, NOTHING)
        assert row[5] == ("labelled" if sample_id in labelled else "")
        assert float(row[7]) == pytest.approx(sample(int(sample_id[1:]))["features"]["x"], abs=1e-5)


async def test_a_click_on_the_map_shows_the_item_and_why_it_was_chosen_or_not(
    desks: MakeDesks, open_desk: OpenDesk
) -> None:
    world, (served,) = await desks(BUDGET)
    await kept(world, served, 12)
    page = await open_desk(served, "explore", allowed=("willReadFrequently",))
    for sample_id in ("s2", "s5", "s9"):
        place = await point_of(page, sample_id)
        await page.locator(".near button").first.click()
        await expect(page.locator(".item-id")).not_to_have_text(sample_id)
        await page.evaluate("scrollTo(0, 0)")
        await page.mouse.click(*place)
        await expect(page.locator(".item-id")).to_have_text(sample_id)
        why = page.locator(".item-panel .why")
        await expect(why).to_have_text(re.compile(r"^(Chosen|Not chosen).*\.$"))
        item = next(one for one in served.app.desk.recent if one.decision.id == sample_id)
        await expect(why).to_have_text(re.compile("^Chosen" if item.decision.selected else "^Not chosen"))
        await expect(page.locator(".near li")).to_have_count(8)


async def test_what_is_lassoed_is_asked_for_queried_by_hand_and_labelled(
    desks: MakeDesks, open_desk: OpenDesk
) -> None:
    """Within the budget: as many labels are bought as without it."""
    world, (served,) = await desks(BUDGET)
    await kept(world, served, 30)
    before = {q["id"] for q in await world.queries()}
    page = await open_desk(served, "explore", allowed=("willReadFrequently",))
    target = next(f"s{n}" for n in range(29, -1, -1) if f"s{n}" not in before)
    await page.get_by_label("Order").select_option("id")
    await page.get_by_label("Search and filter").fill(f"@id = {target}")
    await page.get_by_role("button", name="Find").click()
    await expect(page.locator(".map-count")).to_contain_text("1 of 30 items")
    x, y = await point_of(page, target)
    await page.get_by_role("button", name="Lasso").click()
    await page.mouse.move(x - 30, y - 30)
    await page.mouse.down()
    for dx, dy in ((30, -30), (30, 30), (-30, 30), (-30, -28)):
        await page.mouse.move(x + dx, y + dy, steps=4)
    await page.mouse.up()
    bar = page.get_by_role("group", name="Chosen items")
    await expect(bar).to_contain_text("1 item is chosen")
    await bar.get_by_role("button", name="Ask for labels").click()
    await expect(bar).to_contain_text("1 asked for; 1 wait for the budget now.")
    await expect(page.locator("table.items")).to_contain_text("waits for the budget")

    async def manual() -> list[dict[str, Any]]:
        return [q for q in await world.queries() if q["reason"] == "manual"]

    await world.samples(70, 30)
    await world.until(lambda: served.app.desk.recent.total >= 100, "the samples are kept")
    await world.until(manual, "the query is published")
    (query,) = await manual()
    assert (query["id"], query["propensity"]) == (target, None)
    assert len({q["id"] for q in await world.queries()}) == 20
    await world.settle([])
    await page.get_by_role("button", name="Find").click()
    await expect(page.locator("table.items")).to_contain_text("labelled")
    assert (await rows(page))[target][4] == truth(query["features"])
    example = next(e for e in await world.examples() if e["id"] == target)
    assert example["reason"] == "manual"


async def test_the_keyboard_alone_finds_chooses_asks_and_reads(desks: MakeDesks, open_desk: OpenDesk) -> None:
    world, (served,) = await desks(BUDGET)
    await kept(world, served, 30)
    asked = {q["id"] for q in await world.queries()}
    page = await open_desk(served, "explore")
    await expect(page.locator("table.items tbody tr")).to_have_count(25)

    async def reach(name: str, presses: int = 60) -> None:
        for _ in range(presses):
            await page.keyboard.press("Tab")
            focused = await page.evaluate(
                "document.activeElement.getAttribute('aria-label') || document.activeElement.id"
                " || document.activeElement.textContent"
            )
            if focused.startswith(name):
                return
        pytest.fail(f"Tab does not lead to {name}")

    await reach("where")
    await page.keyboard.type("@state = none and x >= 0")
    await page.keyboard.press("Enter")
    await expect(page.locator(".map-count")).to_contain_text(f"{30 - len(asked)} of 30 items")
    shown = list(await rows(page))
    assert not asked & set(shown)
    await reach(f"Choose {shown[0]}")
    await page.keyboard.press("Space")
    await expect(page.get_by_role("group", name="Chosen items")).to_contain_text("1 item is chosen")
    await reach(shown[0])
    await page.keyboard.press("Enter")
    await expect(page.locator(".item-id")).to_have_text(shown[0])
    await reach("Ask for its label")
    await page.keyboard.press("Enter")
    await world.until(lambda: len(served.app.selection.asked) == 1, "it is asked for")
    await expect(page.locator("#live")).to_contain_text("found")


async def test_a_mistake_in_the_filter_is_said_in_a_sentence(desks: MakeDesks, open_desk: OpenDesk) -> None:
    world, (served,) = await desks(BUDGET)
    await kept(world, served, 10)
    page = await open_desk(served, "explore", allowed=("422",))
    await page.get_by_label("Search and filter").fill("x >")
    await page.keyboard.press("Enter")
    await expect(page.locator(".filter [role=alert]")).to_contain_text("write a value after it")
    await page.get_by_label("Search and filter").fill("x > 0.5")
    await page.keyboard.press("Enter")
    await expect(page.locator(".filter [role=alert]")).to_be_hidden()
    wanted = {f"s{n}" for n in range(10) if sample(n)["features"]["x"] > 0.5}
    await expect(page.locator("table.items tbody tr")).to_have_count(len(wanted))
    assert (await rows(page)).keys() == wanted
    await page.get_by_label("Search and filter").fill("amount > 0.5")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("The filter finds nothing. The features of the items are ")).to_be_visible()


async def test_each_colouring_has_a_legend_with_the_counts(desks: MakeDesks, open_desk: OpenDesk) -> None:
    world, (served,) = await desks(BUDGET)
    await kept(world, served, 40)
    page = await open_desk(served, "explore")
    legend = page.get_by_role("group", name="Legend")
    decisions = [one.decision for one in served.app.desk.recent]
    labels = Counter(e["label"] for e in await world.examples())
    await page.get_by_label("Colour by").select_option("reason")
    for reason, number in Counter(one.reason.value for one in decisions).items():
        said = {"below": "not chosen", "explore": "drawn at random", "warmup": "first samples"}
        said |= {"uncertain": "uncertain: asked for", "spent": "budget spent"}
        await expect(legend).to_contain_text(f"{said[reason]} ({number})")
    await page.get_by_label("Colour by").select_option("label")
    for label, number in labels.items():
        await expect(legend).to_contain_text(f"{label} ({number})")
    await expect(legend).to_contain_text(f"no label ({40 - labels.total()})")


async def test_chosen_items_are_exported_as_json_lines(desks: MakeDesks, open_desk: OpenDesk) -> None:
    world, (served,) = await desks(BUDGET)
    await kept(world, served, 10)
    page = await open_desk(served, "explore")
    await page.get_by_role("button", name="Choose this page").click()
    async with page.expect_download() as waiting:
        await page.get_by_role("button", name="Export").click()
    path = await (await waiting.value).path()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert {line["id"]: line["features"] for line in lines} == {
        f"s{n}": sample(n)["features"] for n in range(10)
    }


async def test_who_may_only_label_sees_everything_and_asks_for_nothing(
    desks: MakeDesks, open_desk: OpenDesk
) -> None:
    world, (served,) = await desks(BUDGET, *CLOSED)
    await kept(world, served, 10)
    page = await open_desk(served, "explore", allowed=("401",))
    await page.get_by_label("Token").fill(TOKENS[Role.LABEL])
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("checkbox", name="Choose s3").check()
    await expect(page.get_by_role("button", name="Ask for labels")).to_be_disabled()
    await expect(page.get_by_role("button", name="Export")).to_be_enabled()
    await page.evaluate("location.hash = 'watch'")
    await expect(page.get_by_role("group", name="Time shown")).to_be_visible()
    await expect(page.get_by_role("button", name="Pause")).to_have_count(0)
