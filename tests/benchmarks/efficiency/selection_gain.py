"""What the selection gains over labels at random, under one model and the same seeds.

A case is a model, a stream, a budget and a delay. Its seeds are pairs: the accuracy of the selection minus
that of random labels. Over many cases some differ by chance, so Student's paired t-test of each case is
corrected by Benjamini and Hochberg's procedure (`comparison`). Two seeds or more are needed, and five to find
much.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from tests.benchmarks.efficiency.comparison import benjamini_hochberg, paired_t

__all__ = ["selection_gain", "sentence"]

LEVEL = 0.05
Row = dict[str, Any]
Case = tuple[str, float, Any]
"""Stream, budget and delay."""


def selection_gain(lines: Sequence[Row], model: str = "auto") -> Row | None:
    """The gain of the policy `ours` over the policy `random`; None if not both ran, with two seeds or more.

    Returns:
        The number of cases, how many are significantly better, the significantly worse ones with their
        points, and the mean points of each budget and delay.
    """
    reached: dict[tuple[str, float, Any], dict[int, dict[str, float]]] = defaultdict(
        lambda: defaultdict(dict)
    )
    for line in lines:
        if line["learner"] == model:
            case = line["stream"], line["budget"], line["delay"]
            reached[case][line["seed"]][line["policy"]] = line["accuracy"]
    gaps = {
        case: [100.0 * (both["ours"] - both["random"]) for both in seeds.values() if len(both) > 1]
        for case, seeds in reached.items()
    }
    gaps = {case: found for case, found in gaps.items() if len(found) > 1}
    if not gaps:
        return None
    adjusted = benjamini_hochberg([paired_t(found) for found in gaps.values()])
    points = {case: float(np.mean(found)) for case, found in gaps.items()}
    significant = [case for case, p in zip(gaps, adjusted, strict=True) if p < LEVEL]
    means: dict[str, list[float]] = defaultdict(list)
    for (_, budget, delay), mean in points.items():
        means[f"{budget:.0%}, {delay} late"].append(mean)
    return {
        "cases": len(gaps),
        "better": sum(points[case] > 0 for case in significant),
        "worse": {
            f"{case[0]}, {case[1]:.0%}, {case[2]} late": round(points[case], 1)
            for case in significant
            if points[case] < 0
        },
        "points": {group: round(float(np.mean(found)), 2) for group, found in means.items()},
    }


def sentence(found: Row) -> str:
    """The gain in words.

    >>> sentence({"cases": 3, "better": 1, "worse": {"sea": -1.5}, "points": {"5%, 0 late": 0.2}})
    'selection against random, auto: 1 of 3 cases better, 1 worse (sea -1.5); mean 5%, 0 late +0.20'
    """
    worse = "; ".join(f"{case} {points:+.1f}" for case, points in found["worse"].items())
    means = "; ".join(f"{group} {points:+.2f}" for group, points in found["points"].items())
    listed = f" ({worse})" if worse else ""
    return (
        f"selection against random, auto: {found['better']} of {found['cases']} cases better, "
        f"{len(found['worse'])} worse{listed}; mean {means}"
    )
