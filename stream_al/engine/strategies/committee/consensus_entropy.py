"""Consensus entropy: how uncertain is the mean of the members?

    utility = -sum_y c(y) log c(y) / log k,   c(y) the mean of the members' probabilities of y

The soft vote entropy of Settles: Active Learning Literature Survey (2009), section 3.2. It is 0 where all
members agree and are certain, and high where they agree and are uncertain.
"""

from __future__ import annotations

from stream_al.engine.strategies.committee.members import MemberProbabilities
from stream_al.engine.strategies.entropy import uncertainty


def consensus(members: MemberProbabilities) -> float:
    """The entropy of the mean probabilities as a share of the highest possible.

    >>> import numpy as np
    >>> consensus(np.array([[1.0, 0.0], [0.0, 1.0]]))
    1.0
    """
    return uncertainty(members.mean(axis=0).tolist())
