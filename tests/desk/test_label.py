"""People label in a browser, and their labels are learned."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from typing import Any

import pytest
from playwright.async_api import Page, Route, expect

from tests.desk.desk_server import MakeDesks, OpenDesk, Served
from tests.desk.labelling import KEYS, asked, shown
from tests.support.flow import joined
from tests.support.stream import sample, truth
from tests.support.world import World

pytestmark = pytest.mark.long

LABELS = 20
OUTCOMES = ("labelled", "duplicate", "conflict")
PREDICTION = {"label": "up", "probabilities": {"up": 0.6, "down": 0.4}}


def right_key(sample_id: str) -> str:
    return KEYS[truth(sample(int(sample_id[1:]))["features"])]


async def press_next(page: Page, key: str) -> str:
    """Press a key for the query that is shown, and wait for the next one; the id of the first."""
    before = await shown(page)
    await page.keyboard.press(key)
    await expect(page.locator(".item h1")).not_to_have_text(before)
    return before


async def test_labels_given_by_keyboard_are_learned(desks: MakeDesks, open_desk: OpenDesk) -> None:
    """Each is of the query shown, with its class and its type, and says that the guess was not seen."""
    world, (served,) = await desks()
    await asked(world, [served], LABELS + 2)
    page = await open_desk(served)
    given = {}
    for _ in range(LABELS):
        await expect(page.locator(".item")).to_be_visible()
        key = right_key(await shown(page))
        given[await press_next(page, key)] = key
    assert len(given) == LABELS
    await expect(page.locator(".figures div").first).to_contain_text(str(LABELS))
    await world.until(lambda: served.app.local_model.model.examples == LABELS, "all labels are learned")
    examples = {one["id"]: one for one in await world.examples()}
    assert {one: KEYS[found["label"]] for one, found in examples.items()} == given
    assert all(found["guess_shown"] is False for found in examples.values())


async def test_sessions_on_two_replicas_never_label_the_same_query(
    desks: MakeDesks, open_desk: OpenDesk
) -> None:
    """Two browsers on two replicas, at the same time, as fast as they can."""
    world, replicas = await desks(replicas=2)
    await asked(world, replicas, 2 * LABELS + 12)
    pages = [await open_desk(replica) for replica in replicas]

    async def work(page: Page) -> list[str]:
        await expect(page.locator(".item")).to_be_visible()
        return [await press_next(page, "1") for _ in range(LABELS)]

    done = await asyncio.gather(*map(work, pages))
    twice = [one for one, number in Counter([*done[0], *done[1]]).items() if number > 1]
    assert not twice
    await world.until(lambda: joined(world, 2 * LABELS), "all are joined")

    def outcomes() -> dict[str, float]:
        return {name: sum(one.metric("labels_total", outcome=name) for one in replicas) for name in OUTCOMES}

    await world.until(lambda: sum(outcomes().values()) >= 2 * LABELS, "all are counted")
    assert outcomes() == {"labelled": 2 * LABELS, "duplicate": 0, "conflict": 0}


async def learned(world: World, sample_id: str) -> bool:
    return sample_id in {one["id"] for one in await world.examples()}


async def test_a_lease_that_runs_out_gives_its_query_to_others(desks: MakeDesks, open_desk: OpenDesk) -> None:
    """A tab that dies gives nothing back. Its queries come to another one when its leases are over."""
    world, (served,) = await desks("labels.lease_seconds=60")
    assert world.broker
    await world.ask("s1")
    await world.until(lambda: len(served.app.pending) == 1, "it is known")
    page = await open_desk(served)
    await expect(page.locator(".item h1")).to_have_text("s1")
    await crash(page)
    other = await open_desk(served)
    await expect(other.locator(".empty h1")).to_have_text("All queries are taken")
    world.broker.now_ms += 61_000
    await world.send(world.topics.leases, [b"{}"], [b"time"])  # time passes with records
    await expect(other.locator(".item h1")).to_have_text("s1")
    await other.keyboard.press("2")
    await other.keyboard.press("u")
    await expect(other.locator(".item h1")).to_have_text("s1")


async def crash(page: Page) -> None:
    """End the process of a page at once, so that none of its handlers runs."""
    ended = asyncio.Event()
    page.once("crash", lambda _: ended.set())
    opened = asyncio.ensure_future(page.goto("chrome://crash"))
    await ended.wait()
    await asyncio.gather(opened, return_exceptions=True)
    await page.close()


async def test_a_tab_that_is_duplicated_holds_other_queries(desks: MakeDesks, open_desk: OpenDesk) -> None:
    """A browser copies the storage of a tab, and with it the name that its leases are held under."""
    world, (served,) = await desks()
    await asked(world, [served], 2 * LABELS)
    page = await open_desk(served)
    await expect(page.locator(".item")).to_be_visible()
    async with page.context.expect_page() as opening:
        await page.evaluate("window.open(location.href)")
    copy = await opening.value
    await expect(copy.locator(".item")).to_be_visible()
    assert await shown(copy) != await shown(page)
    holders = [await one.evaluate("sessionStorage['stream_al.holder']") for one in (page, copy)]
    assert holders[0] != holders[1]


async def test_a_reload_keeps_the_name_of_the_tab(desks: MakeDesks, open_desk: OpenDesk) -> None:
    world, (served,) = await desks()
    await asked(world, [served], 4)
    page = await open_desk(served)
    await expect(page.locator(".item")).to_be_visible()
    before = await page.evaluate("sessionStorage['stream_al.holder']")
    await page.reload()
    await expect(page.locator(".item")).to_be_visible()
    assert await page.evaluate("sessionStorage['stream_al.holder']") == before


async def test_who_may_only_read_is_offered_no_class(desks: MakeDesks, open_desk: OpenDesk) -> None:
    world, (served,) = await desks("http.read_tokens=eve:0123456789abcdef")
    await world.ask("s1")
    page = await open_desk(served, allowed=("401",))
    await page.get_by_label("Token").fill("0123456789abcdef")
    await page.keyboard.press("Enter")
    await expect(page.locator(".empty")).to_contain_text("may read")
    assert await page.locator(".class").count() == 0


async def test_a_page_that_is_left_gives_its_queries_back(desks: MakeDesks, open_desk: OpenDesk) -> None:
    world, (served,) = await desks()
    await world.ask("s1", "s2")
    await world.until(lambda: len(served.app.pending) == 2, "they are known")
    page = await open_desk(served)
    await expect(page.locator(".item")).to_be_visible()
    await page.close(run_before_unload=True)
    await world.until(lambda: served.app.pending.order.free == 2, "both are free")


async def test_what_is_undone_is_never_sent(desks: MakeDesks, open_desk: OpenDesk) -> None:
    """The query comes back, and only the label that is given then reaches the log."""
    world, (served,) = await desks()
    await asked(world, [served], 5)
    page = await open_desk(served)
    await expect(page.locator(".item")).to_be_visible()
    first = await press_next(page, "1")
    await page.keyboard.press("u")
    await expect(page.locator(".item h1")).to_have_text(first)
    await press_next(page, "2")
    await press_next(page, "1")  # sends the one before it
    await world.until(lambda: learned(world, first), "it is joined")
    sent = [one for one in await world.messages(world.topics.labels) if one["id"] == first]
    assert [one["label"] for one in sent] == ["up"]


async def test_the_last_label_is_sent_when_the_page_is_left(desks: MakeDesks, open_desk: OpenDesk) -> None:
    world, (served,) = await desks()
    await world.ask("s1")
    await world.until(lambda: len(served.app.pending) == 1, "it is known")
    page = await open_desk(served)
    await expect(page.locator(".item")).to_be_visible()
    await page.keyboard.press("2")
    await expect(page.locator(".held")).to_contain_text("up")
    await page.close(run_before_unload=True)
    await world.until(lambda: joined(world, 1), "it is learned")
    (example,) = await world.examples()
    assert (example["id"], example["label"]) == ("s1", "up")


async def test_a_skip_has_its_reason_and_a_flag_its_comment(desks: MakeDesks, open_desk: OpenDesk) -> None:
    """A skip is counted by reason and leaves no example; a flag and its comment reach the example."""
    world, (served,) = await desks()
    await asked(world, [served], 6)
    page = await open_desk(served)
    await expect(page.locator(".item")).to_be_visible()
    skipped = await shown(page)
    await page.keyboard.press("s")
    await page.keyboard.press("2")
    await expect(page.locator(".item h1")).not_to_have_text(skipped)
    flagged = await shown(page)
    await page.keyboard.press("f")
    await page.keyboard.type("Look at 1 and 2")  # no shortcut while it is typed
    await page.keyboard.press("Escape")
    await press_next(page, "1")
    await press_next(page, "1")
    await world.until(lambda: learned(world, flagged), "it is joined")
    example = next(one for one in await world.examples() if one["id"] == flagged)
    assert (example["flagged"], example["comment"]) == (True, "Look at 1 and 2")
    await world.until(lambda: served.app.skips.counts == {"not enough to decide": 1}, "it is counted")
    assert served.metric("skipped_labels_total", reason="not enough to decide") == 1
    assert skipped not in {one["id"] for one in await world.examples()}


async def test_the_guess_is_hidden_until_a_key_and_never_there_for_random_queries(
    desks: MakeDesks, open_desk: OpenDesk
) -> None:
    world, (served,) = await desks()
    base = {**(await queried(world, served, "s1")), "prediction": PREDICTION, "utility": 0.9}
    explored = {**base, "id": "s2", "reason": "explore", "utility": 0.8, "features": {"x": 0.1}}
    last = {**base, "id": "s3", "utility": 0.7, "features": {"x": 0.2}}
    second = {**base, "id": "s4", "utility": 0.6, "features": {"x": 0.3}, "second_of": "s0"}
    await world.send(world.topics.queries, [base, explored, last, second])
    await world.until(lambda: len(served.app.pending) == 4, "they are known")
    page = await open_desk(served)
    await expect(page.locator(".item h1")).to_have_text("s1")
    assert await page.locator(".guess-row").count() == 0
    await page.keyboard.press("g")
    await expect(page.locator(".guess-row")).to_have_count(2)
    await press_next(page, "2")
    await expect(page.locator(".item h1")).to_have_text("s2")
    await page.keyboard.press("g")
    await expect(page.locator(".guess")).to_contain_text("drawn at random")
    assert await page.locator(".guess-row").count() == 0
    await press_next(page, "2")
    await press_next(page, "2")
    await expect(page.locator(".item h1")).to_have_text("s4")
    await page.keyboard.press("g")
    await expect(page.locator(".guess")).to_contain_text("Someone else")
    assert await page.locator(".guess-row").count() == 0
    await world.until(lambda: joined(world, 2), "they are joined")
    by_id = {one["id"]: one["guess_shown"] for one in await world.examples()}
    assert (by_id["s1"], by_id["s2"]) == (True, False)


async def queried(world: World, served: Served, sample_id: str) -> dict[str, Any]:
    """A query as on its topic."""
    await world.ask(sample_id)
    await world.until(lambda: len(served.app.pending) == 1, "it is known")
    return (await world.queries())[0]


async def test_while_queries_are_fetched_it_is_not_said_that_there_are_none(
    desks: MakeDesks, open_desk: OpenDesk
) -> None:
    """Who labels faster than the next queries come sees that they are on their way."""
    world, (served,) = await desks()
    await asked(world, [served], 20)
    page = await open_desk(served)
    await expect(page.locator(".item")).to_be_visible()
    held: list[Route] = []
    free = asyncio.Event()

    async def wait(route: Route) -> None:
        held.append(route)
        await free.wait()
        await route.continue_()

    await page.route("**/v1/leases", wait)
    while await page.locator(".item h1").count():
        before = await shown(page)
        await page.keyboard.press("1")
        await expect(page.locator("main")).not_to_contain_text(before)
    assert held
    await expect(page.get_by_role("heading", name="Looking for queries")).to_be_visible()
    free.set()
    await expect(page.locator(".item")).to_be_visible()


async def test_a_new_class_has_the_type_that_was_chosen(desks: MakeDesks, open_desk: OpenDesk) -> None:
    """At a cold start there is no class. 1 and "1" stay two classes."""
    world, (served,) = await desks("labels.classes=[]")
    await asked(world, [served], 6)
    page = await open_desk(served)
    await expect(page.locator(".item")).to_be_visible()
    for text, radio in (("1", "number"), ("1", "text"), ("maybe", None)):
        before = await shown(page)
        await page.keyboard.press("n")
        await page.keyboard.type(text)
        if radio:
            await page.get_by_role("radio", name=radio).check()
        await page.keyboard.press("Enter")
        await expect(page.locator(".item h1")).not_to_have_text(before)
    await press_next(page, "2")
    await press_next(page, "1")
    await press_next(page, "1")
    await world.until(lambda: joined(world, 5), "they are joined")
    labels = [one["label"] for one in await world.examples()][:5]
    assert [(type(one), one) for one in labels] == [
        (int, 1),
        (str, "1"),
        (str, "maybe"),
        (str, "1"),
        (int, 1),
    ]


async def test_many_classes_are_found_by_search(desks: MakeDesks, open_desk: OpenDesk) -> None:
    names = ", ".join(f"kind-{number}" for number in range(200))
    world, (served,) = await desks(
        f"labels.classes=[{names}]", "model.definition=auto", "model.max_classes=300"
    )
    await world.ask("s1", "s2")
    await world.until(lambda: len(served.app.pending) == 2, "they are known")
    page = await open_desk(served)
    await expect(page.locator(".item")).to_be_visible()
    before = await shown(page)
    await page.keyboard.press("/")
    await page.keyboard.type("d-17")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await expect(page.locator(".item h1")).not_to_have_text(before)
    await expect(page.locator(".held")).to_contain_text("kind-170")


async def test_everything_is_reached_by_tab_and_enter(desks: MakeDesks, open_desk: OpenDesk) -> None:
    """Every button has a name, and the class buttons work without their number keys."""
    world, (served,) = await desks()
    await asked(world, [served], 3)
    page = await open_desk(served)
    await expect(page.locator(".item")).to_be_visible()
    before, names = await shown(page), []
    for _ in range(40):
        await page.keyboard.press("Tab")
        name = await page.evaluate("document.activeElement?.innerText || document.activeElement?.ariaLabel")
        names.append(re.sub(r"\s+", " ", str(name)))
        if str(name).startswith("up"):
            break
    assert names[0] == "To the page"
    await page.keyboard.press("Enter")
    await expect(page.locator(".item h1")).not_to_have_text(before)
    await expect(page.locator("#live")).to_contain_text("Labelled up.")


async def test_a_label_waits_while_the_service_does_not_respond(
    desks: MakeDesks, open_desk: OpenDesk
) -> None:
    """It is sent when the service is back, once."""
    world, (served,) = await desks()
    await asked(world, [served], 6)
    page = await open_desk(served, allowed=("Failed to load resource",))
    await expect(page.locator(".item")).to_be_visible()
    await page.context.set_offline(True)
    first = await press_next(page, "1")
    await press_next(page, "2")
    await page.keyboard.press("1")
    await page.context.set_offline(False)
    await world.until(lambda: joined(world, 2), "they are joined")
    assert [one["id"] for one in await world.messages(world.topics.labels)].count(first) == 1


async def test_a_token_is_asked_for_and_only_then_there_is_data(
    desks: MakeDesks, open_desk: OpenDesk
) -> None:
    """A token that is not known is refused in a sentence; the name of the token labels."""
    world, (served,) = await desks("http.label_tokens=ann:0123456789abcdef")
    await world.ask("s1")
    await world.until(lambda: len(served.app.pending) == 1, "it is known")
    page = await open_desk(served, allowed=("401",))
    field = page.get_by_label("Token")
    await field.fill("wrong-0123456789")
    await page.keyboard.press("Enter")
    await expect(page.locator("dialog .bad")).to_contain_text("token is unknown")
    await page.get_by_label("Token").fill("0123456789abcdef")
    await page.keyboard.press("Enter")
    await expect(page.locator(".item h1")).to_have_text("s1")
    await page.keyboard.press("1")
    await page.evaluate("location.hash = '#watch'")  # leaving the page sends it
    await world.until(lambda: joined(world, 1), "it is joined")
    (example,) = await world.examples()
    assert (example["annotator"], example["via"]) == ("ann", "ann")
