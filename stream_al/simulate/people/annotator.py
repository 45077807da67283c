"""A simulated annotator: it knows the truth, errs as it is told to, and takes its time.

What it does is a hash of its seed, its name and the sample's id (`engine.randomness`), so it gives the same
label after the same time wherever a run is repeated. It reads no clock: times are arguments, in seconds.

    error        the probability of a wrong label; all wrong classes are equally likely
    confusions   for some classes: which wrong labels they get, and how often, in place of `error`
    delay        the time from the question to the moment at which the annotator sees it
    speed        labels an hour: one is begun when the one before it is done
    away         the hours of each day (UTC) in which no label is begun
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import NamedTuple

from stream_al.engine.randomness import uniform
from stream_al.messages import ClassLabel, label_text

__all__ = ["AT_ONCE", "Hours", "SimulatedAnnotator", "Wait", "truthful"]

DAY_SECONDS = 86_400.0
SMALLEST_DRAW = 2.0**-54  # below all draws but 0


def truthful(sample_id: str, truth: ClassLabel) -> ClassLabel:
    """The label of an annotator that is never wrong."""
    return truth


class Wait(NamedTuple):
    """How long something takes: a distribution of seconds.

    Attributes:
        kind: `fixed`, `exponential` or `lognormal`.
        seconds: The time itself, the mean of an exponential, or the median of a lognormal.
        sigma: The standard deviation of the logarithm of a lognormal.

    >>> Wait("fixed", 5.0).at(0.9), round(Wait("exponential", 10.0).at(0.5), 2)
    (5.0, 6.93)
    >>> Wait("lognormal", 60.0, 1.0).at(0.5)
    60.0
    """

    kind: str
    seconds: float
    sigma: float = 0.0

    def at(self, draw: float) -> float:
        """The time at a quantile, a number in [0, 1)."""
        if self.kind == "exponential":
            return -self.seconds * math.log1p(-draw)
        if self.kind == "lognormal":
            return self.seconds * math.exp(self.sigma * NormalDist().inv_cdf(max(draw, SMALLEST_DRAW)))
        return self.seconds


AT_ONCE = Wait("fixed", 0.0)


class Hours(NamedTuple):
    """Hours of each day, from the first up to the second; they may go over midnight.

    >>> Hours(17.5, 9.0).after(17 * 3600.0), Hours(17.5, 9.0).after(18 * 3600.0) / 3600
    (61200.0, 33.0)
    """

    begin: float
    end: float

    def after(self, seconds: float) -> float:
        """A moment itself if it is not in these hours, else their end."""
        into = (seconds - self.begin * 3600) % DAY_SECONDS
        long = (self.end - self.begin) % 24 * 3600
        return seconds + long - into if into < long else seconds


@dataclass(frozen=True, slots=True)
class SimulatedAnnotator:
    """Gives labels, some of them wrong, and late.

    Attributes:
        classes: All classes of the stream.
        error: The probability of a wrong label.
        seed: The seed of the random draws.
        name: The name. Annotators of different names err independently.
        confusions: Class, as text, to the wrong labels that it gets, each with its probability.
        delay: The time until it sees a question.
        label_seconds: The time that a label takes.
        away: When it begins no label; None if it is always there.

    >>> SimulatedAnnotator(["a", "b"], error=1.0, seed=0).label("1", "a")
    'b'
    """

    classes: Sequence[ClassLabel]
    error: float
    seed: int
    name: str = ""
    confusions: Mapping[str, Sequence[tuple[ClassLabel, float]]] = field(default_factory=dict)
    delay: Wait = AT_ONCE
    label_seconds: float = 0.0
    away: Hours | None = None

    def label(self, sample_id: str, truth: ClassLabel) -> ClassLabel:
        """The label of a sample. It is always the same for the same sample."""
        draw = self._draw("annotator", sample_id)
        confusions = self.confusions.get(label_text(truth))
        if confusions is not None:
            for label, probability in confusions:
                draw -= probability
                if draw < 0:
                    return label
            return truth
        others = [label for label in self.classes if label != truth]
        if draw >= self.error or not others:
            return truth
        return others[int(draw / self.error * len(others))]  # below the error, the draw is uniform again

    def begins(self, seconds: float) -> float:
        """When it can begin, at this moment or later."""
        return seconds if self.away is None else self.away.after(seconds)

    def gives(self, sample_id: str, seconds: float) -> float:
        """When it gives the label of a sample that it can begin at this moment."""
        return seconds + self.delay.at(self._draw("delay", sample_id)) + self.label_seconds

    def _draw(self, purpose: str, sample_id: str) -> float:
        return uniform(self.seed, f"{purpose} {self.name}" if self.name else purpose, sample_id)
