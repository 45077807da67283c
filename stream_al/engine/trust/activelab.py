"""ActiveLab: whether a label is worth more for a new sample or for one that has labels (Goh, Mueller 2023).

The score of a sample is the probability of its consensus, drawn towards 1/K the less is known of it; the
sample with the lowest score is the most worth asking about. With the weights of CROWDLAB, w their mean:

    with labels      [(w_m + sum of w_j) q + w / K] / (w_m + sum of w_j + w)
    without labels   [w_m max p + w / K] / (w_m + w)

where q is the posterior of the consensus.
"""

from __future__ import annotations

from collections.abc import Mapping

from stream_al.engine.trust.crowdlab import EQUAL, Weights, posterior
from stream_al.engine.trust.opinions import Opinions
from stream_al.engine.trust.thresholds import self_confidence

__all__ = ["consensus_quality", "labelled_score", "unlabelled_score"]


def labelled_score(opinions: Opinions, quality: float, weights: Weights) -> float:
    """The score of a sample that has labels.

    Args:
        opinions: What is known of it.
        quality: The probability of its consensus (`consensus_quality`).
        weights: The weights of CROWDLAB.

    >>> from stream_al.engine.trust.crowdlab import EQUAL
    >>> from stream_al.engine.trust.opinions import Given
    >>> sure = Opinions((Given("ann", "ham"),), {"ham": 0.9, "spam": 0.1}, 2)
    >>> labelled_score(sure, consensus_quality(sure, EQUAL), EQUAL)
    0.7666666666666666
    """
    known = weights.model + sum(weights.of(given.annotator) for given in opinions.labels)
    return _drawn(quality, known, weights, opinions.classes)


def consensus_quality(opinions: Opinions, weights: Weights) -> float:
    """The probability of the consensus of a sample's labels.

    While no sample has several labels, nothing is known of annotators. Then it is what the model says of the
    label.
    """
    if weights is EQUAL:
        return self_confidence(opinions.labels[0].label, opinions.probabilities)
    return max(posterior(opinions, weights).values())


def unlabelled_score(probabilities: Mapping[str, float], classes: int, weights: Weights) -> float:
    """The score of a sample without labels.

    >>> from stream_al.engine.trust.crowdlab import EQUAL
    >>> round(unlabelled_score({"ham": 0.9, "spam": 0.1}, 2, EQUAL), 3)
    0.7
    """
    return _drawn(max(probabilities.values(), default=1.0 / classes), weights.model, weights, classes)


def _drawn(quality: float, known: float, weights: Weights, classes: int) -> float:
    return (known * quality + weights.mean / classes) / (known + weights.mean)
