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

from stream_al.engine.model.sketch import Points, points, spread, squared_distances
from stream_al.engine.samples.table import Floats
from stream_al.engine.strategies.history import HistoryCursor


def density(sketches: Points, history: HistoryCursor, pending: int = 0) -> Floats:
    """The mean similarity to the recent samples.

    >>> usual, outlier = bytes(16), bytes([100] * 16)
    >>> from stream_al.engine.strategies.history import History
    >>> cursor = History(samples=usual * 40 + bytes([9] * 16) * 20).cursor()
    >>> likely, unlikely = density(points(usual + outlier), cursor)
    >>> bool(likely > 0.5 > 0.01 > unlikely)
    True
    """
    samples = points(history.samples)
    typical = spread(samples)
    if len(samples) < 2:  # too few to tell
        return np.ones(len(sketches))
    distances = squared_distances(sketches, samples)
    with_shared_shapes = np.exp(distances / (-2.0 * typical)) if typical > 0.0 else distances == 0
    found: Floats = with_shared_shapes.mean(axis=1)
    return found
