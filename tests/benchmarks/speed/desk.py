"""The measurement of `benchmarks/desk.py`.

One service and one load run from the first to the last window. Windows without a page alternate with windows
in which a page of the desk is open, so other work of the machine affects both. A window begins when the page
is about to be opened, so the cost of opening it counts. The CPU time is that of the process of the service,
over all threads, in percent of one processor, and the stall that of `hostile.probed`.

A difference of two windows is no better than the machine is quiet: batches are larger and cheaper when other
programs take the processor. So the time of the callbacks that serve HTTP is measured directly too.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import shutil
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from statistics import median

from playwright.async_api import Browser, async_playwright

from tests.benchmarks.hostile.probed import FORM
from tests.benchmarks.speed.bench import ROOT, Bench, bench, cpu_seconds
from tests.benchmarks.speed.command import Report, Tell, Verdict
from tests.benchmarks.speed.sample_load import Load
from tests.benchmarks.speed.stored import CASE
from tests.benchmarks.text_table import TextTable
from tests.support.processes import Server

__all__ = ["measure"]

RATE = 5_000
SHARE = 0.05
NONE = "none"
PAGES = ("label", "watch", "explore")
MOST_CPU = 3.0  # percent of a processor
MOST_STALL_MS = 50.0
PROBED = "tests.benchmarks.hostile.probed"
FIRST_SECONDS = 8.0  # until the load has made its samples, and the model has learned some


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, and how often."""

    seconds: float = 60.0
    rounds: int = 3

    @property
    def load_seconds(self) -> float:
        """The length of the load."""
        return FIRST_SECONDS + self.rounds * 2 * len(PAGES) * (self.seconds + 2.0) + 10.0


@dataclass(frozen=True, slots=True)
class Target:
    """A service that runs, and its probe."""

    bench: Bench
    name: str
    server: Server
    shared: mmap.mmap

    async def decided(self) -> int:
        """How many samples it has decided about."""
        return await self.bench.decided(self.name, "samples", 2)


@dataclass(frozen=True, slots=True)
class Window:
    """What was measured in one window.

    Attributes:
        rate: Samples decided about in a second.
        cpu: CPU time of the process, in percent of a processor.
        http: The part of it in callbacks that serve HTTP.
        held: The longest callback of the event loop, in milliseconds of processor time.
        late: The longest delay of a task that slept, in milliseconds, without the time of other programs.
        load: The load of the machine.
    """

    rate: float
    cpu: float
    http: float
    held: float
    late: float
    load: float


async def measure(quick: bool, tell: Tell) -> Report:
    """Measure the service without a page and with each page, in alternating windows."""
    plan = Plan(15.0, 1) if quick else Plan()
    found: dict[str, list[Window]] = defaultdict(list)
    async with bench() as here, _browser() as browser, _served(here, plan) as target:
        total = plan.rounds * 2 * len(PAGES)
        await asyncio.sleep(FIRST_SECONDS)
        for number in range(total):
            page = PAGES[number // 2 % len(PAGES)] if number % 2 else NONE
            tell(f"page: {page}", number, total)
            found[page].append(await _window(target, browser, page, plan.seconds))
    return _report(plan, found)


@asynccontextmanager
async def _browser() -> AsyncIterator[Browser]:
    executable = os.environ.get("STREAM_AL_CHROMIUM") or shutil.which("chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        await browser.close()


@asynccontextmanager
async def _served(here: Bench, plan: Plan) -> AsyncIterator[Target]:
    """A service with its probe, and the load on it."""
    await here.create({"samples": 2, "samples.dlq": 1})
    name, settings = here.settings("samples", f"model.definition={CASE.model}", f"budget.share={SHARE}")
    await here.topics(name, 2)
    times = here.directory / "times"
    times.write_bytes(bytes(FORM.size))
    with times.open("r+b") as file:
        shared = mmap.mmap(file.fileno(), FORM.size)
    async with here.serving(settings, "desk", ("-m", PROBED, str(times), "serve")) as server:
        load = Load(
            here.bootstrap, "samples", f"{name}-queries", f"{name}-labels", "d", RATE, plan.load_seconds
        )
        sending = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.benchmarks.speed.sample_load", load.arguments()),
            cwd=ROOT,
            stdout=asyncio.subprocess.DEVNULL,
        )
        try:
            yield Target(here, name, server, shared)
        finally:
            sending.kill()
            await sending.wait()


async def _window(target: Target, browser: Browser, page: str, seconds: float) -> Window:
    loop, pid = asyncio.get_running_loop(), target.server.pid
    decided = await target.decided()
    target.shared[:] = bytes(FORM.size)
    began, before = loop.time(), cpu_seconds(pid)
    if page != NONE:
        session = await browser.new_context(viewport={"width": 1280, "height": 860})
        tab = await session.new_page()
        await tab.goto(f"{target.server.url}/desk#{page}", timeout=60_000)
    await asyncio.sleep(began + seconds - loop.time())
    spent, gone = cpu_seconds(pid) - before, loop.time() - began
    held, late, http = FORM.unpack_from(target.shared)
    rate = (await target.decided() - decided) / gone
    if page != NONE:
        await session.close()
    await asyncio.sleep(2.0)  # leases are given back
    return Window(rate, 1e2 * spent / gone, 1e2 * http / gone, 1e3 * held, 1e3 * late, os.getloadavg()[0])


def _report(plan: Plan, found: dict[str, list[Window]]) -> Report:
    def middle(page: str, name: str) -> float:
        return float(median(getattr(one, name) for one in found[page]))

    def worst(page: str, name: str) -> float:
        return max(float(getattr(one, name)) for one in found[page])

    rows = [
        [
            page,
            f"{middle(page, 'rate'):,.0f}",
            f"{middle(page, 'cpu'):.1f}",
            "" if page == NONE else f"{middle(page, 'cpu') - middle(NONE, 'cpu'):+.1f}",
            f"{middle(page, 'http'):.2f}, {worst(page, 'http'):.2f}",
            f"{middle(page, 'held'):.0f}, {worst(page, 'held'):.0f}",
            f"{middle(page, 'late'):.0f}, {worst(page, 'late'):.0f}",
            f"{len(found[page])}",
        ]
        for page in (NONE, *PAGES)
    ]
    header = [
        "page",
        "samples/s",
        "CPU, %",
        "more",
        "of it HTTP, %",
        "longest callback, ms",
        "stall, ms",
        "windows",
    ]
    title = f"An open desk at {RATE:,} samples a second; {SHARE:.0%} queried, windows of {plan.seconds:g} s"
    costly = max(PAGES, key=lambda page: middle(page, "http"))
    stalled = max(PAGES, key=lambda page: middle(page, "late"))
    more = middle(costly, "http") - middle(NONE, "http")
    stall = middle(stalled, "late") - middle(NONE, "late")
    verdicts = [
        Verdict(f"under {MOST_CPU:g}% of a processor for HTTP", more < MOST_CPU, f"{costly}: {more:.2f}%"),
        Verdict(
            f"no callback takes {MOST_STALL_MS:g} ms longer",
            max(worst(page, "held") for page in PAGES) - worst(NONE, "held") <= MOST_STALL_MS,
            f"{max(worst(page, 'held') for page in PAGES) - worst(NONE, 'held'):+.0f} ms",
        ),
        Verdict(
            f"a stall at most {MOST_STALL_MS:g} ms longer",
            stall <= MOST_STALL_MS,
            f"{stalled}: {stall:+.0f} ms",
        ),
    ]
    loads = [one.load for windows in found.values() for one in windows]
    notes = [
        "Two figures: the median and the largest of the windows. The stall is that of a task that slept.",
        f"The load of the machine was {min(loads):.1f} to {max(loads):.1f}, on {os.cpu_count()} processors.",
    ]
    figures = {page: [asdict(one) for one in windows] for page, windows in found.items()}
    return Report({"pages": figures}, [TextTable(title, header, rows)], verdicts, notes)
