"""The claims about the default policy, each with the numbers that decide it.

A claim is passed, failed, or None if the runs that it needs do not exist.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tests.benchmarks.efficiency.comparison import Table, cases, paired_t
from tests.benchmarks.efficiency.plan import WRONG
from tests.benchmarks.efficiency.policies import OURS
from tests.benchmarks.efficiency.prequential import REAL
from tests.benchmarks.efficiency.summary import ALL, RANDOM, differences

__all__ = ["claims"]

RARE_STREAMS = ("ozone", "sms_spam")
RARE_BUDGET = 0.05
ENOUGH = 20

Claim = dict[str, Any]


def claims(lines: Sequence[Mapping[str, Any]], summary: Mapping[str, Any]) -> list[Claim]:
    """The six claims, in the order of `tests/benchmarks/README.md`."""
    clean, wrong = cases(lines), cases(lines, WRONG)
    if not any(OURS in results for results in clean.values()):
        return []
    return [
        _best(summary),
        _never_worse(summary),
        _budget(clean, summary),
        _imbalance(clean),
        _noise(clean, wrong),
        _real_delays(clean),
    ]


def _claim(number: int, text: str, passed: bool | None, **figures: Any) -> Claim:
    return {"number": number, "claim": text, "passed": passed, "figures": figures}


def _best(summary: Mapping[str, Any]) -> Claim:
    figures, passed = {}, []
    kinds = ("ranks",) if summary["ranks"] == summary["ranks_wide"] else ("ranks", "ranks_wide")
    for kind in kinds:
        for group, ranks in summary[kind].items():
            ours, others = ranks[OURS], {k: v for k, v in ranks.items() if k != OURS}
            best = min(others, key=others.__getitem__)
            passed.append(ours < others[best])
            name = group if kind == "ranks" else f"{group}, policies with every case"
            figures[name] = f"{ours:.2f} of {len(ranks)}; next {best} {others[best]:.2f}"
    kappa = summary["ranks_kappa"][ALL]
    figures["in kappa, all"] = f"place {sorted(kappa.values()).index(kappa[OURS]) + 1}, {kappa[OURS]:.2f}"
    text = f"the best mean rank of all in {summary['score']}, in every delay group"
    return _claim(1, text, all(passed), **figures)


def _never_worse(summary: Mapping[str, Any]) -> Claim:
    record = summary["policies"][OURS]
    figures = {
        "cases": record["cases"],
        "cases with two seeds or more, which a test needs": record["tested"],
        "significantly worse (Benjamini-Hochberg)": record["worse"],
        "by Holm": record["worse_holm"],
        "uncorrected": record["worse_uncorrected"],
        "significantly better": record["better"],
        "worst case, points": record["worst_case_points"],
    }
    passed = record["worse"] == 0 if record["tested"] else None
    return _claim(2, f"never significantly worse than random in {summary['score']}", passed, **figures)


def _budget(clean: Table, summary: Mapping[str, Any]) -> Claim:
    record = summary["policies"][OURS]
    runs = [run for results in clean.values() for run in results.get(OURS, {}).values()]
    figures = {
        "runs off by more than 1% and more than one label": record["off_budget"],
        "largest error": f"{record['budget_error_max']:.2%}",
        "largest error where 1% is a label or more": f"{_largest(runs):.2%}",
        "windows above share x window + 1": record["windows_broken"],
    }
    passed = record["off_budget"] == 0 and record["windows_broken"] == 0
    return _claim(3, "the budget is kept, and every window's cap", passed, **figures)


def _largest(runs: Sequence[Mapping[str, Any]]) -> float:
    fine = [run["budget_error"] for run in runs if 0.01 * run["budget"] * run["samples"] >= 1.0]
    return max(fine, default=0.0)


def _imbalance(clean: Table) -> Claim:
    figures: dict[str, Any] = {}
    passed: list[bool] = []
    for stream in RARE_STREAMS:
        runs: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for case, results in clean.items():
            if case.stream == stream and case.budget == RARE_BUDGET and OURS in results:
                for name in (OURS, RANDOM):
                    runs[name] += results[name].values()
        if not runs:
            continue
        recall, g_mean, labels = (
            [float(np.mean([value(run) for run in runs[name]])) for name in (OURS, RANDOM)]
            for value in (lambda r: r["minority_recall"], lambda r: r["g_mean"], _to_enough)
        )
        passed += [recall[0] > recall[1], g_mean[0] > g_mean[1], labels[0] <= labels[1] / 2]
        reached = np.mean([run["labels_to_20"] is not None for run in runs[OURS]])
        figures[stream] = (
            f"minority recall {recall[0]:.3f} (random {recall[1]:.3f}), "
            f"G-mean {g_mean[0]:.3f} ({g_mean[1]:.3f}), "
            f"labels to the 20th {labels[0]:.0f} ({labels[1]:.0f}), reached in {reached:.0%} of the runs"
        )
    text = "rare classes at 5%: recall and G-mean above random, half the labels to the 20th rare example"
    return _claim(4, text, all(passed) if passed else None, **figures)


def _to_enough(run: Mapping[str, Any]) -> float:
    """Labels bought until 20 were of the rarest class; if there were fewer, estimated from the whole run."""
    if run["labels_to_20"] is not None:
        return float(run["labels_to_20"])
    return float(ENOUGH * run["labels"] / max(1, run["minority_labels"]))


def _noise(clean: Table, wrong: Table) -> Claim:
    text = "with 20% wrong labels it loses no more accuracy than random"
    losses: dict[str, list[float]] = {OURS: [], RANDOM: []}
    for case, results in wrong.items():
        if case in clean and OURS in results and OURS in clean[case]:
            for name, found in losses.items():
                found.append(_mean(clean[case][name]) - _mean(results[name]))
    if not losses[OURS]:
        return _claim(5, text, None)
    ours, random = np.array(losses[OURS]), np.array(losses[RANDOM])
    figures = {
        "cases": len(ours),
        "points lost": f"{100 * ours.mean():.2f} (random {100 * random.mean():.2f})",
        "cases in which it loses more": int((ours > random).sum()),
        "paired t over cases, p": round(paired_t((ours - random).tolist()), 4),
    }
    return _claim(5, text, bool(ours.mean() <= random.mean()), **figures)


def _mean(runs: Mapping[int, Mapping[str, Any]]) -> float:
    return float(np.mean([run["accuracy"] for run in runs.values()]))


def _real_delays(clean: Table) -> Claim:
    gaps = {case: gap for case, gap in differences(clean, OURS).items() if case.delay == REAL}
    text = "above random with the real delays of airlines_2008_delayed"
    if not gaps:
        return _claim(6, text, None)
    means = {f"{c.learner} at {c.budget:.0%}": round(100 * float(np.mean(g)), 2) for c, g in gaps.items()}
    overall = float(np.mean([np.mean(gap) for gap in gaps.values()]))
    return _claim(6, text, overall > 0, points=round(100 * overall, 2), **means)
