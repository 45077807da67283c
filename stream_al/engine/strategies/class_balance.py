"""Class balance: is the label uncertain, and likely to be of a class with too few labels?

    utility = sum_y p(y) sqrt(1 - p(y)) weight(y)
    weight(y) = target(y) / share(y), as a share of the largest,   share(y) = (labels of y + 1) / (labels + k)

A model that has learned too few examples of a rare class is certain and wrong about it, and learns it only
from labels of samples that may belong to it. So each class is wanted by the model's probability of it, by
the doubt that is left, and by what its labels lack of the target: equal shares, or those in the settings.
Weights by inverse class frequency are those of cost-sensitive learning (King, Zeng: Logistic Regression in
Rare Events Data, Political Analysis 2001); the 1 and the k are Laplace's.

The root matters. With p (1 - p) in its place, both terms of two classes have the same p, so the weights would
change no order: it would be that of margin. With the root, the term of a class is highest at a probability
of 2/3. So samples that are rather of a rare class come before those that are rather not, and with equal
labels of two classes the order is that of margin. Without the doubt, labels would go to samples that surely
are of the rare class, and teach little.
"""

from __future__ import annotations

import numpy as np

from stream_al.engine.samples.table import Floats
from stream_al.engine.strategies.base import Candidates
from stream_al.messages import label_text


def class_balance(candidates: Candidates) -> Floats:
    """The wish for the label: by its probable classes, what is doubted of them, and what they lack."""
    counts, target = candidates.model.classes, candidates.target
    weights = {
        label: (1.0 if target is None else target.get(label_text(label), 0.0)) / (number + 1)
        for label, number in counts.items()
    }
    largest = max(weights.values())
    if largest == 0.0:  # no class of the target has appeared yet
        return np.ones(len(candidates.samples))
    shares = [weights[label] / largest for label in candidates.labels]
    p = candidates.probabilities
    wish: Floats = (p * np.sqrt(np.maximum(0.0, 1.0 - p)) * shares).sum(axis=1)
    return wish
