"""Consensus entropy: how uncertain are the members together?

    utility = -sum_y c(y) log c(y) / log k,   c(y) the mean of the members' probabilities of y

The soft vote entropy of Settles: Active Learning Literature Survey (2009), section 3.2. It is 0 where all
members agree and are certain; members that agree to be uncertain are uncertain.
"""

from __future__ import annotations

from stream_al.engine.strategies.committee import Opinions, disagreement
from stream_al.engine.strategies.entropy import uncertainty


def consensus(opinions: Opinions) -> float:
    """The entropy of the mean opinion as a share of the highest possible.

    >>> import numpy as np
    >>> consensus(np.array([[1.0, 0.0], [0.0, 1.0]]))
    1.0
    """
    return uncertainty(opinions.mean(axis=0).tolist())


consensus_entropy = disagreement(consensus)
