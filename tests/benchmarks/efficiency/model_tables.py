"""The tables of the comparison of models.

For each policy, budget and delay, a table with a row a model:

accuracy, kappa, g_mean   means over the streams, of each stream over its seeds
rank                      mean rank by accuracy, 1 being best
gain                      points of accuracy above the single model that is best in the mean
worst, on                 most points below the best single model of a stream, and on which stream
ms                        CPU milliseconds a run takes for each sample, learning included

A single model is any but `auto`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from tests.benchmarks.efficiency.learners import OURS
from tests.benchmarks.text_table import TextTable

__all__ = ["groups", "tables"]

Row = dict[str, Any]


def groups(lines: Sequence[Row]) -> list[Row]:
    """What each model reached, in each group of policy, budget and delay."""
    found: dict[tuple[str, float, Any], dict[tuple[str, str], list[Row]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for line in lines:
        group = line["policy"], line["budget"], line["delay"]
        found[group][line["stream"], line["learner"]].append(line)
    return [
        {"policy": policy, "budget": budget, "delay": delay, "models": _compare(cells)}
        for (policy, budget, delay), cells in found.items()
    ]


def _compare(cells: dict[tuple[str, str], list[Row]]) -> list[Row]:
    models = list(dict.fromkeys(model for _, model in cells))
    streams = [s for s in dict.fromkeys(s for s, _ in cells) if all((s, model) in cells for model in models)]

    def mean(score: str) -> Any:
        """A row a model, a column a stream."""
        return np.array([[np.mean([line[score] for line in cells[s, m]]) for s in streams] for m in models])

    if not streams:
        return []
    accuracy = mean("accuracy")
    single = np.array([model != OURS for model in models])
    best = accuracy[single].max(axis=0) if single.any() else accuracy.max(axis=0)
    best_mean = float(accuracy[single].mean(axis=1).max()) if single.any() else float(accuracy.mean())
    ranks = (accuracy[None, :, :] > accuracy[:, None, :]).sum(axis=1) + 1
    cost = mean("seconds") / mean("samples") * 1e3
    below = best - accuracy
    return [
        {
            "model": model,
            "streams": len(streams),
            "accuracy": float(accuracy[place].mean()),
            "kappa": float(mean("kappa")[place].mean()),
            "g_mean": float(mean("g_mean")[place].mean()),
            "rank": float(ranks[place].mean()),
            "gain": 100.0 * (float(accuracy[place].mean()) - best_mean),
            "worst": 100.0 * float(below[place].max()),
            "worst_stream": streams[int(below[place].argmax())],
            "ms": float(cost[place].mean()),
        }
        for place, model in enumerate(models)
    ]


def tables(found: Sequence[Row]) -> list[TextTable]:
    """The groups as tables, the best model first."""
    header = ("model", "accuracy", "kappa", "g_mean", "rank", "gain", "worst", "on", "ms")
    made = []
    for group in found:
        title = f"{group['policy']}, budget {group['budget']:.0%}, labels {group['delay']} samples late"
        rows = [
            (
                row["model"],
                *(f"{row[score]:.3f}" for score in ("accuracy", "kappa", "g_mean")),
                *(
                    f"{row[score]:+.1f}" if score == "gain" else f"{row[score]:.1f}"
                    for score in ("rank", "gain")
                ),
                f"{row['worst']:.1f}",
                row["worst_stream"],
                f"{row['ms']:.3f}",
            )
            for row in sorted(group["models"], key=lambda row: -row["accuracy"])
        ]
        made.append(TextTable(title, header, rows))
    return made
