"""Quality in a browser: from a figure to its samples, relabelling, and a wrong label that is corrected."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from playwright.async_api import Page, expect

from stream_al.identity import version_of
from stream_al.messages import Example, Prediction
from stream_al.service.http.access.roles import Role
from tests.desk.desk_server import MakeDesks, OpenDesk, Served
from tests.desk.labelling import KEYS, asked, shown
from tests.support.http_server import CLOSED, TOKENS
from tests.support.stream import sample, truth
from tests.support.world import World

pytestmark = pytest.mark.long

PHONE = {"width": 360, "height": 740}
SHOTS = os.environ.get("STREAM_AL_SHOTS")
"""A folder for pictures of the page, to look at."""
OTHER = {"up": "down", "down": "up"}
AT_ONCE = "labels.second_share=0.2"


def example(
    number: int, label: str, by: str = "ann", *, reason: str = "uncertain", p: float = 0.9
) -> Example:
    """The first label of a sample; p is the probability of `up`."""
    at = f"2026-01-01T00:{number // 10 % 60:02}:{6 * number % 60:02}Z"
    said = Prediction("up" if p >= 0.5 else "down", {"up": p, "down": 1 - p})
    features = {"amount": number / 7, "country": ["NL", "BE", "DE", "FR"][number % 4], "x": number % 5 / 5}
    given = {"propensity": 0.25 if number % 3 else 0.75, "prediction": said, "labelled_at": at}
    return Example(f"s{number}", label, features, annotator=by, reason=reason, **given)  # type: ignore[arg-type]


def again(first: Example, label: str, by: str, before: list[str]) -> Example:
    version = version_of(first.features or {})
    name = f"{first.id}~{len(before) + 1}"
    return Example(name, label, annotator=by, version=version, second_of=first.id, labelled_by=before)


def rich() -> list[Example]:
    """A log with something in every list of the page."""
    log: list[Example] = []
    for number in range(400):
        fails = number % 4 == 2 and number % 16 < 12
        p = 0.9 if number % 2 else 0.2
        says = "up" if p >= 0.5 else "down"
        who, reason = "ann" if number % 3 else "bob", "explore" if number % 8 == 1 else "uncertain"
        log.append(example(number, OTHER[says] if fails else says, who, reason=reason, p=p))
    for number in range(3):
        log.append(again(log[number], log[number].label if number else "up", "eve", ["ann"]))  # type: ignore[arg-type]
    log.append(again(log[0], "up", "joe", ["ann", "eve"]))
    log.append(again(log[5], "down", "eve", ["ann"]))
    log.append(example(401, "down", reason="explore", p=0.97))
    log.append(example(402, "down", p=0.97))
    log.append(
        msgspec.structs.replace(example(403, "up"), flagged=True, comment="The amount cannot be right")
    )
    log.append(Example("s7", "down", annotator="zoe", version=version_of(log[7].features or {})))
    return log


async def fold(world: World, served: Served, log: list[Example]) -> None:
    """Send examples whose predictions the model of now made, and wait until they are folded."""
    stamp = served.app.local_model.stamp()
    log = [msgspec.structs.replace(one, model=stamp) if one.prediction else one for one in log]
    await world.send(world.topics.examples, [msgspec.to_builtins(one) for one in log])
    end = len(await world.records(world.topics.examples))
    await world.until(lambda: served.app.local_model.learner.offset == end, "all is folded")


async def named(open_desk: OpenDesk, served: Served, name: str, place: str) -> Page:
    """The desk of a person."""
    page = await open_desk(served, "watch")
    await page.evaluate("name => localStorage.setItem('stream_al.annotator', name)", name)
    await page.goto(f"{served.url}/desk#{place}")
    await page.reload()
    return page


def right(query_id: str) -> str:
    return truth(sample(int(query_id.split("~", maxsplit=1)[0][1:]))["features"])


async def test_a_wrong_label_is_found_by_a_second_label_and_corrected(
    desks: MakeDesks, open_desk: OpenDesk
) -> None:
    """One annotator errs, another is asked by a button, and an operator decides. The model is built anew."""
    world, (served,) = await desks()
    await asked(world, [served], 3)
    ann = await named(open_desk, served, "ann", "label")
    await expect(ann.locator(".item")).to_be_visible()
    wrong = await shown(ann)
    await ann.keyboard.press(KEYS[OTHER[right(wrong)]])
    await expect(ann.locator(".item h1")).not_to_have_text(wrong)
    model = served.app.local_model
    await world.until(lambda: model.model.examples == 1, "the wrong label is learned")
    await ann.close()
    boss = await named(open_desk, served, "boss", f"quality?id={wrong}")
    await boss.get_by_role("button", name=f"Ask another annotator: {wrong}").click()
    await expect(boss.locator(".said")).to_contain_text(f"Another annotator will be asked about {wrong}")
    await expect(boss.get_by_role("button", name="Waits for the budget")).to_be_disabled()
    second = f"{wrong}~2"
    start = len(await world.decided())
    await world.samples(10, start)
    await world.until(lambda: second in served.app.pending, "the second query is published")
    (query,) = [one for one in await world.queries() if one["id"] == second]
    assert (query["labelled_by"], query["second_of"]) == (["ann"], wrong)

    bob = await named(open_desk, served, "bob", "label")
    await expect(bob.locator(".item")).to_be_visible()
    while True:
        asked_now = await shown(bob)
        await bob.keyboard.press(KEYS[right(asked_now)])
        if asked_now == second:
            break
        await expect(bob.locator(".item h1")).not_to_have_text(asked_now)
    await bob.goto(f"{served.url}/desk#watch")  # what waits for an undo is sent
    await world.until(lambda: model.learner.trust.second_labels == 1, "the second label is recorded")

    await boss.goto(f"{served.url}/desk#quality")
    card = boss.get_by_role("region", name="Labels that look wrong").or_(
        boss.locator("section", has=boss.get_by_role("heading", name="Labels that look wrong"))
    )
    await expect(card.first).to_contain_text("By second labels (1)")
    disputes = boss.locator("section", has=boss.get_by_role("heading", name="Disputes"))
    await expect(disputes).to_contain_text(f"ann: {OTHER[right(wrong)]}, bob: {right(wrong)}")
    await disputes.get_by_role("button", name=f"Correct the label of {wrong}").click()
    await boss.get_by_role("dialog").get_by_role("button", name=right(wrong), exact=True).click()
    sentence = f"{wrong} is corrected from {OTHER[right(wrong)]} to {right(wrong)}."
    await expect(boss.locator(".said")).to_have_text(sentence)
    await expect(disputes).to_contain_text("There is none.")
    await world.until(lambda: model.rebuilds == 1 and not model.rebuilding, "the model is built anew")
    assert model.learner.known[wrong] == right(wrong)
    (record,) = [one for one in await world.examples() if one.get("corrects")]
    assert (record["id"], record["label"], record["annotator"]) == (wrong, right(wrong), "boss")
    await boss.goto(f"{served.url}/desk#quality?id={wrong}")
    await expect(boss.locator(".sample .counts")).to_have_text(right(wrong))
    await expect(boss.locator(".sample")).to_contain_text("corrected")


async def test_a_cell_leads_to_its_samples_and_one_is_corrected_there(
    desks: MakeDesks, open_desk: OpenDesk
) -> None:
    world, (served,) = await desks()
    await fold(world, served, rich())
    page = await open_desk(served, "quality")
    cells = served.app.local_model.learner.trust.confusion.cells
    await page.get_by_role("button", name="Labels bought", exact=True).click()
    cell = page.get_by_role("button", name="Label up, predicted down: ")
    await expect(cell).to_have_text(str(cells["up", "down"].labels))
    await cell.click()
    await expect(page.locator(".items-head")).to_contain_text(f"of {cells['up', 'down'].labels}, the newest")
    await page.get_by_role("button", name="Next page").click()
    await expect(page.locator(".items-head")).to_contain_text("26 to 50")
    first = page.locator(".sample").first
    sample_id = await first.locator("h2").inner_text()
    await first.get_by_role("button", name=f"Correct the label of {sample_id}").click()
    await page.keyboard.press("1")
    await expect(page.locator(".said")).to_have_text(f"{sample_id} is corrected from up to down.")
    await expect(page.locator(f".sample[data-id='{sample_id}'] .counts")).to_have_text("down")
    assert served.app.local_model.learner.known[sample_id] == "down"
    await page.go_back()
    await expect(page.get_by_role("heading", name="Confusion matrix")).to_be_visible()


async def test_every_list_is_filled_and_where_the_model_fails_leads_on(
    desks: MakeDesks, open_desk: OpenDesk
) -> None:
    world, (served,) = await desks("labels.correct_by_consensus=false")
    await fold(world, served, rich())
    page = await open_desk(served, "quality")

    def part(title: str) -> Any:
        return page.locator("section", has=page.get_by_role("heading", name=title, exact=True))

    await expect(part("Where the model fails")).to_contain_text('country = "de"')
    await expect(part("Proposals")).to_contain_text("s0")
    await expect(part("Disputes")).to_contain_text("eve: down")
    await expect(part("Conflicts")).to_contain_text("zoe")
    await expect(part("Flagged samples")).to_contain_text("The amount cannot be right")
    await expect(part("Labels that look wrong")).to_contain_text("drawn at random (1)")
    await expect(part("Annotators").get_by_role("row", name="Samples that ann labelled")).to_contain_text("(")
    await part("Proposals").get_by_role("button", name="Correct s0 to up").click()
    await expect(page.locator(".said")).to_have_text("s0 is corrected from down to up.")
    await part("Where the model fails").get_by_role("button", name="Labelled samples of").first.click()
    await expect(page.locator(".sample").first).to_contain_text("DE")
    assert await page.locator(".sample").count() == 25


async def test_the_keyboard_alone_opens_a_cell_and_corrects(desks: MakeDesks, open_desk: OpenDesk) -> None:
    world, (served,) = await desks()
    await fold(world, served, rich())
    page = await open_desk(served, "quality")
    await expect(page.get_by_role("heading", name="Confusion matrix")).to_be_visible()

    async def reach(name: str) -> None:
        for _ in range(80):
            await page.keyboard.press("Tab")
            held = "document.activeElement.getAttribute('aria-label') || document.activeElement.textContent"
            if (await page.evaluate(held)).startswith(name):
                return
        pytest.fail(f"Tab does not lead to {name}")

    await reach("Label down, predicted up")
    await page.keyboard.press("Enter")
    await expect(page.locator(".sample").first).to_be_visible()
    sample_id = await page.locator(".sample h2").first.inner_text()
    await reach(f"Correct the label of {sample_id}")
    await page.keyboard.press("Enter")
    await page.keyboard.press("2")
    await expect(page.locator(".said")).to_have_text(f"{sample_id} is corrected from down to up.")


async def test_who_may_only_read_changes_nothing(desks: MakeDesks, open_desk: OpenDesk) -> None:
    world, (served,) = await desks(*CLOSED)
    await fold(world, served, rich())
    page = await open_desk(served, "quality?id=s1", allowed=("401",))
    await page.get_by_label("Token").fill(TOKENS[Role.READ])
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("button", name="Ask another annotator: s1")).to_be_disabled()
    await expect(page.get_by_role("button", name="Correct the label of s1")).to_be_disabled()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_full_page_has_no_serious_finding_of_axe_and_fits_a_phone(
    desks: MakeDesks, open_desk: OpenDesk, axe: str, scheme: str
) -> None:
    world, (served,) = await desks("labels.correct_by_consensus=false")
    await fold(world, served, rich())
    for kind, size in (("desk", {"width": 1280, "height": 860}), ("phone", PHONE)):
        page = await open_desk(served, "quality", color_scheme=scheme, viewport=size)
        for place in ("quality", "quality?flagged=true", 'quality?actual="up"&predicted="down"'):
            await page.goto(f"{served.url}/desk#{place}")
            drawn = (
                page.locator(".sample").first if "?" in place else page.locator("code", has_text="country")
            )
            await expect(drawn).to_be_visible()
            await page.evaluate(f"{axe}; undefined")
            found = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
            bad = [one for one in found["violations"] if one["impact"] in ("serious", "critical")]
            assert not bad, json.dumps(bad, indent=1)[:4000]
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), place
            if SHOTS:
                name = f"quality-{scheme}-{kind}-{place.split('?')[-1][:6]}.png"
                await page.screenshot(path=Path(SHOTS) / name, full_page=True)
        await page.close()
