"""What a desk shows of a record is never markup, and nothing is loaded from a host that is not allowed."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.desk.desk_server import MakeDesks, OpenDesk, Served
from tests.support.stream import query
from tests.support.world import World

pytestmark = pytest.mark.long

PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5Er"
    "kJggg=="
)
SILENCE = "data:audio/wav;base64,UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA="
MARKUP = "<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script>"


async def show(
    desks: MakeDesks, open_desk: OpenDesk, *given: str, **members: Any
) -> tuple[World, Served, Page]:
    """A desk that shows one query with these members."""
    world, (served,) = await desks(*given)
    await world.send(world.topics.queries, [{**query("s1"), **members}])
    await world.until(lambda: len(served.app.pending) == 1, "it is known")
    page = await open_desk(served)
    await expect(page.locator(".item")).to_be_visible()
    return world, served, page


async def test_what_a_record_holds_is_text(desks: MakeDesks, open_desk: OpenDesk) -> None:
    """Names, values, ids, classes, payloads, guidelines: markup in them is shown and not run."""
    link = f"[{MARKUP}](javascript:alert(1))"
    _, served, page = await show(
        desks,
        open_desk,
        f"desk.guidelines='{link.replace(chr(39), chr(34))} {MARKUP.replace(chr(39), chr(34))}'",
        "labels.classes=[]",
        features={MARKUP: MARKUP, "text": f"{MARKUP} and more words than a table cell should hold at all"},
        payload={"note": MARKUP, "link": "javascript:document.title='broken'", "frame": "data:text/html,x"},
        prediction={"label": MARKUP, "probabilities": {MARKUP: 1.0}},
    )
    await page.keyboard.press("g")
    await expect(page.locator(".guess-row")).to_contain_text("<script>")
    await expect(page.locator(".json")).to_contain_text("javascript:")
    assert await page.locator("main img, main script, main iframe, main a").count() == 0
    assert await page.title() == f"{served.app.settings.application} · desk"


async def test_images_and_sounds_in_the_payload_are_shown(desks: MakeDesks, open_desk: OpenDesk) -> None:
    payload = {
        "picture": PIXEL,
        "voice": SILENCE,
        "order": {"lines": [1, 2]},
        "page": "https://shop.example/1",
    }
    _, _, page = await show(desks, open_desk, payload=payload)
    picture = page.locator(".picture img")
    await expect(picture).to_have_js_property("naturalWidth", 1)
    await page.keyboard.press("+")
    await expect(page.locator(".picture")).to_have_class("picture natural")
    await page.keyboard.press("z")
    await expect(page.locator(".picture")).to_have_class("picture")
    await page.keyboard.press("]")
    assert "brightness" in await picture.evaluate("one => one.style.filter")
    await expect(page.locator("audio")).to_have_js_property("error", None)
    await page.keyboard.press(".")
    await expect(page.locator("audio")).to_have_js_property("playbackRate", 1.25)
    link = page.get_by_role("link", name="https://shop.example/1")
    assert await link.get_attribute("rel") == "noopener noreferrer"
    await expect(page.locator(".json")).to_contain_text('"lines"')


async def test_only_hosts_of_the_settings_are_asked_for_media(desks: MakeDesks, open_desk: OpenDesk) -> None:
    """Another host is a link: `open_desk` fails for every request to elsewhere."""
    here, there = "http://127.0.0.1:9/a.png", "http://media.example/a.png"
    _, _, page = await show(desks, open_desk, "desk.media_hosts=[cdn.example]", payload=[here, there])
    await expect(page.locator(".outside")).to_have_count(2)
    assert await page.locator("main img").count() == 0
    found = await page.evaluate(
        """async () => {
            const { mayLoad } = await import("/desk/payload.js");
            const hosts = ["cdn.example", "*.wide.example", "https://safe.example:8443"];
            return ["http://cdn.example/a.png", "http://cdn.example:81/a.png", "http://x.cdn.example/a.png",
                    "http://a.wide.example/x.png", "http://wide.example/x.png", "http://evilwide.example/x.png",
                    "https://safe.example:8443/x.mp3", "http://safe.example:8443/x.mp3"]
                .map((one) => mayLoad(one, hosts));
        }"""
    )
    assert found == [True, False, False, True, False, False, True, False]


@pytest.mark.parametrize("size", [{"width": 1280, "height": 720}, {"width": 390, "height": 700}])
async def test_a_large_query_leaves_its_classes_and_actions_in_sight(
    desks: MakeDesks, open_desk: OpenDesk, size: dict[str, int]
) -> None:
    """With 200 classes, 300 features and a long text; and the next query is seen from its top."""
    names = ", ".join(f"kind-{number}" for number in range(200))
    world, (served,) = await desks(
        f"labels.classes=[{names}]", "model.definition=auto", "model.max_classes=300"
    )
    features = {f"f{n}": n / 7 for n in range(300)} | {"text": "many words " * 500}
    await world.send(world.topics.queries, [{**query(name), "features": features} for name in ("s1", "s2")])
    await world.until(lambda: len(served.app.pending) == 2, "both are known")
    page = await open_desk(served, viewport=size)
    for name in ("Skip", "Flag"):
        await expect(page.get_by_role("button", name=name)).to_be_in_viewport(ratio=1)
    await expect(page.locator(".features tbody tr")).to_have_count(40)
    await page.get_by_role("button", name="Show 260 more features").click()
    await expect(page.locator(".features tbody tr")).to_have_count(300)
    before = await page.locator(".item h1").inner_text()
    await page.evaluate("window.scrollTo(0, 4000)")
    await page.keyboard.press("1")
    await expect(page.locator(".item h1")).not_to_have_text(before)
    await expect(page.locator(".item h1")).to_be_in_viewport(ratio=1)
    await expect(page.locator(".features tbody tr")).to_have_count(40)


async def test_features_that_move_the_model_most_come_first(desks: MakeDesks, open_desk: OpenDesk) -> None:
    """`x` decides, and `y` says nothing; the words of a text are marked only with the guess."""
    world, (served,) = await desks("model.definition=auto", "labels.classes=[]")
    told = [("free prize now winner", "spam"), ("see you at dinner love", "ham")] * 15
    labels = [
        {"id": f"t{place}", "label": kind, "features": {"a": 1.0 * (place % 3), "text": text}}
        for place, (text, kind) in enumerate(told)
    ]
    await world.send(world.topics.labels, labels)
    await world.until(lambda: served.app.local_model.model.examples == len(told), "all is learned")
    text = "dear winner your prize waits and it is all for you"
    shown = {**query("s1"), "features": {"a": 1.0, "text": text}}
    shown["prediction"] = {"label": "spam", "probabilities": {"spam": 0.7, "ham": 0.3}}
    await world.send(world.topics.queries, [shown])
    await world.until(lambda: len(served.app.pending) == 1, "it is known")
    page = await open_desk(served)
    await expect(page.locator(".effect")).to_have_count(1)
    assert await page.locator("mark").count() == 0
    await page.keyboard.press("g")
    await expect(page.locator(".text mark", has_text="winner")).to_have_class("")
    assert await page.locator(".text mark").count() >= 2
