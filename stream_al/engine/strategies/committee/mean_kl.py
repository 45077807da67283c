"""Mean KL: how far are the members from their mean?

    utility = 1/M sum_m sum_y p_m(y) log(p_m(y) / c(y)) / log min(M, k),   c the mean of the p_m

McCallum, Nigam: Employing EM and Pool-Based Active Learning for Text Classification (ICML 1998). The mean
divergence from the mean is the members' Jensen-Shannon divergence. It is largest where they are certain and
disagree as much as possible, and is divided by that value. Unlike the consensus entropy it is 0 wherever all
members agree, whether certain or not.
"""

from __future__ import annotations

from math import log

import numpy as np

from stream_al.engine.strategies.committee.members import MemberProbabilities


def divergence(members: MemberProbabilities) -> float:
    """The mean Kullback-Leibler divergence from the mean as a share of the highest possible.

    >>> import numpy as np
    >>> divergence(np.array([[1.0, 0.0], [0.0, 1.0]])), divergence(np.array([[0.5, 0.5], [0.5, 0.5]]))
    (1.0, 0.0)
    """
    number, classes = members.shape
    consensus = members.mean(axis=0)
    ratios = np.divide(members, consensus, out=np.ones_like(members), where=members > 0.0)
    total = float((members * np.log(ratios)).sum())
    largest: float = number * log(min(number, classes))
    return total / largest
