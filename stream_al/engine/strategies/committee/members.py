"""Query by committee: utilities from the predictions of several members.

A label is most informative where the members of a committee, of an ensemble or of a mixture disagree (Seung,
Opper, Sompolinsky: Query by Committee, COLT 1992). Members without a prediction (they know too few classes,
or fail on the features) do not vote. With fewer than two votes there is no measure of disagreement, and the
utility is 1.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from stream_al.engine.samples.table import Floats
from stream_al.engine.strategies.base import Candidate, Candidates, each

__all__ = ["MemberProbabilities", "by_committee", "by_committees"]

MemberProbabilities = NDArray[np.float64]
"""One row a member, one column a class; each row sums to 1."""


def by_committee(measure: Callable[[MemberProbabilities], float]) -> Callable[[Candidate], float]:
    """The utility that a measure of the disagreement of two members or more gives."""

    def utility_of(candidate: Candidate) -> float:
        members = candidate.model.members(candidate.features)
        if len(members) < 2:
            return 1.0
        return measure(np.asarray([list(probabilities.values()) for probabilities in members]))

    return utility_of


def by_committees(measure: Callable[[MemberProbabilities], float]) -> Callable[[Candidates], Floats]:
    """The same of many samples, whose members predict at once where they can."""
    one_by_one = each(by_committee(measure))

    def utilities_of(candidates: Candidates) -> Floats:
        tables = candidates.model.member_tables(candidates.samples)
        if tables is None:
            return one_by_one(candidates)
        if len(tables) < 2:
            return np.ones(len(candidates.samples))
        return np.asarray([measure(members) for members in np.stack(tables, axis=1).copy(order="C")])

    return utilities_of
