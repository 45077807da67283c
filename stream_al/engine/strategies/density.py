"""Density: how typical of the stream is it?

    utility = mean over the recent samples of exp(-d^2 / (2 t^2))

d is the distance to a recent sample of the partition, t a typical distance between two of them (root
mean square), both between sketches. A label of an outlier, however uncertain, says little about other
samples. The weight is the information density of Settles, Craven: An Analysis of Active Learning
Strategies for Sequence Labeling Tasks (EMNLP 2008), whose exponent is the strength, as in
`entropy * density^0.5`; the similarity is a Gaussian kernel's.
"""

from __future__ import annotations

import numpy as np

from stream_al.engine.memory import Recall
from stream_al.engine.sketch import Point, points, spread, squared_distances


def density(sketch: Point, memory: Recall, pending: int = 0) -> float:
    """The mean similarity to the recent samples.

    >>> usual, outlier = bytes(16), bytes([100] * 16)
    >>> from stream_al.engine.memory import Memory
    >>> memory = Memory(samples=usual * 40 + bytes([9] * 16) * 20).recall()
    >>> density(usual, memory) > 0.5 > 0.01 > density(outlier, memory)
    True
    """
    samples = points(memory.samples)
    typical = spread(samples)
    distances = squared_distances(samples, sketch)
    if typical == 0.0:  # all alike, or too few to tell
        return float(np.mean(distances == 0)) if len(samples) > 1 else 1.0
    return float(np.mean(np.exp(distances / (-2.0 * typical))))
