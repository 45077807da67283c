"""The command `stream-al demo`: it plays the demo and prints the result."""

from __future__ import annotations

import asyncio
import json
import signal
import tempfile
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from stream_al.demo.broker import embedded, free_port
from stream_al.demo.plan import DemoOptions, prepare
from stream_al.demo.session import Demo, Summary, compare
from stream_al.demo.view import View, report

__all__ = ["perform"]


def perform(options: DemoOptions, *, as_json: bool) -> None:
    """Play the demo, compute the counterfactuals, and print the result on standard output."""
    console = Console(stderr=True)
    broker_port = free_port()
    with tempfile.TemporaryDirectory(prefix="stream_al-") as snapshots:
        plan = prepare(options, broker_port, Path(snapshots))
        if options.port and not plan.settings.http.port:
            console.print(f"port {options.port} is taken: HTTP listens on another one", highlight=False)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may start us with SIGINT ignored
        signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
        with embedded(broker_port), View(console) as view:
            demo = Demo(plan, view.refresh)
            asyncio.run(demo.run())
    if demo.failed:
        console.print(f"the model failed on {demo.failed:,} samples, which count as predicted wrongly")
    summary = _compare(demo, console)
    if as_json:
        print(json.dumps(asdict(summary)))  # noqa: T201 - the result of the command
    else:
        Console(highlight=False).print(report(summary))


def _compare(demo: Demo, console: Console) -> Summary:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("comparing with other ways of buying labels")
        return compare(demo, lambda done, total: bar.update(task, completed=done, total=total))
