"""Random: the utility is drawn at random.

It is the baseline that every other strategy has to beat. The utility is drawn from the sample, so that a
replay selects the same samples.
"""

from __future__ import annotations

from stream_al.engine.randomness import uniform
from stream_al.engine.strategies.base import Candidate


def random(candidate: Candidate) -> float:
    """A number in [0, 1) drawn from the sample."""
    return uniform(candidate.seed, "random strategy", candidate.draw)
