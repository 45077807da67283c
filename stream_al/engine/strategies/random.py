"""Random: every sample is as good as any other.

The baseline that every other strategy has to beat. Its utility is drawn from the sample's id, so
that a replay selects the same samples.
"""

from __future__ import annotations

from collections.abc import Sequence

from stream_al.engine.randomness import uniform


def random(probabilities: Sequence[float], sample_id: str, seed: int) -> float:
    """A number in [0, 1) drawn from the sample's id.

    >>> random([0.9, 0.1], "a", 0) == random([0.5, 0.5], "a", 0)
    True
    """
    return uniform(seed, "random strategy", sample_id)
