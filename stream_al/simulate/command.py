"""The command `stream-al simulate`: it makes the runs and prints the results and the choice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing

from rich.console import Console

from stream_al.invocation import again_with
from stream_al.simulate.cases import Result, cases
from stream_al.simulate.choice import Choice, choose, sentence
from stream_al.simulate.estimate import LONG_SECONDS, costs, fewer
from stream_al.simulate.jobs import results
from stream_al.simulate.plan import InputRulesOf, SimulationOptions, SimulationPlan, TopicSource, prepare
from stream_al.simulate.progress import Shown, duration, showing
from stream_al.simulate.results import report
from stream_al.simulate.results.table import tables
from stream_al.simulate.workers import interruptible

__all__ = ["perform"]


def perform(options: SimulationOptions, rules: InputRulesOf, source: TopicSource, *, as_json: bool) -> None:
    """Simulate. Results go to standard output, everything else to standard error.

    Args:
        options: The options, as given.
        rules: From the settings to the rules by which the service reads features.
        source: Reads topics.
        as_json: Whether to print one JSON object for each run, as soon as it is over, instead of the table.
    """
    aside = Console(stderr=True, highlight=False, soft_wrap=True)
    out = Console(highlight=False)
    if options.report is not None:
        report.check(options.report)  # a mistake here should be found before the runs
    with interruptible(), showing(aside) as shown:
        plan = prepare(options, rules, source, shown.reading)
        found = _run(plan, options.jobs, aside, shown, as_json=as_json)
    for note in [*plan.notes, *_problems(found)]:
        aside.print(note, markup=False)
    chosen = choose(found, options.measure, plan.terms.objective)
    if not as_json:
        out.print(tables(found, options.measure))
    _print_choice(aside if as_json else out, chosen, plan)
    if options.report is not None:
        report.write(options.report, plan, found, chosen, options.measure)
        aside.print(f"the report is in {options.report}", markup=False)


def _run(plan: SimulationPlan, jobs: int, aside: Console, shown: Shown, *, as_json: bool) -> list[Result]:
    todo = list(cases(plan.grid))
    samples = len(plan.stream.rows) - plan.terms.warm_start
    seconds = costs(todo, plan.stream, plan.terms)
    needed = sum(seconds or []) / min(jobs, len(todo))
    if needed > LONG_SECONDS:
        _warn(aside, len(plan.stream.rows), needed)
    shown.begin(f"{len(todo)} runs", len(todo) * samples, seconds)
    found = []
    running = results(todo, plan.stream, plan.terms, jobs, shown.done)
    with closing(running):
        for result in running:
            found.append(result)
            if as_json:
                print(json.dumps(result.record()), flush=True)  # noqa: T201 - the result of the command
    return found


def _warn(aside: Console, samples: int, needed: float) -> None:
    """Say that the runs will take long, and offer a smaller comparison."""
    number = fewer(samples, needed)
    aside.print(
        f"this will take about {duration(needed)} or longer; with the first {number:,} of the {samples:,} "
        f"samples it takes about {duration(needed * number / samples)}:",
        markup=False,
    )
    aside.print(f"  {again_with('--samples', number)}", markup=False)


def _problems(found: list[Result]) -> Iterator[str]:
    """One sentence for each model that failed, about the run in which it failed most."""
    worst: dict[str, Result] = {}
    for result in found:
        model = result.case.model
        if result.failed and (model not in worst or result.failed > worst[model].failed):
            worst[model] = result
    for model, result in worst.items():
        yield (
            f"{model} failed {result.failed:,} times in {result.samples:,} samples; each failure counts as "
            f"a wrong prediction or as a label paid for in vain: {result.first_failure}"
        )


def _print_choice(console: Console, chosen: list[Choice], plan: SimulationPlan) -> None:
    for choice in chosen:
        console.print(sentence(choice), markup=False)
        console.print()
        console.print(
            choice.settings(plan.terms.exploration, plan.terms.objective), markup=False, soft_wrap=True
        )
