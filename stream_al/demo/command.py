"""The command `stream-al demo`: it plays the demo and prints the result."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
import threading
import webbrowser
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from stream_al.demo import ending
from stream_al.demo.broker import embedded, free_port
from stream_al.demo.plan import DemoOptions, prepare
from stream_al.demo.session import Demo, Summary, compare
from stream_al.demo.view import View, report, report_of_part

__all__ = ["perform"]


def perform(options: DemoOptions, *, as_json: bool) -> int:
    """Play the demo, compute the counterfactuals, and print the result on standard output.

    A demo that is interrupted prints what it has done so far. With the desk it goes on until then.

    Returns:
        The exit code: 1 if nothing was learned or no prediction was right.

    Raises:
        KeyboardInterrupt: It was interrupted.
    """
    console, demo = Console(stderr=True, highlight=False), None
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may start us with SIGINT ignored
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    broker_port = free_port()
    try:
        with tempfile.TemporaryDirectory(prefix="stream_al-") as snapshots:
            plan = prepare(options, broker_port, Path(snapshots))
            if options.port and not plan.settings.http.port:
                console.print(f"port {options.port} is taken: HTTP listens on another one")
            for note in plan.notes:
                console.print(note, markup=False)
            with embedded(broker_port), View(console) as view:
                demo = Demo(plan, view.refresh, lambda demo: _invite(demo, console, browser=options.browser))
                asyncio.run(demo.run())
        summary = _compare(demo, console)
    except KeyboardInterrupt:
        _print_part(demo, console, as_json=as_json)
        if options.desk and demo is not None and demo.began:
            return 0  # there is no other end
        raise
    if as_json:
        print(json.dumps(asdict(summary)))  # noqa: T201 - the result of the command
    else:
        Console(highlight=False).print(report(summary))
    wrong = ending.problem_with(summary)
    if wrong:
        console.print(wrong, style="bold", markup=False, soft_wrap=True)
    for sentence in ending.notes(demo):
        console.print(sentence, markup=False, soft_wrap=True)
    if summary.rare_classes:
        console.print(summary.rare_classes, style="bold", markup=False, soft_wrap=True)
    if not as_json and not wrong:
        console.print(ending.next_steps(), markup=False, soft_wrap=True)
    return 1 if wrong else 0


def _invite(demo: Demo, console: Console, *, browser: bool) -> None:
    """Open the desk, and say where it is."""
    if not demo.plan.desk:
        return
    address = f"{demo.url}/desk"
    console.print(
        f"The desk is at {address}. Label there; Ctrl-C ends the demo.", markup=False, soft_wrap=True
    )
    if browser and _is_graphical():  # elsewhere a browser would take this terminal
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()


def _is_graphical() -> bool:
    return sys.platform != "linux" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def _print_part(demo: Demo | None, console: Console, *, as_json: bool) -> None:
    """Print what an interrupted demo has done."""
    if demo is None or not demo.scoreboard.decided:
        console.print("interrupted before the first sample was decided")
        return
    part = ending.interrupted(demo)
    if as_json:
        print(json.dumps(asdict(part)))  # noqa: T201 - the result of the command
    else:
        Console(highlight=False).print(report_of_part(part))


def _compare(demo: Demo, console: Console) -> Summary:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("comparing with other ways of buying labels")
        return compare(demo, lambda done, total: bar.update(task, completed=done, total=total))
