"""The pictures of the desk in the documents: `python -m tests.desk.pictures [DIRECTORY]`, some minutes.

A service on the embedded broker gets invented payments (those of `deploy/RECIPES.md`). Three simulated people
label over HTTP, one of them carelessly, and a browser opens each page: light, dark, and as a phone shows it.
"""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.async_api import Browser, async_playwright

from stream_al.client import AsyncClient
from stream_al.demo.annotator import Colleagues
from stream_al.demo.broker import embedded
from stream_al.simulate.people.crew import crew, parse_crew
from tests.documents.markdown import ROOT, block
from tests.documents.recipes import PAGE as RECIPES
from tests.ports import free_port
from tests.support.processes import Server, options, run

__all__ = ["DIRECTORY", "LOOKS", "PAGES"]

DIRECTORY = ROOT / "deploy" / "desk"
PAYMENTS, FRAUD = 40_000, 0.1
RATE = 30  # payments a second, sent once a second
LABELS = 200  # learned before the pictures, so that there is something to see
LIMIT_SECONDS = 900
PEOPLE = "ada: error=0.02, speed=5400; ben: error=0.04, speed=4500; cleo: error=0.3, speed=3300"
GUIDELINES = """# What counts as fraud
Decide for the **intent** of the payer.

- A gift card or crypto from a new card: probably *fraud*.
- In doubt, skip with a reason.
"""
SETTINGS = (
    *("application=payments", "topics.partitions=2", "budget={share: 0.1, pending: 500}"),
    *("labels={classes: [fine, fraud], second_share: 0.15}", f"desk.guidelines={json.dumps(GUIDELINES)}"),
    *("kafka.idempotent=false", "kafka.session_timeout_seconds=3", "limits.poll_seconds=0.01"),
)
PAGES = {
    "label": ".features th",
    "watch": ".charts svg",
    "explore": ".items tbody tr",
    "quality": ".page-quality h1",
}
"""What has to be there before a page is drawn."""
DESKTOP, PHONE = {"width": 1200, "height": 760}, {"width": 390, "height": 760}
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"viewport": DESKTOP, "color_scheme": "light"},
    "dark": {"viewport": DESKTOP, "color_scheme": "dark"},
    "phone": {"viewport": PHONE, "color_scheme": "light", "has_touch": True},
}
COLOURS = 128


def payments(directory: Path) -> Iterator[dict[str, Any]]:
    """The payments of the recipes, each with its label and with what only the annotator is shown."""
    program = directory / "payments.py"
    program.write_text(block(RECIPES, "payments.py"), encoding="utf-8")
    made = subprocess.run(  # noqa: S603 - the program that our own page shows
        [sys.executable, str(program), str(PAYMENTS), str(FRAUD)], capture_output=True, text=True, check=True
    )
    for number, line in enumerate(made.stdout.splitlines()):
        yield json.loads(line) | {"payload": {"receipt": f"https://shop.example/receipts/{number}"}}


async def play(client: AsyncClient, rows: list[dict[str, Any]]) -> None:
    """Send the payments at their rate."""
    for begin in range(0, len(rows), RATE):
        await client.send(
            [
                {name: row[name] for name in ("id", "features", "payload")}
                for row in rows[begin : begin + RATE]
            ]
        )
        await asyncio.sleep(1)


async def photograph(browser: Browser, url: str, directory: Path) -> None:
    """One file for each page and look."""
    for look, context in LOOKS.items():
        session = await browser.new_context(**context)
        await session.add_init_script("localStorage.setItem('stream_al.annotator', 'dana')")
        page = await session.new_page()
        for name, there in PAGES.items():
            await page.goto(f"{url}/desk#{name}")
            await page.wait_for_selector(there, timeout=120_000)
            if name == "explore":
                await page.fill("#where", "country = NL")
                await page.keyboard.press("Enter")
                await page.locator(".items th button").nth(2).click()
                await page.wait_for_selector(".item-id >> text=txn")
                await page.evaluate("scrollTo(0, 0)")
            if name == "watch":
                await page.click("text=5 minutes")
            await asyncio.sleep(0.5)  # colours fade in
            write(await page.screenshot(), directory / f"{name}-{look}.png")
        await session.close()


def write(picture: bytes, file: Path) -> None:
    """Keep a picture small: so few colours suffice for a page."""
    small = Image.open(io.BytesIO(picture)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    small.save(file, optimize=True)


async def draw(directory: Path) -> None:
    """Run a service until there is something to see, and draw its pages."""
    port = free_port()
    with embedded(port), tempfile.TemporaryDirectory(prefix="stream_al-") as place:
        rows = list(payments(Path(place)))
        settings = [*SETTINGS, f"kafka.bootstrap_servers=127.0.0.1:{port}"]
        assert await run("topics", "create", *options(settings)) == (0, "")
        server = Server(settings, Path(place), "desk")
        team = crew(parse_crew(PEOPLE), ["fine", "fraud"], 0)
        people = Colleagues(lambda: server.url, {row["id"]: row["label"] for row in rows}, team)
        tasks: list[asyncio.Task[None]] = []
        try:
            await server.start()
            async with AsyncClient(server.url) as client, asyncio.timeout(LIMIT_SECONDS):
                tasks = [asyncio.create_task(people.run()), asyncio.create_task(play(client, rows))]
                while (await server.status())["examples"]["outcomes"]["learned"] < LABELS:
                    for task in tasks:
                        assert not task.done(), task.exception()
                    await asyncio.sleep(1)
                async with async_playwright() as playwright:
                    program = shutil.which("chromium")
                    browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
                    await photograph(browser, server.url, directory)
                    await browser.close()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await server.close()


if __name__ == "__main__":
    target = Path(sys.argv[1]) if sys.argv[1:] else DIRECTORY
    target.mkdir(parents=True, exist_ok=True)
    asyncio.run(draw(target))
