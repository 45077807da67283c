"""The summary of a set of runs, as values that JSON keeps unchanged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tests.benchmarks.efficiency.comparison import (
    Table,
    benjamini_hochberg,
    cases,
    holm,
    mean_ranks,
    paired_t,
    sign_flip,
)

__all__ = ["ALL", "differences", "summarise"]

ALL = "all"
RANDOM = "random"
TIE = 0.001  # a tenth of a point of accuracy
LEVEL = 0.05


def summarise(lines: Sequence[Mapping[str, Any]], score: str = "accuracy") -> dict[str, Any]:
    """All that is reported about the results, except the claims.

    Args:
        lines: Results, as the file holds them.
        score: What policies are ranked and tested by: accuracy, kappa, g_mean or minority_recall.

    Returns:
        score: That score.
        ranks: group to policy to mean rank, among all policies over the cases that all of them have.
        ranks_wide: the same among the policies that have every case.
        ranks_kappa: as ranks, by kappa. Where a class is rare, a policy that buys nothing and predicts the
            other class has a high accuracy, and a kappa of 0.
        cases: group to how many cases are behind `ranks` and `ranks_wide`.
        policies: policy to its record: against random, budget, speed.
        worse: the cases in which a policy is significantly worse than random.
    """
    table = cases(lines)
    policies = sorted({name for results in table.values() for name in results})
    wide = [name for name in policies if all(name in results for results in table.values())]
    groups = {ALL: table}
    for delay in sorted({case.delay for case in table}, key=str):
        groups[str(delay)] = {case: results for case, results in table.items() if case.delay == delay}
    return {
        "score": score,
        "ranks": {group: mean_ranks(part, policies, score) for group, part in groups.items()},
        "ranks_wide": {group: mean_ranks(part, wide, score) for group, part in groups.items()},
        "ranks_kappa": {group: mean_ranks(part, policies, "kappa") for group, part in groups.items()},
        "cases": {
            group: [
                sum(all(name in results for name in names) for results in part.values())
                for names in (policies, wide)
            ]
            for group, part in groups.items()
        },
        "policies": {name: _record(table, name, score) for name in policies},
        "worse": {name: worse for name in policies if (worse := _worse(table, name, score))},
    }


def differences(
    table: Table, policy: str, score: str = "accuracy", other: str = RANDOM
) -> dict[Any, list[float]]:
    """Case to the differences of a policy to another one, one for each seed that both have."""
    found = {}
    for case, results in table.items():
        if policy in results and other in results:
            seeds = sorted(results[policy].keys() & results[other].keys())
            found[case] = [results[policy][s][score] - results[other][s][score] for s in seeds]
    return found


def _record(table: Table, policy: str, score: str) -> dict[str, Any]:
    runs = [run for results in table.values() for run in results.get(policy, {}).values()]
    gaps = differences(table, policy, score)
    means = [float(np.mean(gap)) for gap in gaps.values()]
    by_delay = {
        str(delay): round(100 * float(np.mean([np.mean(g) for c, g in gaps.items() if c.delay == delay])), 2)
        for delay in sorted({case.delay for case in gaps}, key=str)
    }
    tests = _tests(gaps)
    shares = sorted({case.budget for case in table})
    spent = {
        share: [
            r["budget_spent"]
            for c, rs in table.items()
            if c.budget == share
            for r in rs.get(policy, {}).values()
        ]
        for share in shares
    }
    return {
        "runs": len(runs),
        "cases": len(gaps),
        "points_over_random": round(100 * float(np.mean(means)), 2),
        "points_by_delay": by_delay,
        "worst_case_points": round(100 * min(means), 2),
        "wins": sum(mean > TIE for mean in means),
        "ties": sum(abs(mean) <= TIE for mean in means),
        "losses": sum(mean < -TIE for mean in means),
        "tested": len(tests),
        "better": sum(test["bh"] < LEVEL and test["points"] > 0 for test in tests),
        "worse": sum(test["bh"] < LEVEL and test["points"] < 0 for test in tests),
        "worse_holm": sum(test["holm"] < LEVEL and test["points"] < 0 for test in tests),
        "worse_uncorrected": sum(test["p"] < LEVEL and test["points"] < 0 for test in tests),
        "budget_spent": {str(share): round(float(np.mean(v)), 5) for share, v in spent.items() if v},
        "budget_error_max": max(run["budget_error"] for run in runs),
        "off_budget": sum(not run["within_budget"] for run in runs),
        "windows_broken": sum(not run["window_held"] for run in runs),
        "burst_max": max(run["burst"] for run in runs),
        "accuracy": round(float(np.mean([run["accuracy"] for run in runs])), 4),
        "kappa": round(float(np.mean([run["kappa"] for run in runs])), 4),
        "g_mean": round(float(np.mean([run["g_mean"] for run in runs])), 4),
        "seconds": round(float(np.mean([run["seconds"] for run in runs])), 3),
        "milliseconds_per_sample": round(
            float(np.mean([1e3 * r["seconds"] / r["samples"] for r in runs])), 3
        ),
    }


def _tests(gaps: Mapping[Any, list[float]]) -> list[dict[str, Any]]:
    """A paired test for each case with at least two seeds, with its p before and after the corrections."""
    tested = {case: gap for case, gap in gaps.items() if len(gap) >= 2}
    p = [paired_t(gap) for gap in tested.values()]
    return [
        {
            **case._asdict(),
            "points": round(100 * float(np.mean(gap)), 3),
            "seeds": len(gap),
            "p": value,
            "bh": bh,
            "holm": by_holm,
        }
        for (case, gap), value, bh, by_holm in zip(
            tested.items(), p, benjamini_hochberg(p), holm(p), strict=True
        )
    ]


def _worse(table: Table, policy: str, score: str) -> list[dict[str, Any]]:
    gaps = differences(table, policy, score)
    found = [test for test in _tests(gaps) if test["bh"] < LEVEL and test["points"] < 0]
    for test in found:
        case = next(c for c in gaps if all(test[key] == value for key, value in c._asdict().items()))
        test["sign_flip"] = sign_flip(gaps[case]) if len(gaps[case]) <= 16 else None
    return sorted(found, key=lambda test: test["points"])
