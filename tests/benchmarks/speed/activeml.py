"""What a decision costs with the stream strategies of scikit-activeml. A process of its own.

    python -m tests.benchmarks.speed.activeml SAMPLES

Each is used as its documentation shows: with a classifier that is fitted before (the package's Parzen window
for the probabilistic one, Gaussian Bayes for the others), then `query` and `update` for each sample. Nothing
is learned meanwhile. It prints CPU microseconds a sample by strategy.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from inspect import signature
from typing import Any

import numpy as np

from tests.benchmarks.speed.cases import CASES

LEARNED = 200
STRATEGIES = (
    *("StreamRandomSampling", "PeriodicSampling", "FixedUncertainty", "VariableUncertainty", "Split"),
    *("RandomVariableUncertainty", "StreamDensityBasedAL", "CognitiveDualQueryStrategyVarUn"),
    "StreamProbabilisticAL",
)


def cost(name: str, rows: Any, labels: Any) -> float:
    """CPU microseconds a sample."""
    from skactiveml import stream  # noqa: PLC0415 - an extra
    from skactiveml.classifier import ParzenWindowClassifier, SklearnClassifier  # noqa: PLC0415
    from sklearn.naive_bayes import GaussianNB  # noqa: PLC0415

    probabilistic = name == "StreamProbabilisticAL"
    model = (
        ParzenWindowClassifier(classes=[0, 1])
        if probabilistic
        else SklearnClassifier(GaussianNB(), classes=[0, 1])
    )
    model.fit(rows[:LEARNED], labels[:LEARNED])
    kind = getattr(stream, name)
    classes = {"classes": [0, 1]} if "classes" in signature(kind).parameters else {}
    strategy = kind(budget=0.05, random_state=0, **classes)
    plain = name in ("StreamRandomSampling", "PeriodicSampling")
    begin = time.process_time()
    for row in rows[LEARNED:]:
        candidate = row.reshape(1, -1)
        classifier = {} if plain else {"clf": model}
        chosen, utilities = strategy.query(candidate, return_utilities=True, **classifier)
        parameters = {"budget_manager_param_dict": {"utilities": utilities}} if probabilistic else {}
        strategy.update(candidate, chosen, **parameters)
    return 1e6 * (time.process_time() - begin) / (len(rows) - LEARNED)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    drawn = list(CASES[0].rows(LEARNED + int(sys.argv[1])))
    table = np.array([list(row.features.values()) for row in drawn])
    truth = np.array([row.label == "high" for row in drawn], dtype=int)
    sys.stdout.write(json.dumps({name: cost(name, table, truth) for name in STRATEGIES}))
