"""Opinions: what the members of a committee or an ensemble say, as a table.

Query by committee (Seung, Opper, Sompolinsky: Query by Committee, COLT 1992) asks about the samples that
the members disagree about. Members that have no opinion (they know too few classes, or fail on the
features) do not vote; where fewer than two do, nobody can tell how much they would disagree, and the
utility is 1.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from stream_al.engine.strategies.base import Candidate

__all__ = ["Opinions", "disagreement"]

Opinions = NDArray[np.float64]
"""One row a member, one column a class; each row sums to 1."""


def disagreement(measure: Callable[[Opinions], float]) -> Callable[[Candidate], float]:
    """The factor that a measure of two opinions or more makes."""

    def judge(candidate: Candidate) -> float:
        said = candidate.model.members(candidate.features)
        if len(said) < 2:
            return 1.0
        return measure(np.asarray([list(opinion.values()) for opinion in said]))

    return judge
