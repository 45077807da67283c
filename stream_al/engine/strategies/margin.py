"""Margin: how close are the two most probable classes?

    utility = 1 - (p1 - p2),   p1 and p2 the two highest class probabilities

Scheffer, Decomain, Wrobel: Active Hidden Markov Models for Information Extraction (IDA 2001).
"""

from __future__ import annotations

import numpy as np

from stream_al.engine.samples.table import Floats
from stream_al.engine.strategies.base import Candidates


def margin(candidates: Candidates) -> Floats:
    """One minus the difference of the two highest probabilities."""
    ordered = np.partition(candidates.probabilities, -2, axis=1)
    return 1.0 - (ordered[:, -1] - ordered[:, -2])
