"""Class balance: is the label likely to be of a class with too few labels?

    weight(y) = target(y) / share(y),   share(y) = (labels of y + 1) / (all labels + k)
    utility = sum_y p(y) weight(y) / max weight

The utility is the expected weight of the label by the model's probabilities. The weight of a class grows with
what its labels lack of the target: equal shares, or those in the settings. A model that has learned too few
examples of a rare class is certain and wrong about it, and learns it only from labels of samples that may
belong to it. Weights by inverse class frequency are those of cost-sensitive learning (King, Zeng: Logistic
Regression in Rare Events Data, Political Analysis 2001); the 1 and the k are Laplace's.
"""

from __future__ import annotations

import numpy as np

from stream_al.engine.samples.table import Floats
from stream_al.engine.strategies.base import Candidates
from stream_al.messages import label_text


def class_balance(candidates: Candidates) -> Floats:
    """The expected weight of the label, as a share of the largest."""
    counts, target = candidates.model.classes, candidates.target
    weights = {
        label: (1.0 if target is None else target.get(label_text(label), 0.0)) / (number + 1)
        for label, number in counts.items()
    }
    largest = max(weights.values())
    if largest == 0.0:  # no class of the target has appeared yet
        return np.ones(len(candidates.samples))
    shares = [weights[label] / largest for label in candidates.labels]
    expected: Floats = (candidates.probabilities * shares).sum(axis=1)
    return expected
