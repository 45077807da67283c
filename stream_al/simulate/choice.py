"""The choice: the settings to take at each budget.

Runs that differ only in the delay or the seed are runs of the same setting under other conditions. Under
each condition the settings of a budget are ranked by the measure; equal ones share the mean of their ranks.
The lowest mean rank wins. Among equal mean ranks the higher mean measure wins. With ranks, one condition
with large differences cannot outweigh the others (Demsar: Statistical Comparisons of Classifiers over
Multiple Data Sets, 2006).

A budget is a cap. A setting that anywhere buys more than `TOLERANCE` above it is left out, because it would
cost more than was agreed. If no setting keeps the budget, the choice names the best one and what it spends.

A choice also gives what labels bought at random reach under the same conditions. A setting is worth taking
if it reaches more than that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import mean
from typing import Any

import yaml

from stream_al.engine.model.objective import ACCURACY
from stream_al.engine.trust.again import Wanted
from stream_al.simulate.baselines import ALL_LABELS, RANDOM
from stream_al.simulate.cases import Case, Result
from stream_al.simulate.class_scores import about_rare_classes, mean_scores

__all__ = ["MEASURES", "Choice", "choose", "percent", "sentence", "value"]

MEASURES = {"accuracy": "accuracy", "kappa": "kappa", "g_mean": "G-mean"}

TOLERANCE = 0.01
"""The share of the budget by which a setting may exceed it; one label more is allowed, because a stream may
end in the middle of a budget interval."""

Setting = tuple[str, str, str, Wanted]
Condition = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Choice:
    """The setting to take at one budget.

    Attributes:
        budget: The share allowed.
        strategy: The query strategy.
        manager: The budget manager.
        model: The definition of the model.
        wanted: How many labels are wanted of a sample.
        measure: The measure that it was chosen by.
        compared: The number of settings compared.
        overspent: The number of settings left out, because they bought more than the budget allows.
        reached: The mean measure of the chosen setting.
        labels: The mean number of labels that it bought.
        random: The mean measure with labels bought at random and the same model.
        all_labels: The mean measure with all labels and the same model.
        samples: The number of samples.
        advice: What to do about the rare classes that the setting misses; empty if it misses none.
    """

    budget: float
    strategy: str
    manager: str
    model: str
    wanted: Wanted
    measure: str
    compared: int
    overspent: int
    reached: float
    labels: float
    random: float
    all_labels: float
    samples: int
    advice: str = ""

    def settings(self, exploration: float, objective: str = ACCURACY) -> str:
        """The setting as YAML for a settings file."""
        model = {"definition": self.model} | ({} if objective == ACCURACY else {"objective": objective})
        values: dict[str, Any] = {
            "strategy": self.strategy,
            "model": model,
            "budget": {"share": self.budget, "manager": self.manager, "exploration": exploration},
        }
        if self.wanted.extra:
            values["labels"] = asdict(self.wanted)
        return yaml.safe_dump(values, sort_keys=False, width=1000, allow_unicode=True)


def choose(results: Sequence[Result], measure: str, objective: str = ACCURACY) -> list[Choice]:
    """The choice at each budget, lowest first.

    Args:
        results: The results of all runs.
        measure: The measure to choose by, a name in `MEASURES`.
        objective: The objective of all runs.
    """
    return [_choice(results, budget, measure, objective) for budget in _budgets(results)]


def value(result: Result, measure: str) -> float:
    """A measure of a run, by its name."""
    return float(getattr(result, measure))


def sentence(choice: Choice) -> str:
    """The choice as a sentence."""
    noun = MEASURES[choice.measure]
    show = percent if choice.measure == "accuracy" else "{:.3f}".format
    among = f"the best of {choice.compared} settings" if choice.compared > 1 else "the only setting tried"
    if 0 < choice.overspent < choice.compared:
        among += f", {choice.overspent} of which spend more than the budget"
    verdict = ""
    if choice.overspent == choice.compared:
        verdict += f" It spends {percent(choice.labels / choice.samples)}: `stratified` keeps a budget."
    if choice.reached <= choice.random:
        verdict += " Random labels did no worse: try more samples, another strategy or another model."
    settings = ", ".join(filter(None, [f"{choice.manager} and {choice.model}", choice.wanted.words]))
    return (
        f"At a budget of {percent(choice.budget)}: {choice.strategy} with {settings} "
        f"({among}): {noun} {show(choice.reached)} with {choice.labels:,.0f} labels; "
        f"{show(choice.random)} with labels bought at random, "
        f"{show(choice.all_labels)} with all {choice.samples:,}.{verdict}{_sentence(choice.advice)}"
    )


def _sentence(text: str) -> str:
    return f" {text[0].upper()}{text[1:]}." if text else ""


def percent(share: float) -> str:
    """A share as a percentage.

    >>> percent(0.8), percent(0.0125)
    ('80.0%', '1.25%')
    """
    return f"{100 * share:.2f}%" if abs(share) < 0.1 else f"{100 * share:.1f}%"


def _budgets(results: Iterable[Result]) -> list[float]:
    return sorted({result.case.budget for result in results if not result.case.is_baseline})


def _choice(results: Sequence[Result], budget: float, measure: str, objective: str) -> Choice:
    compared: dict[Setting, dict[Condition, Result]] = defaultdict(dict)
    for result in results:
        if result.case.budget == budget and not result.case.is_baseline:
            compared[_setting(result.case)][_condition(result.case)] = result
    within_budget = {s: runs for s, runs in compared.items() if all(map(_keeps_its_budget, runs.values()))}
    candidates = within_budget or compared
    ranks = _mean_ranks(
        {s: {c: value(r, measure) for c, r in runs.items()} for s, runs in candidates.items()}
    )

    def reached(setting: Setting) -> float:
        return mean(value(result, measure) for result in compared[setting].values())

    best = min(candidates, key=lambda setting: (ranks[setting], -reached(setting)))

    def baseline(name: str, asked: float) -> float:
        return mean(
            value(r, measure)
            for r in results
            if r.case.is_baseline and (r.case.strategy, r.case.model, r.case.budget) == (name, best[2], asked)
        )

    runs = list(compared[best].values())
    return Choice(
        budget,
        *best,
        measure=measure,
        compared=len(compared),
        overspent=len(compared) - len(within_budget),
        reached=reached(best),
        labels=mean(run.labels for run in runs),
        random=baseline(RANDOM, budget),
        all_labels=baseline(ALL_LABELS, 1.0),
        samples=runs[0].samples,
        advice=about_rare_classes(mean_scores([run.classes for run in runs]), objective) or "",
    )


def _keeps_its_budget(result: Result) -> bool:
    return result.labels <= (1 + TOLERANCE) * result.case.budget * result.samples + 1


def _setting(case: Case) -> Setting:
    return case.strategy, case.manager, case.model, case.wanted


def _condition(case: Case) -> Condition:
    return case.delay, case.seed


def _mean_ranks(values: dict[Setting, dict[Condition, float]]) -> dict[Setting, float]:
    """The mean rank of each setting. Rank 1 is the best; equal settings share the mean of their ranks."""
    ranks: dict[Setting, list[float]] = defaultdict(list)
    for condition in next(iter(values.values())):
        row = {setting: found[condition] for setting, found in values.items()}
        for setting, own in row.items():
            above = sum(other > own for other in row.values())
            equal = sum(other == own for other in row.values())
            ranks[setting].append(above + (equal + 1) / 2)
    return {setting: mean(found) for setting, found in ranks.items()}
