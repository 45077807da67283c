"""Mean KL: how far are the members from what they say together?

    utility = 1/M sum_m sum_y p_m(y) log(p_m(y) / c(y)) / log min(M, k),   c the mean of the p_m

McCallum, Nigam: Employing EM and Pool-Based Active Learning for Text Classification (ICML 1998). The mean
divergence to the mean is the members' Jensen-Shannon divergence, which is largest where they are certain
and as divided as can be; it is divided by that. Other than the consensus entropy it is 0 wherever all
members say the same, certain or not.
"""

from __future__ import annotations

from math import log

import numpy as np

from stream_al.engine.strategies.committee import Opinions, disagreement


def divergence(opinions: Opinions) -> float:
    """The mean Kullback-Leibler divergence to the mean opinion as a share of the highest possible.

    >>> import numpy as np
    >>> divergence(np.array([[1.0, 0.0], [0.0, 1.0]])), divergence(np.array([[0.5, 0.5], [0.5, 0.5]]))
    (1.0, 0.0)
    """
    members, classes = opinions.shape
    consensus = opinions.mean(axis=0)
    ratios = np.divide(opinions, consensus, out=np.ones_like(opinions), where=opinions > 0.0)
    total = float((opinions * np.log(ratios)).sum())
    most: float = members * log(min(members, classes))
    return total / most


mean_kl = disagreement(divergence)
