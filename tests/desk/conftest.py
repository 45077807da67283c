"""Fixtures for tests in a browser: a real Chromium, and desks of replicas that serve it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.cache import held_cache
from tests.desk.desk_server import SERVED, MakeDesks, OpenDesk, Served, serve
from tests.support.replica import DEADLINE_SECONDS
from tests.support.world import MakeWorld, World

AXE = "4.10.3"
FETCH_SECONDS = 120
PATIENCE_MS = 1000 * DEADLINE_SECONDS
IN_CI = os.environ.get("CI") == "true"


def _need(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        reason = f"the desk is tested in a browser: install {program}"
        pytest.fail(reason) if IN_CI else pytest.skip(reason)
    return str(found)


@pytest.fixture(scope="session")
def axe() -> str:
    """The script of axe-core, fetched once from npm."""
    with held_cache("axe") as cache:
        file = cache / f"axe-{AXE}.min.js"
        if not file.exists():
            packed = [_need("npm"), "pack", f"axe-core@{AXE}", "--silent", "--pack-destination", str(cache)]
            subprocess.run(packed, check=True, timeout=FETCH_SECONDS, cwd=cache)  # noqa: S603
            with tarfile.open(cache / f"axe-core-{AXE}.tgz") as archive:
                member = archive.extractfile("package/axe.min.js")
                assert member is not None
                file.write_bytes(member.read())
        return file.read_text(encoding="utf-8")


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A Chromium without a window."""
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=_need("chromium"), args=["--no-sandbox"])
        yield chromium
        await chromium.close()


@pytest.fixture
def desks(memory_world: MakeWorld) -> MakeDesks:
    """Start replicas that serve the desk, on one broker in memory."""

    async def make(*given: str, replicas: int = 1) -> tuple[World, list[Served]]:
        world = await memory_world(*SERVED, *given)
        return world, [await serve(world, f"r{number}") for number in range(replicas)]

    return make


@pytest.fixture
async def open_desk(browser: Browser) -> AsyncIterator[OpenDesk]:
    """Open a desk in a session of its own. At the end no page may have had an error, or asked elsewhere."""
    wrong: list[str] = []

    async def make(
        served: Served, place: str = "label", allowed: tuple[str, ...] = (), **context: Any
    ) -> Page:
        session = await browser.new_context(**{"viewport": {"width": 1280, "height": 860}, **context})
        page = await session.new_page()
        page.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)

        def said(kind: str, text: str) -> None:
            if kind in ("error", "warning") and not any(part in text for part in allowed):
                wrong.append(f"{kind}: {text}")

        page.on("console", lambda message: said(message.type, message.text))
        page.on("pageerror", lambda error: said("error", str(error)))
        inside = (served.url, "data:", "blob:")
        page.on(
            "request",
            lambda request: None if request.url.startswith(inside) else wrong.append(f"asked {request.url}"),
        )
        await page.goto(f"{served.url}/desk#{place}")
        return page

    yield make
    assert not wrong
