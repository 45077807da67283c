"""How long a start takes: from a snapshot, and by replay of every example.

The topics hold what the service would have written (`speed.stored`). A first start finds no snapshot: it
replays, becomes ready, and saves a snapshot. Its time counts from the first batch learned to the last, as it
logs them. So neither the start of Python nor the pending queries count as learning. It is compared in CPU
time with River's `learn_one` over the same examples, which a loop calls that does nothing else and has the
examples in memory. A rate of 80% leaves a quarter of River's time for fetching, decoding, joining ids,
accuracy, drift and sketches.

Later starts find the snapshot, each in a copy of its own. Their time counts from the launch of the process
until it is ready: the start of Python, the snapshot, and all pending queries from their topic.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from time import monotonic

from tests.benchmarks.speed.bench import Bench, Spent, bench, cpu_seconds, program
from tests.benchmarks.speed.command import Report, Tell, Verdict
from tests.benchmarks.speed.stored import CASE, examples, queries
from tests.benchmarks.text_table import TextTable
from tests.support.processes import Server

__all__ = ["measure"]

READY_SECONDS = 10.0
SHARE_OF_RIVER = 0.8
ENOUGH_SECONDS = 600.0
RESTORING, READY = '"restoring the model"', '"ready"'  # as they are logged


@dataclass(frozen=True, slots=True)
class Plan:
    """How many examples and pending queries there are, and how many rounds."""

    examples: int = 1_000_000
    pending: int = 100_000
    rounds: int = 5


async def measure(quick: bool, tell: Tell) -> Report:
    """Start the service in every round, with and without a snapshot."""
    plan = Plan(100_000, 10_000, 3) if quick else Plan()
    steps = 3 + 3 * plan.rounds
    async with bench() as here:
        tell(f"writing {plan.examples:,} examples", 0, steps)
        await here.create({"samples": 2, "samples.dlq": 1})
        name, settings = here.settings(
            "samples", f"model.definition={CASE.model}", f"budget.pending={2 * plan.pending}"
        )
        await here.topics(name, 2)
        await here.store(f"{name}-examples", examples(plan.examples), 1)
        tell(f"writing {plan.pending:,} queries", 1, steps)
        await here.store(f"{name}-queries", queries(plan.pending), 1)
        await here.begin(name, "samples", 2)
        tell("measuring the memory of pending queries", 2, steps)
        memory = await program("query_memory", plan.pending)
        found = [await _round(here, settings, plan, number, tell) for number in range(plan.rounds)]
    return _report(plan, memory, found)


@dataclass(frozen=True, slots=True)
class Round:
    """One round: River's learning, the replay, and the wall seconds until a start was ready."""

    river: Spent
    replay: Spent
    first_wall: float
    ready_wall: float


async def _round(here: Bench, settings: Sequence[str], plan: Plan, number: int, tell: Tell) -> Round:
    done, steps = 3 + 3 * number, 3 + 3 * plan.rounds
    tell("River learns", done, steps)
    river = Spent(**await program("river_learning", plan.examples))
    tell("starting without a snapshot", done + 1, steps)
    first = Server(settings, here.directory, f"first{number}")
    later = Server(settings, here.directory, f"later{number}")
    try:
        first_wall, replay = await _start(first)
        await _until(first, lambda: any(first.snapshots.glob("*.snapshot")))
        await first.terminate()
        shutil.copytree(first.snapshots, later.snapshots)
        tell("starting from a snapshot", done + 2, steps)
        ready_wall, _ = await _start(later)
        await later.terminate()  # a killed process would stay in its groups for a while
    finally:
        await first.close()
        await later.close()
    return Round(river, replay, first_wall, ready_wall)


async def _start(server: Server) -> tuple[float, Spent]:
    """Start a process: the wall seconds until it is ready, and what its learning took."""
    began = monotonic()
    await server.launch()
    await _until(server, lambda: RESTORING in server.said() or READY in server.said())
    folding, before = monotonic(), cpu_seconds(server.pid)
    await _until(server, lambda: _restored(server.said()) or READY in server.said())
    folded = Spent(cpu_seconds(server.pid) - before, monotonic() - folding)
    await _until(server, lambda: READY in server.said())
    return monotonic() - began, folded


def _restored(said: str) -> bool:
    """Whether the last line about the examples says that all of them are learned."""
    lines = [line for line in said.splitlines() if RESTORING in line]
    try:
        last = json.loads(lines[-1])
    except (IndexError, ValueError):  # there is no line, or not all of it
        return False
    return bool(last["examples"] >= last["of"])


async def _until(server: Server, true: Callable[[], bool]) -> None:
    until = monotonic() + ENOUGH_SECONDS
    while not true():
        if server.code is not None or monotonic() > until:
            raise RuntimeError(f"the process does not start:\n{server.tail()}")
        await asyncio.sleep(0.02)


def _report(plan: Plan, memory: dict[str, float], found: Sequence[Round]) -> Report:
    river, replay = (median(_us(spent.cpu, plan) for spent in each) for each in _columns(found))
    river_wall, replay_wall = (median(spent.wall for spent in each) for each in _columns(found))
    share = median(one.river.cpu / one.replay.cpu for one in found)
    ready, first = median(one.ready_wall for one in found), median(one.first_wall for one in found)
    header = ["restart", "CPU us an example", "examples a CPU second", "wall s", "ready after s"]
    rows = [
        ["River's learn_one, alone", f"{river:.1f}", f"{1e6 / river:,.0f}", f"{river_wall:.1f}", ""],
        [
            "replay, no snapshot",
            f"{replay:.1f}",
            f"{1e6 / replay:,.0f}",
            f"{replay_wall:.1f}",
            f"{first:.1f}",
        ],
        ["from a snapshot", "", "", "", f"{ready:.1f}"],
    ]
    title = f"{plan.examples:,} examples, {plan.pending:,} pending, {CASE.model}: medians of {len(found)}"
    figures = {
        "examples": plan.examples,
        "pending": plan.pending,
        "rounds": len(found),
        "river_us": river,
        "replay_us": replay,
        "share_of_river": share,
        "first_ready_s": first,
        "ready_s": ready,
        "pending_bytes": memory["held"],
        "message_bytes": memory["message"],
    }
    verdicts = [
        Verdict(
            f"ready within {READY_SECONDS:g} s from a snapshot", ready <= READY_SECONDS, f"{ready:.1f} s"
        ),
        Verdict(
            f"replay at {SHARE_OF_RIVER:.0%} of the rate of River's learn_one",
            share >= SHARE_OF_RIVER,
            f"{share:.0%}",
        ),
    ]
    held, message = f"{memory['held']:,.0f}", f"{memory['message']:,.0f}"
    note = f"A pending query takes {held} bytes of memory, {message} of them for its message."
    return Report(figures, [TextTable(title, header, rows)], verdicts, [note])


def _columns(found: Sequence[Round]) -> tuple[list[Spent], list[Spent]]:
    return [one.river for one in found], [one.replay for one in found]


def _us(cpu: float, plan: Plan) -> float:
    return 1e6 * cpu / plan.examples
