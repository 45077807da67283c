"""The command `stream-al demo`, behind its options."""

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
from stream_al.demo.plan import Options, prepare
from stream_al.demo.session import Demo, Summary, compare
from stream_al.demo.view import View, report

__all__ = ["perform"]


def perform(options: Options, *, as_json: bool) -> None:
    """Show it, compare it, say what came out on standard output."""
    console = Console(stderr=True)
    broker_port = free_port()
    with tempfile.TemporaryDirectory(prefix="stream_al-") as snapshots:
        plan = prepare(options, broker_port, Path(snapshots))
        if options.port and not plan.settings.http.port:
            console.print(f"port {options.port} is taken: HTTP listens on another one", highlight=False)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have us ignore it
        signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
        with embedded(broker_port), View(console) as view:
            demo = Demo(plan, view.refresh)
            asyncio.run(demo.run())
    if demo.unusable:
        console.print(f"samples that the model failed on, counted as predicted wrongly: {demo.unusable:,}")
    summary = _compare(demo, console)
    if as_json:
        print(json.dumps(asdict(summary)))  # noqa: T201 - the result of the command
    else:
        Console(highlight=False).print(report(summary))


def _compare(demo: Demo, console: Console) -> Summary:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("comparing with labels bought in other ways")
        return compare(demo, lambda done, total: bar.update(task, completed=done, total=total))
