"""Density: how typical of the stream is the sample?

    utility = mean over the recent samples of exp(-d^2 / (2 t^2))

d is the distance to a recent sample of the partition, and t a typical distance between two of them (root mean
square), both between sketches. The label of an outlier, even of an uncertain one, says little about other
samples. The weight is the information density of Settles, Craven: An Analysis of Active Learning Strategies
for Sequence Labeling Tasks (EMNLP 2008). Its exponent is the strength, as in `entropy * density^0.5`; its
similarity is a Gaussian kernel.
"""

from __future__ import annotations

import numpy as np

from stream_al.engine.model.sketch import Points, points, spread, squared_distances
from stream_al.engine.samples.table import Floats
from stream_al.engine.strategies.history.history import HistoryCursor


def density(sketches: Points, history: HistoryCursor, pending: int = 0) -> Floats:
    """The mean similarity to the recent samples.

    >>> usual, outlier = bytes(16), bytes([100] * 16)
    >>> from stream_al.engine.strategies.history.history import History
    >>> cursor = History(samples=usual * 40 + bytes([9] * 16) * 20).cursor()
    >>> likely, unlikely = density(points(usual + outlier), cursor)
    >>> bool(likely > 0.5 > 0.01 > unlikely)
    True
    """
    samples = points(history.samples)
    typical = spread(samples)
    if len(samples) < 2:  # too few to compare with
        return np.ones(len(sketches))
    distances = squared_distances(sketches, samples)
    similarities = np.exp(distances / (-2.0 * typical)) if typical > 0.0 else distances == 0
    means: Floats = similarities.mean(axis=1)
    return means
