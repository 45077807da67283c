"""Draws the demo as a real Prometheus sees it: `python -m tests.deploy.watch [FILE.svg]`, three minutes.

The stream is River's Agrawal, whose rule changes half way.
"""

from __future__ import annotations

import asyncio
import csv
import subprocess
import sys
import tempfile
from pathlib import Path
from time import time

from river.datasets import synth

from deploy.grafana.picture import FILE, Source, draw
from tests.deploy.prometheus import Prometheus, programs
from tests.ports import free_port
from tests.support.processes import command

HALF = 6_000
RATE = 100
OPTIONS = ["--budget", "0.1", "--delay", "3", "--model", "GaussianNB()"]
WINDOW_SECONDS = 5


def write_stream(file: Path) -> None:
    """A stream whose rule changes half way."""
    halves = [synth.Agrawal(classification_function=rule, seed=rule).take(HALF) for rule in (0, 3)]
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        for number, (features, label) in enumerate(pair for half in halves for pair in half):
            if not number:
                writer.writerow([*features, "label"])
            writer.writerow([*features.values(), label])


async def watch(binaries: Path, directory: Path) -> str:
    """Play, scrape, draw."""
    stream = directory / "stream.csv"
    write_stream(stream)
    port, began = free_port(), time()
    play = ["demo", "--data", str(stream), "--rate", str(RATE), "--port", str(port), "--json", *OPTIONS]
    prometheus = Prometheus(binaries, directory, "stream_al", [port])
    try:
        await prometheus.start()
        demo = await asyncio.to_thread(subprocess.Popen, command(*play), stdout=subprocess.DEVNULL)
        try:
            await seen(prometheus, "stream_al_ready == 1")
            # The demo goes on to compare, which is not watched. A single scrape also fails on a busy machine.
            await seen(prometheus, "max_over_time(up[30s]) == 0")
        finally:
            demo.terminate()
            await asyncio.to_thread(demo.wait, 60)
        source = Source(prometheus.url, "stream_al", (time() - began) / 60, WINDOW_SECONDS)
        return await asyncio.to_thread(draw, source)
    finally:
        await prometheus.close()


async def seen(prometheus: Prometheus, query: str) -> None:
    while not await prometheus.now(query):  # noqa: ASYNC110 - what another process does
        await asyncio.sleep(0.5)


if __name__ == "__main__":
    found = programs()
    if found is None:
        sys.exit("install the Debian package prometheus")
    with tempfile.TemporaryDirectory(prefix="stream_al-") as scratch:
        svg = asyncio.run(watch(found, Path(scratch)))
    (Path(sys.argv[1]) if sys.argv[1:] else FILE).write_text(svg, encoding="utf-8")
