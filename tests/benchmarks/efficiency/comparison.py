"""The comparison of runs: ranks, paired tests, and corrections for many tests.

A *case* is a stream, a learner, a budget and a delay. Within a case, policies are compared on the seeds that
all of them have. So no policy gains from an easier draw of a generated stream.

*Against random, in each case*: a two-sided paired t-test over the seeds. A sign-flip test is exact and
assumes less. With 10 seeds its p is 2/1024 at best, and after a correction for hundreds of cases that is
never significant: the test could not fail. So its p is reported beside that of the t-test, without a
correction.

*Many cases*: Benjamini and Hochberg's procedure (1995) bounds the share of false alarms among the alarms at
5%. Holm's procedure (1979) bounds the probability of a single false alarm, and so calls fewer cases worse.
The claim is that our policy is worse in no case, so the first procedure is the stricter test. Both are
reported.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import product
from math import sqrt
from typing import Any, NamedTuple

import numpy as np

__all__ = [
    "Case",
    "Table",
    "benjamini_hochberg",
    "cases",
    "holm",
    "mean_ranks",
    "paired_t",
    "ranks",
    "sign_flip",
]


class Case(NamedTuple):
    """What a comparison keeps equal."""

    stream: str
    learner: str
    budget: float
    delay: int | str


Table = dict[Case, dict[str, dict[int, dict[str, Any]]]]
"""Case to policy to seed to result."""


def cases(lines: Sequence[Mapping[str, Any]], error: float = 0.0) -> Table:
    """Sort results by case, policy and seed.

    Args:
        lines: Results, as the file holds them.
        error: The share of wrong labels of these results.
    """
    table: Table = defaultdict(lambda: defaultdict(dict))
    for line in lines:
        if line["error"] == error:
            case = Case(line["stream"], line["learner"], line["budget"], line["delay"])
            table[case][line["policy"]][line["seed"]] = dict(line)
    return {case: dict(policies) for case, policies in table.items()}


def ranks(values: Sequence[float]) -> list[float]:
    """Ranks, 1 for the highest value; equal values share the mean of their ranks.

    >>> ranks([0.7, 0.9, 0.7, 0.1])
    [2.5, 1.0, 2.5, 4.0]
    """
    return [
        sum(other > value for other in values) + (sum(other == value for other in values) + 1) / 2
        for value in values
    ]


def mean_ranks(table: Table, policies: Sequence[str], score: str = "accuracy") -> dict[str, float]:
    """The mean rank of each policy over the cases that all policies have. Scores are averaged over seeds."""
    sums = np.zeros(len(policies))
    number = 0
    for results in table.values():
        if any(name not in results for name in policies):
            continue
        seeds = set.intersection(*(set(results[name]) for name in policies))
        if not seeds:
            continue
        means = [np.mean([results[name][seed][score] for seed in sorted(seeds)]) for name in policies]
        sums += ranks([round(float(mean), 9) for mean in means])
        number += 1
    return dict(zip(policies, (sums / max(number, 1)).tolist(), strict=True))


def paired_t(differences: Sequence[float]) -> float:
    """The two-sided p of Student's paired t-test; 1 if all differences are 0.

    >>> round(paired_t([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]), 4)
    0.2176
    """
    from scipy.stats import t  # noqa: PLC0415 (a second to import)

    number = len(differences)
    if number < 2 or not any(differences):
        return 1.0
    deviation = float(np.std(differences, ddof=1))
    if deviation == 0.0:
        return 0.0
    return float(2.0 * t.sf(abs(np.mean(differences)) / deviation * sqrt(number), number - 1))


def sign_flip(differences: Sequence[float]) -> float:
    """The two-sided p of Fisher's exact sign-flip test: the share of the 2^n signs whose sum is as large.

    >>> sign_flip([1.0, 2.0, 3.0])
    0.25
    """
    given = np.abs(differences)
    signs = np.array(list(product((-1.0, 1.0), repeat=len(given))))
    return float(np.mean(np.abs(signs @ given) >= abs(sum(differences)) - 1e-12))


def holm(p: Sequence[float]) -> list[float]:
    """Holm's adjusted p values, in the order given (Scandinavian Journal of Statistics 6, 1979).

    >>> [round(value, 3) for value in holm([0.01, 0.04, 0.03, 0.005])]
    [0.03, 0.06, 0.06, 0.02]
    """
    adjusted, highest = [0.0] * len(p), 0.0
    for place, index in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        highest = max(highest, min(1.0, p[index] * (len(p) - place)))
        adjusted[index] = highest
    return adjusted


def benjamini_hochberg(p: Sequence[float]) -> list[float]:
    """Benjamini and Hochberg's adjusted p values, in the order given (JRSS B 57, 1995).

    >>> [round(value, 3) for value in benjamini_hochberg([0.01, 0.04, 0.03, 0.005])]
    [0.02, 0.04, 0.04, 0.02]
    """
    adjusted, lowest = [0.0] * len(p), 1.0
    for place, index in reversed(list(enumerate(sorted(range(len(p)), key=p.__getitem__), 1))):
        lowest = min(lowest, p[index] * len(p) / place)
        adjusted[index] = lowest
    return adjusted
