"""The scores of a run.

accuracy          share of right predictions, over all samples after the warm start
kappa             Cohen's: (accuracy - chance) / (1 - chance), chance from the two marginals
g_mean            geometric mean of the recalls of the classes that occur; 0 if one is never found
minority_recall   recall of the rarest class
labels            bought, after the warm start
budget_spent      labels / samples
budget_error      |labels - share x samples| / (share x samples)
within_budget     |labels - share x samples| <= max(1, 1%), since a label cannot be bought in part
window_most       most labels in any window of `window` samples
window_held       window_most <= share x window + 1
burst             most labels in any 1,000 samples, as a multiple of share x 1,000
minority_labels   of the rarest class among those bought
labels_to_20      labels bought until 20 of them were of the rarest class; None if there were fewer
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np

from stream_al.messages import ClassLabel

__all__ = ["Scoreboard", "most_in_window"]

ENOUGH = 20
LONG = 1000


class Scoreboard:
    """Counts predictions against truths.

    >>> scoreboard = Scoreboard(["ham", "spam"])  # the most frequent first
    >>> for truth, said in [("ham", "ham"), ("ham", "ham"), ("spam", "spam"), ("spam", "ham")]:
    ...     scoreboard.predicted(truth, said)
    >>> scores = scoreboard.scores([0, 3], ["ham", "spam"], share=0.5, window=None)
    >>> scores["accuracy"], scores["kappa"], scores["minority_recall"], scores["budget_spent"]
    (0.75, 0.5, 0.5, 0.5)
    """

    def __init__(self, classes: Sequence[ClassLabel]) -> None:
        self.classes = {label: k for k, label in enumerate(classes)}
        self.counts = np.zeros((len(classes), len(classes) + 1), dtype=np.int64)

    def predicted(self, truth: ClassLabel, said: ClassLabel | None) -> None:
        """Count a prediction; None counts as wrong."""
        self.counts[self.classes[truth], -1 if said is None else self.classes[said]] += 1

    def scores(
        self, positions: Sequence[int], labels: Sequence[ClassLabel], share: float, window: int | None
    ) -> dict[str, Any]:
        """All scores.

        Args:
            positions: Of the labels bought, ascending, 0 being the first sample after the warm start.
            labels: The true labels, in the same order.
            share: The budget, as a share of the samples.
            window: The window for which a budget is promised; None is 1/share.
        """
        total = int(self.counts.sum())
        rows, columns = self.counts.sum(axis=1), self.counts.sum(axis=0)[:-1]
        right = np.diagonal(self.counts)
        accuracy, chance = right.sum() / total, float(rows @ columns) / total**2
        recalls = right[rows > 0] / rows[rows > 0]
        at = min(np.flatnonzero(rows)[::-1], key=rows.__getitem__)  # of equally rare classes, the last one
        rarest = list(self.classes)[at]
        rare = [number for number, label in enumerate(labels, 1) if label == rarest]
        length = window or ceil(1 / share)
        allowed = share * total
        most = most_in_window(positions, length)
        return {
            "samples": total,
            "accuracy": round(float(accuracy), 6),
            "kappa": round(float((accuracy - chance) / (1 - chance)) if chance < 1 else 0.0, 6),
            "g_mean": round(float(np.prod(recalls) ** (1 / len(recalls))), 6),
            "minority_recall": round(float(right[at] / rows[at]), 6),
            "labels": len(positions),
            "budget_spent": round(len(positions) / total, 6),
            "budget_error": round(abs(len(positions) - allowed) / allowed, 6),
            "within_budget": abs(len(positions) - allowed) <= max(1.0, 0.01 * allowed),
            "window": length,
            "window_most": most,
            "window_held": most <= share * length + 1 + 1e-9,
            "burst": round(most_in_window(positions, min(LONG, total)) / (share * min(LONG, total)), 3),
            "minority_labels": len(rare),
            "labels_to_20": rare[ENOUGH - 1] if len(rare) >= ENOUGH else None,
        }


def most_in_window(positions: Sequence[int], length: int) -> int:
    """The most of these ascending positions that lie in one window of `length` samples.

    >>> most_in_window([0, 9, 10, 11, 30], 3)
    3
    """
    most = first = 0
    for last, position in enumerate(positions):
        while positions[first] <= position - length:
            first += 1
        most = max(most, last - first + 1)
    return most
