"""Surprise: more errors than the model itself expected, which is how a change of the stream shows.

Before a calibrated model learns an example it states how likely its prediction is right, `p_max`. While the
stream stays as it is, errors come as often as these probabilities predict. After a change they come more
often, at once, and the model need not know the error rate that is usual for the stream. Over the last
examples, with weights that fall by g from each example to the one before,

    S  <-  g S  +  [prediction wrong] - (1 - p_max)        the errors beyond those expected
    V  <-  g V  +  p_max (1 - p_max)                       their variance, if the probabilities are right
    z   =  max over g of  S / sqrt(V + 1/4)

A drift is detected where z exceeds `THRESHOLD`. S is 0 from there on, so that the same errors do not count
twice. g = 0.9 sees an abrupt change within ten examples, g = 0.97 a slower one within some tens.

1/4 is the largest variance that an error can have. It stands for the doubt in the probabilities: a model
that was certain of everything reaches z = 2 with its first error, and no more than that.

`PAUSE` examples lie between two detections: what is relearned after one (`auto`) must come from after the
one before. The first `FIRST` examples are not judged, since the probabilities are not calibrated yet.

The threshold is a compromise. On eight streams that stay as they are, `Auto` detected a drift about once in
1,000 examples, and lost 1.0 point of accuracy (standard error 0.3) over the first 500, most of it where a
concept needs many examples. A threshold of 2.5 would halve that (0.3, with 0.2), and the gain on streams that
change as well (1.0 in place of 2.4): it misses changes of a part of the features.

    Dawid: Statistical theory: the prequential approach. JRSS A 147, 1984.
    Gama, Medas, Castillo, Rodrigues: Learning with drift detection. SBIA 2004.
"""

from __future__ import annotations

import numpy as np

from stream_al.engine.learners.encoder.rows import Floats

__all__ = ["PAUSE", "Surprise"]

DECAYS = (0.9, 0.97)
THRESHOLD = 2.0
PAUSE = 20
FIRST = 40
DOUBT = 0.25


class Surprise:
    """A detector of drift, from probabilities and the labels that follow.

    Attributes:
        detections: How many drifts were detected.

    Examples:
        >>> surprise = Surprise()
        >>> certain = np.array([0.95, 0.05])
        >>> [surprise.learn(certain, 0) for _ in range(50)].count(True)
        0
        >>> [surprise.learn(certain, 1) for _ in range(5)]
        [False, False, True, False, False]
    """

    def __init__(self) -> None:
        self.detections = 0
        self._wait = FIRST  # examples before the next detection
        self._excess = np.zeros(len(DECAYS))
        self._variance = np.zeros(len(DECAYS))

    def learn(self, probabilities: Floats, label: int) -> bool:
        """Learn the label of one example, and return whether a drift is detected here.

        Args:
            probabilities: Those of the classes before the example was learned, calibrated.
            label: The number of the example's class.
        """
        decays = np.asarray(DECAYS)
        likeliest = int(probabilities.argmax())
        right = float(probabilities[likeliest])
        self._excess = decays * self._excess + (float(likeliest != label) - (1.0 - right))
        self._variance = decays * self._variance + right * (1.0 - right)
        self._wait = max(0, self._wait - 1)
        if self._wait or (self._excess / np.sqrt(self._variance + DOUBT)).max() <= THRESHOLD:
            return False
        self.detections += 1
        self._wait = PAUSE
        self._excess[:] = 0.0
        return True
