"""The choice: which setting to take at each budget.

Runs that differ in the delay or the seed alone are the same setting under other circumstances. In each of
these the settings of a budget are ranked by the measure (equal ones share their ranks), and the lowest mean
rank wins, the higher mean measure among equals. Ranks keep one circumstance, where differences are large,
from outvoting the others (Demsar: Statistical Comparisons of Classifiers over Multiple Data Sets, 2006).

A budget is a cap: a setting that somewhere buys more than `TOLERANCE` beyond it is out, however well it does,
for it would cost more than was agreed. Where nobody keeps the budget, one is named with what it spends.

A choice says what labels bought at random reach under the same circumstances: that is the least that a choice
has to be better than.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

import yaml

from stream_al.simulate.baselines import ALL_LABELS, RANDOM
from stream_al.simulate.cases import Case, Result

__all__ = ["MEASURES", "Choice", "choose", "percent", "sentence", "value"]

MEASURES = {"accuracy": "accuracy", "kappa": "kappa", "g_mean": "G-mean"}

TOLERANCE = 0.01
"""Of the budget, and one label besides, since a stream may end in mid-stretch."""

Setting = tuple[str, str, str]
Circumstance = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Choice:
    """What to take at one budget.

    Attributes:
        budget: The share asked.
        strategy: The query strategy.
        manager: The budget manager.
        model: The definition.
        measure: What it was chosen by.
        rivals: How many settings there were.
        overspent: How many of them are out, since they bought more than the budget allows.
        reached: Its mean measure.
        labels: Labels bought, on average.
        random: What random labelling reaches with the same model.
        all_labels: What every label would have given.
        samples: Their number, all of which that would have cost.
    """

    budget: float
    strategy: str
    manager: str
    model: str
    measure: str
    rivals: int
    overspent: int
    reached: float
    labels: float
    random: float
    all_labels: float
    samples: int

    def settings(self, exploration: float) -> str:
        """The YAML to paste."""
        values: dict[str, Any] = {
            "strategy": self.strategy,
            "model": {"definition": self.model},
            "budget": {"share": self.budget, "manager": self.manager, "exploration": exploration},
        }
        return yaml.safe_dump(values, sort_keys=False, width=1000, allow_unicode=True)


def choose(results: Sequence[Result], measure: str) -> list[Choice]:
    """The choice at each budget, lowest first.

    Args:
        results: All runs.
        measure: A name in `MEASURES`.
    """
    return [_choice(results, budget, measure) for budget in _budgets(results)]


def value(result: Result, measure: str) -> float:
    """One measure of a run."""
    return float(getattr(result, measure))


def sentence(choice: Choice) -> str:
    """The choice in words."""
    noun = MEASURES[choice.measure]
    show = percent if choice.measure == "accuracy" else "{:.3f}".format
    than = f"of {choice.rivals} settings" if choice.rivals > 1 else "the only setting tried"
    if 0 < choice.overspent < choice.rivals:
        than += f", {choice.overspent} of which spend more than that"
    verdict = ""
    if choice.overspent == choice.rivals:
        verdict += f" It spends {percent(choice.labels / choice.samples)}: `stratified` keeps a budget."
    if choice.reached <= choice.random:
        verdict += " Random labels did no worse: more samples, another strategy or another model may tell."
    return (
        f"At a budget of {percent(choice.budget)}: {choice.strategy} with {choice.manager} "
        f"and {choice.model} ({than}): {noun} {show(choice.reached)} with {choice.labels:,.0f} labels; "
        f"{show(choice.random)} with labels bought at random, "
        f"{show(choice.all_labels)} with all {choice.samples:,}.{verdict}"
    )


def percent(share: float) -> str:
    """A share for people.

    >>> percent(0.8), percent(0.0125)
    ('80.0%', '1.25%')
    """
    return f"{100 * share:.2f}%" if abs(share) < 0.1 else f"{100 * share:.1f}%"


def _budgets(results: Iterable[Result]) -> list[float]:
    return sorted({result.case.budget for result in results if not result.case.is_baseline})


def _choice(results: Sequence[Result], budget: float, measure: str) -> Choice:
    rivals: dict[Setting, dict[Circumstance, Result]] = defaultdict(dict)
    for result in results:
        if result.case.budget == budget and not result.case.is_baseline:
            rivals[_setting(result.case)][_circumstance(result.case)] = result
    thrifty = {s: runs for s, runs in rivals.items() if all(map(_keeps_its_budget, runs.values()))}
    field = thrifty or rivals
    ranks = _mean_ranks({s: {c: value(r, measure) for c, r in runs.items()} for s, runs in field.items()})

    def reached(setting: Setting) -> float:
        return mean(value(result, measure) for result in rivals[setting].values())

    best = min(field, key=lambda setting: (ranks[setting], -reached(setting)))

    def baseline(name: str, asked: float) -> float:
        return mean(
            value(r, measure)
            for r in results
            if r.case.is_baseline and (r.case.strategy, r.case.model, r.case.budget) == (name, best[2], asked)
        )

    runs = list(rivals[best].values())
    return Choice(
        budget,
        *best,
        measure=measure,
        rivals=len(rivals),
        overspent=len(rivals) - len(thrifty),
        reached=reached(best),
        labels=mean(run.labels for run in runs),
        random=baseline(RANDOM, budget),
        all_labels=baseline(ALL_LABELS, 1.0),
        samples=runs[0].samples,
    )


def _keeps_its_budget(result: Result) -> bool:
    return result.labels <= (1 + TOLERANCE) * result.case.budget * result.samples + 1


def _setting(case: Case) -> Setting:
    return case.strategy, case.manager, case.model


def _circumstance(case: Case) -> Circumstance:
    return case.delay, case.seed


def _mean_ranks(values: dict[Setting, dict[Circumstance, float]]) -> dict[Setting, float]:
    """1 is the best; those who are equal share the mean of their ranks."""
    ranks: dict[Setting, list[float]] = defaultdict(list)
    for circumstance in next(iter(values.values())):
        row = {setting: found[circumstance] for setting, found in values.items()}
        for setting, own in row.items():
            above = sum(other > own for other in row.values())
            equal = sum(other == own for other in row.values())
            ranks[setting].append(above + (equal + 1) / 2)
    return {setting: mean(found) for setting, found in ranks.items()}
