"""Runs the attacks, one service each, and makes the table of what they cost."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import httpx

from tests.benchmarks.hostile.attacks import ATTACKS, Attack
from tests.benchmarks.hostile.target import Cost, opened
from tests.benchmarks.speed.bench import Bench, bench
from tests.benchmarks.speed.command import Report, Tell, Verdict
from tests.benchmarks.text_table import TextTable

__all__ = ["measure"]

MOST_HELD = 100.0  # milliseconds


async def measure(quick: bool, tell: Tell, only: str = "") -> Report:
    """Run all attacks, or those whose name or function has one of the texts in `only`, between commas."""
    texts = only.split(",")
    chosen = [one for one in ATTACKS if any(text in one.name or text in one.run.__name__ for text in texts)]
    costs: dict[str, Cost] = {}
    async with bench() as here:
        for place, attack in enumerate(chosen):
            tell(attack.name, place, len(chosen))
            cost = costs[attack.name] = await _cost(here, attack, quick=quick)
            if not sys.stderr.isatty():  # so that a run that is ended has said what it found
                sys.stderr.write(json.dumps({attack.name: asdict(cost)}) + "\n")
                sys.stderr.flush()
    return _report(chosen, costs)


async def _cost(here: Bench, attack: Attack, *, quick: bool) -> Cost:
    async with opened(here, attack.settings, quick=quick) as (target, gauge):
        try:
            await attack.run(target)
            await target.rest()
        except (AssertionError, OSError, httpx.HTTPError) as error:
            return gauge.cost(f"failed: {error!r:.60}")
        finally:
            for line in target.server.said().splitlines():
                if line.startswith("held "):
                    sys.stderr.write(f"{line}\n")
        if target.server.code is not None:
            return gauge.cost(f"ended with exit code {target.server.code}")
        live = await target.server.probe("/livez", 30) == httpx.codes.OK
        return gauge.cost("" if live else "not live")


def _report(chosen: list[Attack], costs: dict[str, Cost]) -> Report:
    rows = [
        [
            attack.name,
            attack.limit,
            f"{costs[attack.name].memory:.0f}",
            f"{costs[attack.name].held:.0f}",
            f"{costs[attack.name].late:.0f}",
            f"{costs[attack.name].seconds:.0f}",
            costs[attack.name].note or "alive",
        ]
        for attack in chosen
    ]
    header = ["attack", "limit", "memory, MB", "held, ms", "late, ms", "seconds", "afterwards"]
    table = TextTable("What attacks cost the service", header, rows)
    longest = max(chosen, key=lambda attack: costs[attack.name].held)
    verdicts = [
        Verdict(
            f"no callback holds the event loop for more than {MOST_HELD:.0f} ms of processor time",
            costs[longest.name].held <= MOST_HELD,
            f"{costs[longest.name].held:.0f} ms: {longest.name}",
        ),
        Verdict(
            "the service stays alive",
            not any(cost.note for cost in costs.values()),
            f"{sum(not cost.note for cost in costs.values())} of {len(costs)}",
        ),
    ]
    notes = [
        "Memory: the largest resident set above that of the idle service.",
        "Held: the longest callback of the event loop, in processor time.",
        "Late: the longest delay of a task that slept for 5 ms, without the time that other programs took.",
    ]
    return Report({"attacks": {name: asdict(cost) for name, cost in costs.items()}}, [table], verdicts, notes)
