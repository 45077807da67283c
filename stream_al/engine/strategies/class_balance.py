"""Class balance: would the label be of a class that there are too few labels of?

    want(y) = target(y) / share(y),   share(y) = (labels of y + 1) / (all labels + k)
    utility = sum_y p(y) want(y) / max want

What the model believes about the class, weighed by how short the labels fall of the target: equal shares,
or the ones in the settings. Where classes are rare, a model that has seen too few of their examples is
certain and wrong; asking about what may be one of them is what makes it learn them. Weights by inverse
class frequency are those of cost-sensitive learning (King, Zeng: Logistic Regression in Rare Events Data,
Political Analysis 2001); the 1 and the k are Laplace's.
"""

from __future__ import annotations

import numpy as np

from stream_al.engine.samples.table import Floats
from stream_al.engine.strategies.base import Candidates
from stream_al.messages import label_text


def class_balance(candidates: Candidates) -> Floats:
    """The expected want of the label, as a share of the largest."""
    counts, target = candidates.model.classes, candidates.target
    want = {
        label: (1.0 if target is None else target.get(label_text(label), 0.0)) / (number + 1)
        for label, number in counts.items()
    }
    most = max(want.values())
    if most == 0.0:  # all that is wanted has never been seen
        return np.ones(len(candidates.samples))
    found: Floats = (candidates.probabilities * [want[label] / most for label in candidates.labels]).sum(
        axis=1
    )
    return found
